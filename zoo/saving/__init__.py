"""Model files that can be opened safely, whoever made them."""

from zoo.saving.keras_files import load, save

__all__ = ["load", "save"]
