"""Which examples make up the mini-batches of each epoch."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np


def order(examples: int, *, seed: int | None, epoch: int) -> np.ndarray:
    """Returns the order in which an epoch goes through the examples.

    It depends on the seed and the epoch alone, so that a training that is taken up again goes on as
    it would have. Keras' own `fit(x, y)` draws one order and, once a global seed is set, repeats it
    in every epoch.

    Args:
        examples: How many there are.
        seed: Decides the orders; None leaves the examples as they are.
        epoch: Counted from 0.

    Returns:
        `(examples,)`, a permutation of the rows.

    >>> order(5, seed=0, epoch=0).tolist(), order(5, seed=0, epoch=1).tolist()
    ([2, 4, 3, 0, 1], [1, 4, 3, 0, 2])
    """
    return np.arange(examples) if seed is None else np.random.default_rng([seed, epoch]).permutation(examples)


class OrderedBatches(keras.utils.PyDataset):
    """The same mini-batches for Keras' own `fit`.

    Args:
        data: `(x, y)` or `(x, y, sample_weight)`, arrays or structures of arrays.
        batch_size: Examples in a mini-batch; the last one of an epoch may be smaller.
        seed: As `order` takes it.
        epoch: The first epoch.
    """

    def __init__(self, data: tuple[Any, ...], batch_size: int, *, seed: int | None, epoch: int = 0) -> None:
        super().__init__()
        self._data, self._batch_size, self._seed, self._epoch = data, batch_size, seed, epoch - 1
        self._examples = len(keras.tree.flatten(data)[0])
        self._order = order(self._examples, seed=seed, epoch=epoch)

    def __len__(self) -> int:
        return -(-self._examples // self._batch_size)

    def __getitem__(self, index: int) -> Any:
        rows = self._order[index * self._batch_size : (index + 1) * self._batch_size]
        return keras.tree.map_structure(lambda values: np.asarray(values)[rows], self._data)

    def on_epoch_begin(self) -> None:
        """Goes on to the next epoch's order; Keras looks at the first batches before the first epoch."""
        self._epoch += 1
        self._order = order(self._examples, seed=self._seed, epoch=self._epoch)
