"""Model files that can be opened safely, whoever created them."""

from zoo.saving.keras_files import load, save

__all__ = ["load", "save"]
