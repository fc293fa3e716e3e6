"""Many steps of a Keras model in one call, with the data on the device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.telemetry.weights import list_optimizers
from zoo.utils.attributes import replace_attribute
from zoo.utils.keras_private import build_variables

MAXIMUM_CALL_BYTES = 32 * 2**20  # of the examples that are gathered for one call
MAXIMUM_CALL_STEPS = 1000
Step = Callable[..., Any]


class Steps:
    """Runs a model's `train_step` or `test_step` on batches of examples that lie on the device.

    Under a distribution strategy each replica takes its share of every batch, even if the batch does not divide
    evenly: the gradient is that of the entire batch on one device.

    Args:
        model: A compiled model with all its variables; see `make_variables`.
        step: Its `train_step` or `test_step`; or a pair of steps, of which the second also records its gradients
            and runs at intervals.
        data: `(x,)`, `(x, y)` or `(x, y, sample_weight)`; each an array or a structure of arrays with the same number
            of examples.
        jit_compile: Whether XLA compiles the calls.
    """

    def __init__(self, model: keras.Model, step: Step | Sequence[Step], data: Any, *, jit_compile: bool) -> None:
        self._model, self._strategy = model, model.distribute_strategy
        self._data = keras.tree.map_structure(tf.convert_to_tensor, data)
        self._steps = [step] if callable(step) else list(step)
        self._jit_compile = jit_compile
        self._is_random = any("seed_generator" in variable.path for variable in model.variables)
        run_loop, run_step = self._loop_on_replicas, self._step_on_replicas
        if self._strategy.num_replicas_in_sync == 1:
            run_loop, run_step = self._loop_on_device, self._step_on_device
        # TensorFlow warns of a function that it traces often; each partial counts as a new function.
        self._run_loop = tf.function(partial(run_loop), autograph=False)
        self._run_steps = [tf.function(partial(run_step, step), autograph=False) for step in self._steps]

    def __call__(self, rows: np.ndarray, count: int, *, interval: tuple[int, int] = (1, 0)) -> dict[str, Any]:
        """Runs `count` steps and returns what the last one returned.

        Args:
            rows: Rows of the examples in each batch, `(steps, batch)`. Every shape is compiled once.
            count: Number of steps to run.
            interval: Steps from one recorded step to the next, and before the first. Defaults to (1, 0).
        """
        function, arguments = self._select(rows, count, interval)
        return function(*arguments)

    def list_variables(self, rows: np.ndarray) -> list[tf.Variable]:
        """Lists all variables that a call reads or changes."""
        function, arguments = self._select(rows, 1, (1, 0))
        return list(function.get_concrete_function(*arguments).variables)

    def _select(self, rows: np.ndarray, count: int, interval: tuple[int, int]) -> tuple[Any, tuple[Any, ...]]:
        arguments = self._data, tf.constant(rows, tf.int32)
        if len(rows) == count == 1:  # an epoch's last, smaller batch needs no loop
            stride, lead = interval
            return self._run_steps[-1 if lead % stride == 0 else 0], arguments
        return self._run_loop, (*arguments, tf.constant([count, *interval], tf.int32))

    def _loop_on_device(self, data: Any, rows: tf.Tensor, counts: tf.Tensor) -> Any:
        # Outside the function that XLA compiles: inside it, each step would wait for its examples.
        batches = _gather(data, rows)

        @tf.function(autograph=False, jit_compile=self._jit_compile)
        def loop(batches: Any, counts: tf.Tensor) -> Any:
            graphs = [tf.function(step, autograph=False) for step in self._steps]
            return _repeat([partial(_run_on_batch, graph, batches) for graph in graphs], counts)

        return loop(batches, counts)

    def _step_on_device(self, step: Step, data: Any, rows: tf.Tensor) -> Any:
        # One step is not worth the time of XLA, but XLA draws other random numbers.
        function = tf.function(step, autograph=False, jit_compile=self._jit_compile and self._is_random)
        return function(_gather(data, rows[0]))

    def _loop_on_replicas(self, data: Any, rows: tf.Tensor, counts: tf.Tensor) -> Any:
        return _repeat([self._distribute(step, data, rows) for step in self._steps], counts)

    def _step_on_replicas(self, step: Step, data: Any, rows: tf.Tensor) -> Any:
        return self._distribute(step, data, rows)(tf.constant(0))

    def _distribute(self, step: Step, data: Any, rows: tf.Tensor) -> Callable[[tf.Tensor], Any]:
        """Returns a function that runs the step of a given number on all replicas."""
        function = tf.function(partial(self._step_on_one_replica, step), autograph=False, jit_compile=self._jit_compile)

        def run(number: tf.Tensor) -> Any:
            with _weighted_by_share(self._model, rows.shape[-1]):
                results = self._strategy.run(function, args=(data, rows[number]))
            return keras.tree.map_structure(lambda x: self._strategy.experimental_local_results(x)[0], results)

        return run

    def _step_on_one_replica(self, step: Step, data: Any, rows: tf.Tensor) -> Any:
        context = tf.distribute.get_replica_context()
        replica = int(tf.get_static_value(context.replica_id_in_sync_group))
        sizes = _divide(rows.shape[0], context.num_replicas_in_sync)
        if sizes[replica]:
            start = sum(sizes[:replica])
            return step(_gather(data, rows[start : start + sizes[replica]]))
        # All replicas must run the step: this one repeats an example, which counts nowhere.
        variables = self._model.metrics_variables
        values = [tf.identity(variable.value) for variable in variables]
        results = step(_gather(data, rows[:1]))
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        return results


def make_variables(model: keras.Model, data: tuple[Any, ...], batch_size: int = 1) -> None:
    """Creates the variables of a compiled model, its metrics and its optimizers, which a compiled loop cannot do.

    Args:
        model: The model.
        data: Examples, as `Steps` takes them.
        batch_size: Number of examples in a batch, which a stateful layer requires. Defaults to 1.
    """
    with model.distribute_strategy.scope():
        batch = keras.tree.map_structure(lambda values: tf.convert_to_tensor(values[:batch_size]), data)
        build_variables(model, batch)
        for optimizer in list_optimizers(model):
            if not optimizer.built:
                optimizer.build(model.trainable_variables)


def separate_replica_seeds(model: keras.Model) -> None:
    """Gives each replica different random numbers, such as those of dropout; otherwise all have the same seed.

    Args:
        model: A model under a distribution strategy; on one device nothing changes.
    """
    strategy = model.distribute_strategy
    resolver = getattr(strategy, "cluster_resolver", None)
    for variable in model.variables:
        if "seed_generator" in variable.path:
            copies = strategy.experimental_local_results(variable.value)
            first = (getattr(resolver, "task_id", None) or 0) * len(copies)
            state = copies[0].numpy()
            for replica, copy in enumerate(copies, start=first):
                separate = state.copy()
                separate.flat[0] = (int(state.flat[0]) + 7919 * replica) % 2**31
                copy.assign(separate)


def compute_steps_per_call(data: tuple[Any, ...], batch_size: int, steps: int) -> int:
    """Returns the number of steps in a call: as many as fit into 32 MiB of examples, 1,000 at most.

    Args:
        data: Examples, as `Steps` takes them.
        batch_size: Number of examples in a batch.
        steps: Number of steps in an epoch.

    >>> compute_steps_per_call((np.zeros((60_000, 784), "float32"),), 10, 6_000)
    1000
    >>> compute_steps_per_call((np.zeros((60_000, 784), "float32"),), 128, 469)
    83
    """
    example = sum(tf.as_dtype(array.dtype).size * int(np.prod(array.shape[1:])) for array in keras.tree.flatten(data))
    return max(1, min(MAXIMUM_CALL_STEPS, steps, MAXIMUM_CALL_BYTES // max(1, batch_size * example)))


def _repeat(steps: list[Callable[[tf.Tensor], Any]], counts: tf.Tensor) -> Any:
    """Runs a step for the numbers 0, 1 ... and returns its last result; a second step takes its place at intervals."""
    step, recorded_step = steps[0], steps[-1]
    count, stride, lead = tf.unstack(counts)
    graph = tf.function(step, autograph=False).get_concrete_function(tf.TensorSpec([], tf.int32))
    number = tf.constant(0)
    returned = keras.tree.map_structure(lambda x: tf.zeros(x.shape, x.dtype), graph.structured_outputs)

    def run_to(end: tf.Tensor, number: tf.Tensor, returned: Any) -> Any:
        return tf.while_loop(
            lambda number, _: number < end, lambda number, _: (number + 1, step(number)), (number, returned)
        )

    if len(steps) == 1:
        return run_to(count, number, returned)[1]

    def run_interval(number: tf.Tensor, returned: Any) -> Any:
        due = number + (lead - number) % stride
        number, returned = run_to(tf.minimum(due, count), number, returned)
        return tf.cond(number < count, lambda: (number + 1, recorded_step(number)), lambda: (number, returned))

    return tf.while_loop(lambda number, _: number < count, run_interval, (number, returned))[1]


def _run_on_batch(graph: Callable[..., Any], batches: Any, number: tf.Tensor) -> Any:
    return graph(keras.tree.map_structure(lambda values: values[number], batches))


def _gather(data: Any, rows: tf.Tensor) -> Any:
    return keras.tree.map_structure(lambda values: tf.gather(values, rows), data)


def _divide(examples: int, replicas: int) -> list[int]:
    """Returns the number of examples of a batch that each replica takes."""
    return [len(part) for part in np.array_split(np.arange(examples), replicas)]


@contextmanager
def _weighted_by_share(model: keras.Model, examples: int) -> Iterator[None]:
    """Multiplies, in this block, the gradients that each replica applies by its share of a batch.

    Keras adds up the gradients of the replicas' means, each divided by the number of replicas.
    """
    sizes = _divide(examples, replicas := model.distribute_strategy.num_replicas_in_sync)
    optimizers = list_optimizers(model) if len(set(sizes)) > 1 else []
    factors = [size * replicas / examples for size in sizes]
    with ExitStack() as stack:
        for optimizer in optimizers:
            weighted = partial(_apply_weighted, optimizer.apply, factors)
            stack.enter_context(replace_attribute(optimizer, "apply", weighted))
        yield


def _apply_weighted(
    apply: Callable[..., None], factors: Sequence[float], grads: Sequence[Any], *arguments: Any, **options: Any
) -> None:
    factor = tf.constant(factors)[tf.distribute.get_replica_context().replica_id_in_sync_group]

    def multiply(gradient: Any) -> Any:
        if gradient is None:
            return None
        if isinstance(gradient, tf.IndexedSlices):
            return tf.IndexedSlices(multiply(gradient.values), gradient.indices, gradient.dense_shape)
        return tf.math.multiply_no_nan(gradient, tf.cast(factor, gradient.dtype))

    apply([multiply(gradient) for gradient in grads], *arguments, **options)
