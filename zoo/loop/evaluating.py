"""Evaluation of a model on arrays, many batches in one call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from zoo.loop.arrays import count_examples, find_other_type, to_arrays
from zoo.loop.fallback import needs_every_test_step
from zoo.loop.steps import Steps, make_variables

Evaluation = Callable[[], dict[str, float]]


def evaluate(model: keras.Model, x: Any, y: Any = None, *, batch_size: int = 1000) -> dict[str, float]:
    """Evaluates a compiled model on arrays, as `model.evaluate` does, on one or several workers.

    Args:
        model: A compiled model.
        x: Inputs.
        y: Targets. Defaults to None.
        batch_size: Number of examples in a batch. Defaults to 1000.

    Returns:
        The loss and the metrics by name.
    """
    data = to_arrays(x, y)
    make_variables(model, data, batch_size)
    return compile_evaluation(model, data, batch_size)()


def compile_evaluation(model: keras.Model, data: tuple[Any, ...], batch_size: int) -> Evaluation:
    """Returns a function that evaluates a model on the same examples whenever it is called.

    Args:
        model: A compiled model with all its variables; see `make_variables`.
        data: `(x, y)` or `(x, y, sample_weight)`, arrays or structures of arrays.
        batch_size: Number of examples in a batch; it changes the speed, not the metrics.
    """
    examples = count_examples(data)
    batches = examples // batch_size
    run = Steps(model, model.test_step, data, jit_compile=False)
    rows, split = np.arange(examples), batches * batch_size

    def evaluate_now() -> dict[str, float]:
        model.reset_metrics()
        logs: Any = {}
        if batches:
            logs = run(rows[:split].reshape(batches, batch_size), batches)
        if split < examples:
            logs = run(rows[None, split:], 1)
        return read_metrics(model, logs)

    return evaluate_now


def make_validation(
    model: keras.Model, data: Any, events: keras.callbacks.CallbackList, *, batch_size: int, steps: int | None = None
) -> Evaluation:
    """Returns a function that evaluates a model on validation data and calls the callbacks as `model.evaluate` does.

    Args:
        model: A compiled model with all its variables.
        data: `(x, y)` or `(x, y, sample_weight)`, or a data set that yields batches of these.
        events: Callbacks of the training. If one must be called at every step, Keras evaluates the model.
        batch_size: Number of examples in a batch.
        steps: Number of batches to evaluate. Defaults to None, for all.
    """
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    if steps or find_other_type(x, y, sample_weight) or any(map(needs_every_test_step, events.callbacks)):
        return lambda: model.evaluate(
            x, y, sample_weight=sample_weight, batch_size=batch_size, steps=steps, callbacks=events, return_dict=True
        )
    evaluate_now = compile_evaluation(model, to_arrays(x, y, sample_weight), batch_size)

    def validate() -> dict[str, float]:
        events.on_test_begin()
        logs = evaluate_now()
        events.on_test_end(logs)
        return logs

    return validate


def read_metrics(model: keras.Model, logs: Any) -> dict[str, float]:
    """Returns the metrics after a step: those of the model, or what a custom step returned in their place.

    Args:
        model: The model.
        logs: What its last step returned.
    """
    results = model.get_metrics_result()
    if isinstance(logs, dict) and set(logs) != set(results):
        results = logs
    values: dict[str, Any] = {name: np.asarray(value) for name, value in results.items()}
    return {name: value.item() if value.ndim == 0 else value for name, value in values.items()}
