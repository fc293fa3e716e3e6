"""The memory that a model needs, checked before it is taken."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from zoo.utils.keras_private import get_initial_shape, list_layers

_COPIES = 3  # of the weights: the model's, their gradients, and those of the best epoch
_EVALUATED = 2**28  # outputs of a layer, a GiB, that a batch of an evaluation may have


@contextlib.contextmanager
def limiting_memory() -> Iterator[None]:
    """Raises MemoryError before a model is created inside the block that this machine cannot train.

    Otherwise Linux grants the memory, and kills the process once it is used.
    """
    import tensorflow as tf

    if tf.config.list_logical_devices("GPU"):  # which have their own memory, and report when it is full
        yield
        return
    limit, needed = _get_memory(), 0

    def create_counted(create: Any, **arguments: Any) -> Any:
        nonlocal needed
        with contextlib.suppress(KeyError, RuntimeError, ValueError):  # not a variable of Keras
            size = tf.as_dtype(arguments.get("dtype") or "float32").size
            needed += _COPIES * size * math.prod(get_initial_shape(arguments["initial_value"]))
        if needed > limit:
            sizes = f"{_format(needed)}, and {_format(limit)} are free"
            raise MemoryError(f"the weights, their gradients and a copy of them take more than {sizes}")
        return create(**arguments)

    with tf.variable_creator_scope(create_counted):
        yield


def check_batch(model: keras.Model, batch_size: int) -> None:
    """Raises MemoryError if the outputs of the widest layer and their gradients do not fit into the free memory.

    Args:
        model: A built model; layers whose shape of outputs is unknown are left out.
        batch_size: Number of examples in a batch.
    """
    import tensorflow as tf

    needed, limit = 2 * 4 * batch_size * _count_outputs(model), _get_memory()
    if needed > limit and not tf.config.list_logical_devices("GPU"):
        raise MemoryError(f"a batch of {batch_size} takes more than {_format(needed)}, and {_format(limit)} are free")


def choose_evaluated_batch(model: keras.Model, batch_size: int) -> int:
    """Returns the number of examples to evaluate at a time: 1000, or fewer of a wide model.

    Args:
        model: A built model.
        batch_size: Number of examples in a batch of the training, which is the least.
    """
    return max(batch_size, min(1000, _EVALUATED // max(1, _count_outputs(model))))


def _count_outputs(model: keras.Model) -> int:
    """Returns the largest number of outputs of a layer for one example, 0 if it is unknown."""
    sizes = [0]
    for layer in list_layers(model):
        with contextlib.suppress(AttributeError, ValueError):  # no output of its own, or several
            shapes = [tensor.shape[1:] for tensor in keras.tree.flatten(layer.output)]
            sizes += [math.prod(size or 1 for size in shape) for shape in shapes]
    return max(sizes)


def _format(size: float) -> str:
    return f"{size / 2**30:.3g} GiB"


def _get_memory() -> float:
    """Returns the memory in bytes that is free for this process."""
    limits = [math.inf]
    with contextlib.suppress(OSError):  # other systems than Linux
        limits.append(1024 * int(re.findall(r"MemAvailable:\s+(\d+)", Path("/proc/meminfo").read_text())[0]))
    with contextlib.suppress(OSError, ValueError):  # no container, or "max" for one without a limit
        group = Path("/sys/fs/cgroup")
        limits.append(int((group / "memory.max").read_text()) - int((group / "memory.current").read_text()))
    return min(limits)
