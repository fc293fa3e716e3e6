"""Inputs on which an exported model is compared with the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.errors import RunFailed
from zoo.exporting.graphs import Outputs
from zoo.exporting.interfaces import shorten
from zoo.utils.keras_private import list_layers

Arrays = dict[str, np.ndarray]

SIZES = (8, 32, 64, 128, 256, 512, 1024)  # of a dimension that may have any size
WORDS = ("a", "b", "the", "")


class Sampler:
    """Draws random inputs of a model: numbers in [0, 1], indices that its layers have, words that they know.

    Args:
        model: The model.
        limits: Exclusive upper bounds of integers by the name of the input, as in `{"classes": 10}`. Defaults to none.
    """

    def __init__(self, model: keras.Model, limits: Mapping[str, int] | None = None) -> None:
        self.random, self.limits = np.random.default_rng(0), limits or {}
        layers = list_layers(model)
        sizes = [getattr(layer, name, None) for layer in layers for name in ("input_dim", "num_tokens")]
        self.high = min((size for size in sizes if isinstance(size, int)), default=2)
        self.words = self._vocabulary(layers, keras.layers.StringLookup) or list(WORDS)
        self.numbers = self._vocabulary(layers, keras.layers.IntegerLookup)
        self.writes_texts = any(isinstance(layer, keras.layers.TextVectorization) for layer in layers)

    def draw(self, specs: Mapping[str, tf.TensorSpec], examples: int, size: int) -> Arrays:
        """Returns random inputs.

        Args:
            specs: Specifications of the inputs.
            examples: Number of examples.
            size: Size of each dimension that may have any.
        """
        return {name: self._draw(name, spec, [examples, *[size] * 8]) for name, spec in specs.items()}

    def _draw(self, name: str, spec: tf.TensorSpec, free: Sequence[int]) -> np.ndarray:
        shape = [free[axis] if length is None else length for axis, length in enumerate(spec.shape)]
        if name == "steps" and not shape:
            return np.array(3, "int32")
        if spec.dtype == tf.string:
            words = self.random.choice(self.words, size=(*shape, 5 if self.writes_texts else 1))
            return np.apply_along_axis(lambda row: np.array(" ".join(row).encode(), "S200"), -1, words)
        if spec.dtype == tf.bool:
            return self.random.random(shape) < 0.5
        dtype = spec.dtype.as_numpy_dtype
        if not spec.dtype.is_integer:
            return self.random.random(shape, "float32").astype("float32" if spec.dtype.size < 4 else dtype)
        if name in self.limits:
            return self.random.integers(self.limits[name], size=shape).astype(dtype)
        if self.numbers:
            return self.random.choice(self.numbers, size=shape).astype(dtype)
        return self.random.integers(256 if spec.dtype == tf.uint8 else self.high, size=shape).astype(dtype)

    @staticmethod
    def _vocabulary(layers: Sequence[Any], kind: type) -> list[Any]:
        """Returns the known words or numbers of all lookup layers, without those for unknown ones."""
        found: list[Any] = [layer for layer in layers if isinstance(layer, kind)]
        return [word for layer in found for word in layer.get_vocabulary(include_special_tokens=False)][:1000]


def draw_accepted(
    function: Callable[..., Outputs], specs: Mapping[str, tf.TensorSpec], sampler: Sampler, examples: int
) -> tuple[Arrays, Outputs]:
    """Returns inputs that a function accepts, and its outputs.

    Raises:
        RunFailed: It fails with sizes of every kind.
    """
    failure: Exception | None = None
    has_free_size = any(None in spec.shape[1:] for spec in specs.values() if spec.shape.rank)
    for size in SIZES if has_free_size else SIZES[:1]:
        inputs = sampler.draw(specs, examples, size)
        try:
            return inputs, function(*(tf.cast(inputs[name], spec.dtype) for name, spec in specs.items()))
        except Exception as error:  # whatever the code of a model raises
            failure = failure or error
    assert failure is not None
    raise RunFailed(
        f"Cannot compare the exported model with the model, which fails on a batch of {examples} of its own inputs: "
        f"{shorten(failure)}."
    ) from failure
