"""The batches of each epoch."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from zoo.loop.arrays import count_examples


def draw_order(examples: int, *, seed: int | None, epoch: int) -> np.ndarray:
    """Returns the order in which an epoch visits the examples.

    It depends on the seed and the epoch alone, so that a resumed training continues as it would have.
    Keras' own `fit(x, y)` draws one order and, with a global seed, repeats it in every epoch.

    Args:
        examples: Number of examples.
        seed: Random seed. None leaves the examples in their order.
        epoch: Number of the epoch, counted from 0.

    Returns:
        A permutation of the rows, `(examples,)`.

    >>> draw_order(5, seed=0, epoch=0).tolist(), draw_order(5, seed=0, epoch=1).tolist()
    ([2, 4, 3, 0, 1], [1, 4, 3, 0, 2])
    """
    return np.arange(examples) if seed is None else np.random.default_rng([seed, epoch]).permutation(examples)


class OrderedBatches(keras.utils.PyDataset):
    """Batches in the order of `draw_order`, for Keras' own `fit`.

    Args:
        data: `(x, y)` or `(x, y, sample_weight)`, arrays or structures of arrays.
        batch_size: Number of examples in a batch; the last one of an epoch may be smaller.
        seed: Random seed, as in `draw_order`.
        epoch: First epoch, counted from 0. Defaults to 0.
    """

    def __init__(self, data: tuple[Any, ...], batch_size: int, *, seed: int | None, epoch: int = 0) -> None:
        super().__init__()
        self._data, self._batch_size, self._seed = data, batch_size, seed
        self._examples = count_examples(data)
        self._order = draw_order(self._examples, seed=seed, epoch=epoch)
        self._next_epoch = epoch

    def __len__(self) -> int:
        return -(-self._examples // self._batch_size)

    def __getitem__(self, index: int) -> Any:
        rows = self._order[index * self._batch_size : (index + 1) * self._batch_size]
        return keras.tree.map_structure(lambda values: np.asarray(values)[rows], self._data)

    def on_epoch_begin(self) -> None:
        """Draws the order of the next epoch; Keras reads the first batches before the first call."""
        self._order = draw_order(self._examples, seed=self._seed, epoch=self._next_epoch)
        self._next_epoch += 1
