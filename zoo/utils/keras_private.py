"""Every private name of Keras, TensorFlow and KerasTuner that the project uses, each behind one function.

A function here says why the public interface does not serve. Where a release no longer has the name, it raises a
`RuntimeError` with the version that works; `tests/zoo/utils/test_keras_private.py` fails with that release.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.utils.attributes import replace_attribute

if TYPE_CHECKING:
    import keras
    import keras_tuner

GRADIENT_METHODS = ("_clip_gradients", "_all_reduce_sum_gradients")


def build_variables(model: keras.Model, batch: Any) -> None:
    """Creates the variables of a compiled model, its metrics and losses, without running a step.

    `model.build` leaves out the metrics. `model.test_on_batch` creates them too, but fails under
    `MultiWorkerMirroredStrategy` (keras#20585).

    Args:
        model: A compiled model.
        batch: `(x,)`, `(x, y)` or `(x, y, sample_weight)` as tensors.
    """
    _method(model, "_symbolic_build", "The model's variables cannot be created")(data_batch=batch)


def list_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """Returns a model and all layers in it, at any depth.

    `model.layers` has neither the layers of inner models nor those that a layer holds.
    """
    return list(_method(model, "_flatten_layers", "The layers of the model cannot be listed")())


def get_variable_index(optimizer: keras.Optimizer, variable: Any) -> int:
    """Returns a variable's position among those that an optimizer was built with.

    An optimizer's state is a list in that order, and Keras passes `update_step` only the variable.
    """
    return _method(optimizer, "_get_variable_index", "The optimizer's state cannot be found")(variable)


def get_restored_epoch(model: keras.Model) -> int | None:
    """Returns the number of finished epochs that the callback `BackupAndRestore` has restored, or None.

    The callback tells the model in `on_train_begin`, and `fit` reads it there.
    """
    if not hasattr(model, "_initial_epoch"):
        raise _missing("BackupAndRestore cannot be used", type(model).__name__, "_initial_epoch")
    return model._initial_epoch


def profiles_steps(callback: keras.callbacks.TensorBoard) -> bool:
    """Returns whether a `TensorBoard` callback profiles some steps; it does not keep its argument `profile_batch`."""
    if not hasattr(callback, "_should_trace"):
        raise _missing("TensorBoard cannot be used", type(callback).__name__, "_should_trace")
    return callback._should_trace


def check_gradient_methods(optimizer: keras.Optimizer) -> None:
    """Checks that `wrap_gradient_methods` knows the optimizer.

    Raises:
        RuntimeError: It has no method that clips gradients or none that adds them up over the replicas.
    """
    for name in GRADIENT_METHODS:
        _method(optimizer, name, "Gradients cannot be recorded")


@contextmanager
def wrap_gradient_methods(
    optimizer: keras.Optimizer,
    wrap_clip: Callable[[Callable[..., Any]], Callable[..., Any]],
    wrap_reduce: Callable[[Callable[..., Any]], Callable[..., Any]],
) -> Iterator[None]:
    """Wraps, inside the block, the methods by which an optimizer clips its gradients and adds them up over replicas.

    No public method sees the gradient that is applied: `train_step` has it before clipping and before the sum over
    replicas, `update_step` once per variable, and callbacks not at all.

    Args:
        optimizer: The optimizer.
        wrap_clip: Takes the method `(gradients) -> gradients` and returns its replacement.
        wrap_reduce: Takes the method `(grads_and_vars) -> grads_and_vars` and returns its replacement.
    """
    check_gradient_methods(optimizer)
    with ExitStack() as stack:
        for name, wrap in zip(GRADIENT_METHODS, (wrap_clip, wrap_reduce), strict=True):
            stack.enter_context(replace_attribute(optimizer, name, wrap(getattr(optimizer, name))))
        yield


def get_initial_shape(initial_value: Any) -> Sequence[int]:
    """Returns the shape of a variable that Keras is about to create, inside `tf.variable_creator_scope`.

    Keras passes TensorFlow no shape, but a function of the Keras variable, which has it. Calling that function would
    allocate the variable.

    Args:
        initial_value: Argument `initial_value` of the variable creator: a function, or the value.
    """
    if not callable(initial_value):
        return np.shape(initial_value)
    variable = inspect.getclosurevars(initial_value).nonlocals.get("self")
    if variable is None or not hasattr(variable, "shape"):
        raise _missing("The size of a model cannot be checked", "the initial value of a variable", "self")
    return variable.shape


def set_worker_timeout(jobs: Mapping[str, int], seconds: float) -> None:
    """Sets the time without a heartbeat after which a worker of a cluster counts as lost.

    TensorFlow has no public way to set it; by default the other workers wait for minutes.

    Args:
        jobs: Number of tasks by the name of their job, that of the leader first.
        seconds: Time without a heartbeat.
    """
    problem = "The time after which a worker counts as lost cannot be set"
    proto = _import("tensorflow.compiler.xla.tsl.protobuf.coordination_config_pb2", problem)
    context = _import("tensorflow.python.eager.context", problem)
    _method(context.context(), "configure_coordination_service", problem)(
        service_type="standalone",
        service_leader=f"/job:{next(iter(jobs))}/replica:0/task:0",
        coordinated_jobs=[proto.CoordinatedJob(name=job, num_tasks=tasks) for job, tasks in jobs.items()],
        heartbeat_timeout_in_ms=int(1000 * seconds),
        shutdown_barrier_timeout_in_ms=int(1000 * seconds),
    )


def make_function_call(action: Callable[[], Any]) -> Callable[[], Any]:
    """Returns a `tf.function` that TensorFlow calls as one operation and does not inline.

    A branch of `tf.cond` that is not taken costs time for each of its operations; there is no public option.
    """
    import tensorflow as tf

    return tf.function(action, autograph=False, experimental_attributes={"_noinline": True})


def set_oracle_random_state(oracle: keras_tuner.Oracle, state: Any) -> None:
    """Sets the generator from which the Bayesian oracle draws.

    KerasTuner leaves it out of `get_state`, so that a resumed search would draw other points.
    """
    if not hasattr(oracle, "_random_state"):
        raise _missing("A Bayesian search cannot be resumed", type(oracle).__name__, "_random_state")
    oracle._random_state = state


def skip_trial_files(oracle: keras_tuner.Oracle) -> None:
    """Keeps an oracle from writing each trial into a file of its own.

    KerasTuner writes it in place, so that a full disk leaves half a file. It is not read: the state has all trials.
    """
    _method(oracle, "_save_trial", "The files of a search cannot be kept complete")
    oracle._save_trial = lambda trial: None


def _method(owner: Any, name: str, problem: str) -> Callable[..., Any]:
    if not callable(method := getattr(owner, name, None)):
        raise _missing(problem, type(owner).__name__, name)
    return method


def _import(module: str, problem: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise _missing(problem, *module.rsplit(".", 1)) from error


def _missing(problem: str, owner: str, name: str) -> RuntimeError:
    from importlib.metadata import version

    return RuntimeError(
        f"{problem} with Keras {version('keras')}, TensorFlow {version('tensorflow')} and KerasTuner "
        f"{version('keras-tuner')}: {owner} has no {name}. "
        "Keras 3.15, TensorFlow 2.21 and KerasTuner 1.4.8 are known to work."
    )
