"""Data sets of your own tables: columns of numbers and of categories, and one of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.datasets.arrays import make_dataset
from zoo.datasets.dataset import Dataset
from zoo.datasets.split import Split
from zoo.errors import DataError, InvalidValue, unknown
from zoo.utils.constraints import Count, check

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".csv", ".parquet")
LARGEST = 50  # number of categories that a column may have


def from_table(
    frame: pd.DataFrame,
    target: str,
    *,
    drop: Sequence[str] = (),
    group: str | None = None,
    levels: int | None = None,
    class_names: Sequence[str] | None = None,
    validation: float | int | None = None,
    test: float | int | None = None,
    seed: int = 0,
    name: str = "table",
    **described: Any,
) -> Dataset:
    """Makes a data set of a table.

    A column of numbers is standardized by the mean and standard deviation of the training examples, a column of
    booleans or text becomes a column of 0 and 1 for each of its categories.

    Args:
        frame: Table with one row per example.
        target: Column with the labels, of any kind that `encode_labels` takes.
        drop: Columns to leave out. Defaults to none.
        group: Column by which examples stay together, such as a patient's number; it is left out of the inputs.
            Defaults to None.
        levels: Number to divide all columns by, in place of standardizing them. Defaults to None.
        class_names: Names of the classes. Defaults to the labels themselves, in order.
        validation: Size of the validation set, as in `from_arrays`.
        test: Size of the test set, as in `from_arrays`.
        seed: Random seed of the splits. Defaults to 0.
        name: Name in tables and titles. Defaults to `"table"`.
        **described: Other fields of the source.

    Returns:
        The data set; `data.source.columns` says how its columns were made.

    Raises:
        UnknownName: There is no such column.
        InvalidValue: A column has missing values, dates or too many categories, or the labels do not suit training.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"size": range(40), "kind": ["a", "b"] * 20, "good": [True, True, False, False] * 10})
    >>> data = from_table(frame, "good")
    >>> data.input_shape, [column["name"] for column in data.source.columns]
    ((3,), ['size', 'kind'])
    """
    for column in (target, *drop, *([group] if group else [])):
        if column not in frame:
            raise unknown("column", column, map(str, frame.columns), of=name)
    inputs = frame.drop(columns=[target, *drop, *([group] if group else [])])
    if not len(inputs.columns):
        raise InvalidValue(f"{name} must have a column besides {target}; it has none.")
    columns = [_describe(str(column), inputs[column]) for column in inputs]
    raw = encode_table(inputs, columns)
    data = make_dataset(
        {"train": (raw, frame[target])},
        levels=1,
        class_names=class_names,
        groups=None if group is None else frame[group].to_numpy(),
        sizes={"validation": validation, "test": test},
        seed=seed,
        name=name,
        **{"title": "A table of your own", **described},
    )
    columns = _fit(columns, data.train.x, check("levels", levels, Count | None))
    scale, mean = _get_scales(columns)
    parts: Any = {part: Split((split.x - mean) / scale, split.y) for part, split in data.splits.items()}
    return replace(data, **parts, source=replace(data.source, columns=tuple(columns)))


def read_table(path: Path) -> pd.DataFrame:
    """Reads a `.csv` or `.parquet` file.

    Raises:
        DataError: The file is damaged, or a package to read it is missing.
    """
    import pandas as pd

    try:
        return pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    except ImportError as error:
        raise DataError(f"{path} cannot be read without pyarrow: pip install pyarrow.") from error
    except Exception as error:  # parsers raise anything for a damaged file
        raise DataError(f"{path} is damaged or another kind of file: {str(error).strip().splitlines()[0]}") from error


def encode_table(frame: pd.DataFrame, columns: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Returns the columns of a table as numbers.

    Args:
        frame: Table.
        columns: Description of each column: `name`, and `mean` and `scale`, or `categories`.

    Returns:
        Numbers, `(examples, features)`.

    Raises:
        InvalidValue: A column or a value is missing, or a category is unknown.
    """
    import pandas as pd

    parts = []
    for column in columns:
        name = column["name"]
        if name not in frame:
            raise InvalidValue(f"The table must have the column {name}; it has {', '.join(map(str, frame.columns))}.")
        values = frame[name]
        if missing := int(values.isna().sum()):
            raise InvalidValue(f"The column {name} must have no missing values; got {missing}. Fill or drop them.")
        if "categories" in column:
            codes = pd.Categorical(values.astype(str), categories=column["categories"]).codes
            if (codes < 0).any():
                raise InvalidValue(
                    f"The column {name} must have the values {', '.join(column['categories'])}; got "
                    f"{values[codes < 0].iloc[0]}."
                )
            parts.append(np.eye(len(column["categories"]))[codes])
        else:
            numbers = pd.to_numeric(values, errors="coerce").to_numpy(float)
            if not np.isfinite(numbers).all():
                wrong = values[~np.isfinite(numbers)].iloc[0]
                raise InvalidValue(f"The column {name} must have finite numbers; got {wrong}.")
            parts.append((numbers[:, None] - column["mean"]) / column["scale"])
    return np.concatenate(parts, axis=1)


def _describe(name: str, values: pd.Series) -> dict[str, Any]:
    """Returns whether a column has numbers or categories."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        return {"name": name, "mean": 0.0, "scale": 1.0}
    if pd.api.types.is_datetime64_any_dtype(values):
        raise InvalidValue(f"The column {name} must have numbers or categories; got dates. Leave it out, or encode it.")
    categories = sorted(values.dropna().astype(str).unique())
    if len(categories) > LARGEST:
        raise InvalidValue(
            f"The column {name} must have at most {LARGEST} categories; got {len(categories)}. Leave it out, or encode "
            "it."
        )
    return {"name": name, "categories": categories}


def _fit(columns: Sequence[Mapping[str, Any]], x: np.ndarray, levels: int | None) -> list[dict[str, Any]]:
    """Returns the columns with 0 and `levels`, or the mean and the standard deviation of the training examples.

    The standard deviation of a constant column is set to 1.
    """
    fitted, place = [], 0
    for column in columns:
        if "mean" in column and levels is not None:
            fitted.append({**column, "scale": float(levels)})
        elif "mean" in column:
            values = x[:, place].astype(float)
            fitted.append({**column, "mean": float(values.mean()), "scale": float(values.std()) or 1.0})
        else:
            fitted.append(dict(column))
        place += len(column.get("categories", "1"))
    return fitted


def _get_scales(columns: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    scale = [value for column in columns for value in [column.get("scale", 1.0)] * len(column.get("categories", "1"))]
    mean = [value for column in columns for value in [column.get("mean", 0.0)] * len(column.get("categories", "1"))]
    return np.array(scale), np.array(mean)
