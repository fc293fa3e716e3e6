"""Out of the zoo: SavedModels that serve, ONNX and LiteRT files."""

from zoo.exporting.exporter import Exported, Format, export

__all__ = ["Exported", "Format", "export"]
