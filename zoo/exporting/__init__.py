"""Exports to SavedModel, ONNX and LiteRT."""

from zoo.exporting.exporter import Exported, Format, export

__all__ = ["Exported", "Format", "export"]
