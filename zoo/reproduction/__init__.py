"""Published figures beside ours: `reproduce("nielsen-2")` trains a row of `results.csv` and fills in its figures."""

from zoo.reproduction.reproducing import reproduce, settings_of
from zoo.reproduction.results import COLUMNS, MEASURED, TABLE, margin, markdown, read

__all__ = ["COLUMNS", "MEASURED", "TABLE", "margin", "markdown", "read", "reproduce", "settings_of"]
