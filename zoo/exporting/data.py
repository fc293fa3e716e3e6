"""The data that a model is served with: their description, their raw numbers, and some of their examples."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from zoo import datasets
from zoo.datasets import Dataset
from zoo.errors import DataError, InvalidValue, ZooError
from zoo.models.origin import Origin
from zoo.utils.constraints import Count, check

EXAMPLES = 16
_FIELDS = ("name", "title", "origin", "licence", "levels", "class_names")
_WHOLE = 0.01  # largest rounding error of numbers that were whole


@dataclass(frozen=True, eq=False)
class ServedData:
    """The data that a model is served with.

    Args:
        description: Name, title, origin, license, levels and class names of the data set; empty if it is unknown.
        levels: Number by which the raw numbers are divided; 1 if the model takes them as they are.
        shape: Shape of one example. Defaults to None, unknown.
        examples: Some test examples as in training. Defaults to None, none on this machine.
    """

    description: Mapping[str, Any]
    levels: int
    shape: tuple[int, ...] | None = None
    examples: np.ndarray | None = None

    @property
    def class_names(self) -> Sequence[str]:
        """Names of the classes; empty if they are unknown."""
        return self.description.get("class_names", ())

    @property
    def dtype(self) -> str:
        """Smallest type of the raw numbers; float32 if the examples are not whole numbers."""
        if self.examples is not None and not _are_whole(self.examples * self.levels):
            return "float32"
        return next((name for name in ("uint8", "uint16") if self.levels <= np.iinfo(name).max), "int32")

    def to_raw(self, x: np.ndarray) -> np.ndarray:
        """Returns numbers as in training as the raw numbers of the data set."""
        raw = x * np.float32(self.levels)
        return (raw if self.dtype == "float32" else np.round(raw)).astype(self.dtype)


def describe_data(origin: Origin | None, dataset: str | Dataset | None) -> ServedData:
    """Returns the data that a model is served with, without downloading any.

    Args:
        origin: Where the model comes from, with the data that it was trained on.
        dataset: Name of a data set, or a loaded one. Defaults to None: the one that the model was trained on, or
            images with values from 0 to 255.

    Raises:
        InvalidValue: `levels` is not a positive integer, or the examples are not in [0, 1], although `levels` says so.
        UnknownName: Unknown data set.
    """
    if dataset is not None and not isinstance(dataset, str | Dataset):
        raise InvalidValue(f"dataset must be a name or a loaded data set; got {type(dataset).__name__}.")
    if dataset is None:
        description = dict(origin.data) if origin else {}
        data = ServedData(description, description.get("levels", 255 if origin else 1))
        name = description.get("name")
        return replace(data, examples=_load_examples(origin)) if name and origin else data
    if dataset not in datasets.names() and not isinstance(dataset, Dataset):
        dataset = datasets.load(**(origin.load_options(dataset) if origin else {"name": dataset}))
    source = dataset.source if isinstance(dataset, Dataset) else datasets.source(dataset)
    examples = _choose(dataset.test.x) if isinstance(dataset, Dataset) else _load_named(source.name, origin)
    description = {name: getattr(source, name) for name in _FIELDS}
    shape = dataset.input_shape if isinstance(dataset, Dataset) else source.input_shape
    levels = check(f"levels of {source.name}", source.levels, Count)
    description |= {"class_names": [str(name) for name in source.class_names], "levels": levels}
    data = ServedData(description, levels, shape, examples)
    _check_levels(data)
    return data


def fit_data(data: ServedData, inputs: Mapping[str, Any]) -> ServedData:
    """Returns the data as a model takes them.

    Args:
        data: The data.
        inputs: Specifications of the inputs of the model.

    Raises:
        InvalidValue: The data set was named, but does not fit the model.
    """
    if len(inputs) > 1 and data.shape:
        raise InvalidValue(f"dataset must be None for a model of several inputs; got {data.description['name']}.")
    spec = next(iter(inputs.values()))
    shape = spec.shape[1:]
    is_flat = data.shape and shape.is_fully_defined() and shape.num_elements() == math.prod(data.shape)
    if data.shape and not (is_flat or shape.is_compatible_with(data.shape)):
        name = data.description["name"]
        raise InvalidValue(f"The model takes inputs of shape {tuple(shape)}; {name} has {data.shape}.")
    if not spec.dtype.is_floating or not (data.description or spec.shape.rank == 4):
        # A model of integers scales raw numbers itself; vectors of unknown data are taken as they are.
        return replace(data, levels=1, examples=None)
    if (x := data.examples) is not None:
        fits = is_flat or shape.is_compatible_with(x.shape[1:])
        return replace(data, examples=x.reshape(len(x), *shape) if is_flat else x if fits else None)
    return data


def _check_levels(data: ServedData) -> None:
    if (x := data.examples) is None:
        return
    name, levels = data.description["name"], data.levels
    if levels != 1 and not (x.min() >= 0 and x.max() <= 1 + 1e-6):
        raise InvalidValue(
            f"The inputs of {name} must be in [0, 1], since levels={levels} says that they were divided by it; got "
            f"values from {x.min():g} to {x.max():g}. Divide them, or set levels=1 to serve them as they are."
        )
    if levels == 1 and x.ndim == 4 and not _are_whole(x) and _are_whole(x * 255):
        warnings.warn(
            f"The images of {name} are multiples of 1/255 and its levels are 1, so that the exported model takes "
            "images in [0, 1]; set levels=255 in its Source to serve images from 0 to 255.",
            stacklevel=4,
        )


def _are_whole(x: np.ndarray) -> bool:
    return bool((np.abs(x - np.round(x)) <= _WHOLE).all())


def _load_examples(origin: Origin) -> np.ndarray | None:
    """Returns examples of the data that a model was trained on; None if they are not on this machine any more."""
    loaded = origin.loaded
    if not loaded:
        return None
    if loaded["name"] in datasets.names():
        return _load_named(loaded["name"], origin)
    try:
        return _choose(datasets.load(**loaded).test.x)
    except ZooError:
        return None


def _load_named(name: str, origin: Origin | None) -> np.ndarray | None:
    if not datasets.source(name).is_local:
        return None
    try:
        return _choose(datasets.load(**(origin.load_options(name) if origin else {"name": name})).test.x)
    except DataError:
        return None


def _choose(x: np.ndarray) -> np.ndarray:
    return x[:: -(-len(x) // EXAMPLES)].astype("float32")
