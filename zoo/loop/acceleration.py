"""In which way a model's steps are fastest on this machine: measured once, then remembered."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from zoo.distribution.strategies import has_several_workers
from zoo.loop.convolutions import convolutions_of
from zoo.loop.steps import Steps
from zoo.telemetry.weights import optimizers_of
from zoo.utils.files import replacing

WORTHWHILE = 3.0  # seconds of training, below which compiling costs more than it can save
LONG = 300.0  # seconds of training, from which on measuring again is cheap
CLOSE = 3.0  # times the fastest way's seconds, beyond which a way is not measured again
MEASURED = 0.1  # seconds, of each
MARGIN = 0.9  # of the plain way's seconds, which a busy machine measures by so much wrong


class Way(NamedTuple):
    """How the steps are compiled.

    Args:
        jit_compile: Whether by XLA.
        products: Whether convolutions are written as matrix products; see `zoo.loop.convolutions`.
    """

    jit_compile: bool = False
    products: bool = False


WAYS = {"plain": Way(), "xla": Way(jit_compile=True), "xla, products": Way(jit_compile=True, products=True)}


def choose(
    make: Callable[[Way], Steps],
    rows: np.ndarray,
    *,
    model: keras.Model,
    steps: int,
    way: Way | None,
    interval: tuple[int, int] | None = None,
) -> tuple[Steps, Way]:
    """Returns the steps compiled in the fastest way, and which it is.

    They are measured on the model itself, whose variables are then put back, unless that was done
    before on this machine; or if the whole training takes less time than to compile it. A long training measures
    again: a busy machine makes a way look slower, never faster, so that the least seconds are remembered. Of several
    workers none measures: their steps are compiled in the plain way. With and without gradients recorded it is the
    same way.

    Args:
        make: Makes the steps, compiled in a given way.
        rows: Mini-batches, as the steps take them.
        model: The model.
        steps: How many steps the training has.
        way: The way, where it is decided already.
        interval: As the steps take it; None where gradients are not recorded.
    """
    if way is None and has_several_workers(model.distribute_strategy):
        way = WAYS["plain"]  # each would measure other times, take another number of steps, and wait for ever
    if way is not None:
        return make(way), way
    known = _Memory(model, rows.shape[1:])
    made: dict[str, Steps] = {}

    def measure(name: str) -> None:
        made[name] = make(WAYS[name])
        try:
            found = _seconds_a_step(made[name], rows, interval or (1, 0))
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError, tf.errors.InternalError):
            if name == "plain":
                raise
            found = float("inf")  # XLA does not know an operation of this model
        known.remember(name, found)

    def seconds(name: str) -> float:
        if name not in known.seconds:
            measure(name)
        return known.seconds[name]

    fastest = "plain"
    if seconds("plain") * steps >= WORTHWHILE:
        ways = [name for name in WAYS if not WAYS[name].products or convolutions_of(model)]
        least = min(map(seconds, ways))
        if least * steps >= LONG:
            for name in ways:
                if name not in made and seconds(name) <= CLOSE * least:
                    measure(name)
        fastest = min(ways, key=lambda name: seconds(name) * (MARGIN if name == "plain" else 1))
    return made.get(fastest) or make(WAYS[fastest]), WAYS[fastest]


def _seconds_a_step(run: Steps, rows: np.ndarray, interval: tuple[int, int]) -> float:
    variables = run.variables(rows)
    before = [tf.identity(variable) for variable in variables]

    def timed(count: int) -> float:
        start = time.perf_counter()
        for value in keras.tree.flatten(run(rows, count, interval=interval)):
            np.asarray(value)
        return time.perf_counter() - start

    try:
        timed(1)  # compiles
        count = 1
        while timed(count) < MEASURED and count < len(rows):
            count = min(len(rows), 4 * count)
        # A call costs time for itself as well, to gather its examples above all; a lone step always does.
        call = min(timed(0) for _ in range(3)) if len(rows) > 1 else 0.0
        return (min(timed(count) for _ in range(3)) - call) / count
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)


class _Memory:
    """The least seconds a step that were measured, by model and machine, in a file of Keras' own folder."""

    def __init__(self, model: keras.Model, shape: tuple[int, ...]) -> None:
        home = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"))
        self._path = home / "classic_zoo" / "seconds_a_step.json"
        self._key = _fingerprint(model, shape)
        self.seconds: dict[str, float] = self._read().get(self._key, {})

    def remember(self, kind: str, seconds: float) -> None:
        self.seconds[kind] = min(seconds, self.seconds.get(kind, seconds))
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(self._path) as temporary:
                temporary.write_text(json.dumps({**self._read(), self._key: self.seconds}))
        except OSError:
            pass  # it is measured again next time

    def _read(self) -> dict[str, Any]:
        try:
            content = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}


def _fingerprint(model: keras.Model, shape: tuple[int, ...]) -> str:
    devices = [
        tf.config.experimental.get_device_details(device).get("device_name", device.device_type)
        for device in tf.config.list_physical_devices()
    ]
    layers = [(type(layer).__name__, [tuple(weight.shape) for weight in layer.weights]) for layer in model.layers]
    seen = [
        type(model).__qualname__,
        layers,
        [type(optimizer).__name__ for optimizer in optimizers_of(model)],
        str(model.loss),
        [metric.name for metric in model.metrics],
        str(model.dtype_policy.name),
        shape,
        (platform.machine(), platform.processor(), os.cpu_count(), devices),
        [metadata.version(package) for package in ("tensorflow", "keras")],
        model.distribute_strategy.num_replicas_in_sync,
    ]
    return hashlib.sha256(json.dumps(seen, default=str).encode()).hexdigest()[:16]
