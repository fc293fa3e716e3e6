"""The compile mode in which a model's steps are fastest on this machine: measured once, then remembered."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import platform
import re
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from filelock import FileLock, Timeout

from zoo.distribution.strategies import has_several_workers
from zoo.errors import InvalidValue
from zoo.loop.convolutions import find_convolutions
from zoo.loop.fallback import get_first_line
from zoo.loop.steps import Steps
from zoo.telemetry.weights import list_optimizers
from zoo.utils.files import replacing

MINIMUM_SECONDS = 3.0  # a shorter training ends before XLA has compiled it
REMEASURE_SECONDS = 300.0  # a longer training has time to measure again
REMEASURE_RATIO = 3.0  # modes are measured again if they take at most this many times the fastest mode's seconds
MEASUREMENT_SECONDS = 0.1  # duration of the steps in one measurement
PLAIN_MODE_RATIO = 0.9  # another mode must take less than this share of the plain mode's seconds; timings vary


class CompileMode(NamedTuple):
    """How the steps are compiled.

    Args:
        jit_compile: Whether XLA compiles them. Defaults to False.
        products: Whether convolutions are matrix products; see `zoo.loop.convolutions`. Defaults to False.
    """

    jit_compile: bool = False
    products: bool = False


# What TensorFlow raises where XLA does not know an operation, lacks a library, or has no memory.
XLA_FAILURES = (
    tf.errors.InvalidArgumentError, tf.errors.UnimplementedError, tf.errors.InternalError, tf.errors.NotFoundError,
    tf.errors.ResourceExhaustedError,
)  # fmt: skip
MODES = {"plain": CompileMode(), "xla": CompileMode(jit_compile=True), "xla, products": CompileMode(True, True)}
CompileSteps = Callable[[CompileMode], Steps]


def choose_compile_mode(
    compile_steps: CompileSteps,
    rows: np.ndarray,
    *,
    model: keras.Model,
    steps: int,
    mode: CompileMode | None,
    interval: tuple[int, int] = (1, 0),
) -> tuple[Steps, CompileMode]:
    """Returns the steps compiled in the fastest mode, and the mode.

    The modes are measured on the model itself, whose variables are restored afterwards, unless they were measured on
    this machine before or the training is shorter than the compilation. A long training measures again and remembers
    the least seconds, because a busy machine makes a mode look slower, never faster. Several workers use the plain mode
    without measuring: they would measure different times, run different numbers of steps, and deadlock.

    Args:
        compile_steps: Function that returns the steps compiled in a mode.
        rows: Batches, as `Steps` takes them.
        model: The model.
        steps: Number of steps in the training.
        mode: Mode to use, or None to choose the fastest.
        interval: Interval of recorded steps, as `Steps` takes it. Defaults to (1, 0).

    Raises:
        InvalidValue: XLA cannot compile the steps, as `mode` requires.
    """
    if mode is None and has_several_workers(model.distribute_strategy):
        mode = MODES["plain"]
    if mode is not None:
        compiled = compile_steps(mode)
        if mode.jit_compile and (failure := _find_xla_failure(compiled, rows, interval)):
            raise InvalidValue(
                f"jit_compile must be False or 'auto' for {model.name}, which XLA cannot compile: {failure}; got "
                "True, or the checkpoint of a training with it."
            )
        return compiled, mode
    timings = _Timings(model, compile_steps, rows, interval)
    fastest = "plain"
    if timings.get("plain") * steps >= MINIMUM_SECONDS:
        names = [name for name, mode in MODES.items() if not mode.products or find_convolutions(model)]
        least = min(map(timings.get, names))
        if least * steps >= REMEASURE_SECONDS:
            for name in names:
                if name not in timings.compiled and timings.get(name) <= REMEASURE_RATIO * least:
                    timings.measure(name)
        fastest = min(names, key=lambda name: timings.get(name) * (PLAIN_MODE_RATIO if name == "plain" else 1))
    if MODES[fastest].jit_compile and fastest not in timings.compiled:
        timings.compiled[fastest] = compile_steps(MODES[fastest])
        # A metric, say, may have changed since the mode was measured.
        if _find_xla_failure(timings.compiled[fastest], rows, interval):
            fastest = "plain"
    return timings.compiled.get(fastest) or compile_steps(MODES[fastest]), MODES[fastest]


class _Timings:
    """The least seconds of a step in each mode, remembered by model and machine in a file of Keras' folder.

    Args:
        model: The model.
        compile_steps: Function that returns the steps compiled in a mode.
        rows: Batches to measure on.
        interval: Interval of recorded steps.
    """

    def __init__(
        self, model: keras.Model, compile_steps: CompileSteps, rows: np.ndarray, interval: tuple[int, int]
    ) -> None:
        self._compile_steps, self._rows, self._interval = compile_steps, rows, interval
        home = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"))
        self._path = home / "classic_zoo" / "seconds_a_step.json"
        self._key = _compute_fingerprint(model, rows.shape[1:])
        remembered: dict[str, float] = self._read().get(self._key, {})
        self._seconds = {name: seconds for name, seconds in remembered.items() if math.isfinite(seconds)}
        self.compiled: dict[str, Steps] = {}

    def get(self, name: str) -> float:
        """Returns the seconds of a step in a mode, measured now if they are not remembered."""
        if name not in self._seconds:
            self.measure(name)
        return self._seconds[name]

    def measure(self, name: str) -> None:
        """Measures a mode and remembers its seconds; where XLA fails, they are infinite and are not remembered."""
        compiled = self._compile_steps(MODES[name])
        try:
            seconds = _measure_step(compiled, self._rows, self._interval)
        except XLA_FAILURES:
            if name == "plain":
                raise
            self._seconds[name] = math.inf
            return
        self.compiled[name] = compiled
        self._seconds[name] = min(seconds, self._seconds.get(name, seconds))
        with contextlib.suppress(OSError, Timeout):  # without the file, the mode is measured again next time
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self._path}.lock", timeout=5), replacing(self._path) as temporary:
                measured = {name: seconds for name, seconds in self._seconds.items() if math.isfinite(seconds)}
                temporary.write_text(json.dumps({**self._read(), self._key: measured}))

    def _read(self) -> dict[str, Any]:
        try:
            content = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}


def _measure_step(run: Steps, rows: np.ndarray, interval: tuple[int, int]) -> float:
    with _restored(run.list_variables(rows)):
        _time_call(run, rows, 1, interval)  # compiles
        count = 1
        while _time_call(run, rows, count, interval) < MEASUREMENT_SECONDS and count < len(rows):
            count = min(len(rows), 4 * count)
        # The fixed cost of a call, mostly to gather its examples, is not part of a step, unless a call is one step.
        call = min(_time_call(run, rows, 0, interval) for _ in range(3)) if len(rows) > 1 else 0.0
        return (min(_time_call(run, rows, count, interval) for _ in range(3)) - call) / count


def _find_xla_failure(run: Steps, rows: np.ndarray, interval: tuple[int, int]) -> str:
    """Returns why XLA fails to compile the steps, or an empty string if it compiles them."""
    count = 0 if len(rows) > 1 else 1  # a call of several steps is compiled as a whole, whether they run or not
    try:
        with _restored(run.list_variables(rows) if count else []):
            _time_call(run, rows, count, interval)
    except XLA_FAILURES as error:
        message = str(error.message)
        if operation := re.search(r"unsupported operations .* on \S+: (\w+)", message):
            return f"it has no operation {operation[1]}"
        return get_first_line(error)
    return ""


@contextlib.contextmanager
def _restored(variables: list[tf.Variable]) -> Iterator[None]:
    values = [tf.identity(variable) for variable in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


def _time_call(run: Steps, rows: np.ndarray, count: int, interval: tuple[int, int]) -> float:
    start = time.perf_counter()
    for value in keras.tree.flatten(run(rows, count, interval=interval)):
        np.asarray(value)
    return time.perf_counter() - start


def _compute_fingerprint(model: keras.Model, shape: tuple[int, ...]) -> str:
    devices = [
        tf.config.experimental.get_device_details(device).get("device_name", device.device_type)
        for device in tf.config.list_physical_devices()
    ]
    layers = [(type(layer).__name__, [tuple(weight.shape) for weight in layer.weights]) for layer in model.layers]
    facts = [
        type(model).__qualname__,
        layers,
        [type(optimizer).__name__ for optimizer in list_optimizers(model)],
        str(model.loss),
        [(type(metric).__qualname__, metric.name) for metric in model.metrics],
        str(model.dtype_policy.name),
        shape,
        (platform.machine(), platform.processor(), os.cpu_count(), devices),
        [metadata.version(package) for package in ("tensorflow", "keras")],
        model.distribute_strategy.num_replicas_in_sync,
    ]
    return hashlib.sha256(json.dumps(facts, default=str).encode()).hexdigest()[:16]
