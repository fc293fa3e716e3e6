"""The memory that a model needs, checked before it is taken."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zoo.utils.keras_private import get_initial_shape

_COPIES = 3  # of the weights: the model's, their gradients, and those of the best epoch


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
            sizes = f"{needed / 2**30:.3g} GiB, and {limit / 2**30:.3g} GiB are free"
            raise MemoryError(f"the weights, their gradients and a copy of them take more than {sizes}")
        return create(**arguments)

    with tf.variable_creator_scope(create_counted):
        yield


def _get_memory() -> float:
    """Returns the memory in bytes that is free for this process."""
    limits = [math.inf]
    with contextlib.suppress(OSError):  # other systems than Linux
        limits.append(1024 * int(re.findall(r"MemAvailable:\s+(\d+)", Path("/proc/meminfo").read_text())[0]))
    with contextlib.suppress(OSError, ValueError):  # no container, or "max" for one without a limit
        group = Path("/sys/fs/cgroup")
        limits.append(int((group / "memory.max").read_text()) - int((group / "memory.current").read_text()))
    return min(limits)
