"""The examples that an RBM is trained on, in any form that Keras takes: their values and their summary."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.errors import InvalidValue

ROWS = 4096  # read at a time
SCALES = (0.1, 10.0)  # of the data, in standard deviations of Gaussian visible units
INFINITE, UNKNOWN = -1, -2  # cardinalities of a `tf.data.Dataset`


@dataclass(eq=False)
class DataSummary:
    """What is known of all examples.

    Args:
        examples: Number of examples without invalid values. Defaults to 0.
        invalid: Number of values that are NaN or infinite. Defaults to 0.
        low: Least value.
        high: Greatest value.
        mean: Mean of each input, `(inputs,)`.
        squares: Sum of the squared distances to the mean of each input, `(inputs,)`.
    """

    examples: int = 0
    invalid: int = 0
    low: float = np.inf
    high: float = -np.inf
    mean: Any = 0.0
    squares: Any = 0.0

    @property
    def deviation(self) -> np.ndarray:
        """Standard deviation of each input, `(inputs,)`."""
        return np.sqrt(self.squares / self.examples)

    def add(self, x: np.ndarray) -> None:
        """Adds examples, `(n, inputs)`, with the update of Chan, Golub and LeVeque, 1979."""
        self.invalid += int((~np.isfinite(x)).sum())
        if self.invalid or not x.size:
            return
        mean = x.mean(0)
        share = len(x) / (self.examples + len(x))
        self.squares = self.squares + ((x - mean) ** 2).sum(0) + self.examples * share * (mean - self.mean) ** 2
        self.mean = self.mean + share * (mean - self.mean)
        self.examples += len(x)
        self.low, self.high = min(self.low, float(x.min())), max(self.high, float(x.max()))


def adapt_before_fit(model: Any, x: Any, *, steps: int | None) -> None:
    """Calls `model.adapt` with the data of a training; a generator, which it would use up, gets a warning instead.

    Args:
        model: Model with a method `adapt` and an attribute `is_adapted`.
        x: Data of `fit`.
        steps: `steps_per_epoch` of `fit`.
    """
    if not isinstance(x, Iterator):
        model.adapt(x, steps=steps)
    elif not model.is_adapted:
        warnings.warn(
            f"{model.name} trains on a {type(x).__name__}, whose values it cannot check or adapt to; call "
            "adapt(examples) before fit.",
            stacklevel=3,
        )


def summarize(name: str, x: Any, shape: tuple[int, ...], *, steps: int | None = None) -> DataSummary:
    """Returns the summary of examples.

    Args:
        name: Name of the model, for the messages.
        x: Examples, `(examples, *shape)`: an array, tensor, data frame or sparse matrix; or batches of them, with or
            without targets: a `tf.data.Dataset`, `PyDataset` or `DataLoader`.
        shape: Shape of one example.
        steps: Number of batches to read of data without an end. Defaults to None.

    Raises:
        InvalidValue: The examples are none of these, have another shape, or are not real numbers; or the data have no
            end, and `steps` is None.
    """
    summary = DataSummary()
    for block in _read_blocks(name, x, steps):
        has_shape = hasattr(block, "shape") and not hasattr(block, "row_splits")  # those of a RaggedTensor
        actual = tuple(block.shape) if has_shape else None
        if not actual or actual[1:] != shape:
            got = type(block).__name__ if actual is None else actual[1:]
            raise InvalidValue(f"{name}: examples must have shape {shape}; got {got}.")
        values = block.tocsr() if hasattr(block, "tocsr") else ops.convert_to_numpy(block)
        if values.dtype.kind in "OSUMmc":
            raise InvalidValue(f"{name}: examples must be real numbers; got {values.dtype}.")
        for start in range(0, actual[0], ROWS):
            rows = values[start : start + ROWS]
            rows = rows if isinstance(rows, np.ndarray) else rows.toarray()
            summary.add(rows.reshape(len(rows), -1).astype("float64"))
    if not summary.examples and not summary.invalid:
        raise InvalidValue(f"{name}: there must be 1 or more examples; got none.")
    return summary


def check_values(name: str, data: DataSummary, *, sigma: float | None = None) -> None:
    """Checks that data suit visible units; warns if they are not standardized for Gaussian ones.

    Args:
        name: Name of the model, for the message.
        data: Summary of the data.
        sigma: Standard deviation of Gaussian units. Defaults to None, Bernoulli units.

    Raises:
        InvalidValue: The data are not finite, or are outside [0, 1] although the visible units are Bernoulli.
    """
    if data.invalid:
        raise InvalidValue(f"{name}: data must be finite; got {data.invalid} values that are NaN or infinite.")
    if sigma is None:
        if data.low < 0 or data.high > 1:
            raise InvalidValue(
                f"{name}: data of Bernoulli visible units must be in [0, 1]; got values from {data.low:g} to "
                f"{data.high:g}. Scale them, or standardize them and use visible='gaussian'."
            )
        return
    scale = data.deviation.max()
    if scale > 0 and not SCALES[0] <= scale / sigma <= SCALES[1]:
        warnings.warn(
            f"{name}: data of Gaussian visible units should have a standard deviation of about {sigma:g}; got up to "
            f"{scale:.3g}. Standardize them, or little is learned.",
            stacklevel=4,
        )


def _read_blocks(name: str, x: Any, steps: int | None) -> Iterator[Any]:
    """Yields all examples, or their batches without targets."""
    if hasattr(x, "shape"):
        yield x
        return
    if isinstance(x, (list, tuple, dict, str, Iterator)) or not hasattr(x, "__iter__"):
        raise InvalidValue(
            f"{name}: examples must be one array, or a Dataset that can be read twice; got {type(x).__name__}."
        )
    if isinstance(x, keras.utils.PyDataset):
        count, batches = x.num_batches, (x[number] for number in itertools.count())
    else:
        count, batches = _count_batches(x), iter(x)
    if count is None or count == INFINITE:
        if steps is None:
            raise InvalidValue(f"{name}: steps_per_epoch must be given for data without an end; got None.")
        count = steps
    for batch in itertools.islice(batches, steps if count == UNKNOWN else count):
        examples = keras.utils.unpack_x_y_sample_weight(batch)[0]
        # A distributed Dataset yields a value for each replica.
        yield from examples.values if isinstance(getattr(examples, "values", None), tuple) else [examples]


def _count_batches(x: Any) -> int:
    if hasattr(x, "cardinality"):
        return int(x.cardinality())
    try:
        return len(x)
    except TypeError:  # of a DataLoader over an iterable data set
        return UNKNOWN
