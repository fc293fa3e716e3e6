"""Many steps of a Keras model in one call, with the data on the device."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.telemetry.weights import optimizers_of
from zoo.utils.keras_private import build_variables

LARGEST_CALL = 32 * 2**20  # bytes of examples that are gathered for one call
LONGEST_CALL = 1000  # steps


class Steps:
    """Runs a model's `train_step` or `test_step` on mini-batches of examples that lie on the device.

    Under a distribution strategy each replica takes its share of every mini-batch, also of one that
    cannot be divided evenly: the gradient is that of the whole mini-batch on one device.

    Args:
        model: A compiled model, with all its variables made; see `make_variables`.
        step: Its `train_step` or `test_step`.
        data: `(x,)`, `(x, y)` or `(x, y, sample_weight)`; each an array or a structure of arrays with
            the same number of examples.
        jit_compile: Whether XLA compiles the calls.
        updates: Whether the step updates the weights: then a replica's gradient counts by its share.
        recorded: The step that is run in its place at intervals, with its gradients recorded; or None.
    """

    def __init__(
        self,
        model: keras.Model,
        step: Callable[..., Any],
        data: tuple[Any, ...],
        *,
        jit_compile: bool,
        updates: bool = True,
        recorded: Callable[..., Any] | None = None,
    ) -> None:
        self._strategy = model.distribute_strategy
        self._data = keras.tree.map_structure(tf.convert_to_tensor, data)
        self._steps = [step] if recorded is None else [step, recorded]
        self.jit_compile, self._updates = jit_compile, updates
        self._is_random = any("seed_generator" in variable.path for variable in model.variables)
        alone = self._strategy.num_replicas_in_sync == 1
        many, one = (self._on_one_device, self._one) if alone else (self._on_all_replicas, self._one_on_all)
        # As a partial: of one function for all steps, TensorFlow would warn that it is traced too often.
        self._many = tf.function(partial(many), autograph=False)
        self._ones = [tf.function(partial(one, step), autograph=False) for step in self._steps]

    def __call__(self, rows: np.ndarray, count: int, *, interval: tuple[int, int] = (1, 0)) -> dict[str, Any]:
        """Runs `count` steps and returns what the last one returned.

        Args:
            rows: Which examples make up each mini-batch, `(steps, batch)`. Another shape is compiled anew.
            count: How many of them to run.
            interval: Steps from one that is recorded to the next, and before the first.
        """
        function, arguments = self._call(rows, count, interval)
        return function(*arguments)

    def variables(self, rows: np.ndarray) -> list[tf.Variable]:
        """Returns all variables that a call reads or changes."""
        function, arguments = self._call(rows, 1, (1, 0))
        return list(function.get_concrete_function(*arguments).variables)

    def _call(self, rows: np.ndarray, count: int, interval: tuple[int, int]) -> tuple[Any, tuple[Any, ...]]:
        arguments = self._data, tf.constant(rows, tf.int32)
        if len(rows) == count == 1:  # an epoch's last, smaller mini-batch: its kind is known, and needs no loop
            stride, lead = interval
            return self._ones[-1 if lead % stride == 0 else 0], arguments
        return self._many, (*arguments, tf.constant([count, *interval], tf.int32))

    def _one(self, step: Callable[..., Any], data: Any, rows: tf.Tensor) -> Any:
        # Not worth another compilation by XLA; but that draws other random numbers.
        function = tf.function(step, autograph=False, jit_compile=self.jit_compile and self._is_random)
        return function(keras.tree.map_structure(lambda values: tf.gather(values, rows[0]), data))

    def _one_on_all(self, step: Callable[..., Any], data: Any, rows: tf.Tensor) -> Any:
        return self._on_all(step, data, rows)(tf.constant(0))

    def _on_one_device(self, data: Any, rows: tf.Tensor, counts: tf.Tensor) -> Any:
        # Outside what XLA compiles: gathered there, each step would wait for its examples.
        batches = keras.tree.map_structure(lambda values: tf.gather(values, rows), data)

        @tf.function(autograph=False, jit_compile=self.jit_compile)
        def loop(batches: Any, counts: tf.Tensor) -> Any:
            def numbered(step: Callable[..., Any]) -> Callable[[tf.Tensor], Any]:
                graph = tf.function(step, autograph=False)
                return lambda number: graph(_at(batches, number))

            return _repeat([numbered(step) for step in self._steps], counts)

        return loop(batches, counts)

    def _on_all_replicas(self, data: Any, rows: tf.Tensor, counts: tf.Tensor) -> Any:
        return _repeat([self._on_all(step, data, rows) for step in self._steps], counts)

    def _on_all(self, step: Callable[..., Any], data: Any, rows: tf.Tensor) -> Callable[[tf.Tensor], Any]:
        def on_replica(data: Any, rows: tf.Tensor) -> Any:
            context = tf.distribute.get_replica_context()
            number = int(tf.get_static_value(context.replica_id_in_sync_group))
            share, weight = _share(rows, number, context.num_replicas_in_sync)
            batch = keras.tree.map_structure(lambda each: tf.gather(each, share), data)
            return step(_weighted(batch, weight) if self._updates else batch)

        compiled = tf.function(on_replica, autograph=False, jit_compile=self.jit_compile)

        def numbered(number: tf.Tensor) -> Any:
            results = self._strategy.run(compiled, args=(data, rows[number]))
            return keras.tree.map_structure(lambda each: self._strategy.experimental_local_results(each)[0], results)

        return numbered


def make_variables(model: keras.Model, data: tuple[Any, ...]) -> None:
    """Makes the variables of a compiled model, its metrics and its optimiser, which a loop could not.

    Args:
        model: The model.
        data: As `Steps` takes it.
    """
    with model.distribute_strategy.scope():
        build_variables(model, keras.tree.map_structure(lambda values: tf.convert_to_tensor(values[:1]), data))
        for optimizer in optimizers_of(model):
            if not optimizer.built:
                optimizer.build(model.trainable_variables)


def draw_apart(model: keras.Model) -> None:
    """Lets each replica draw random numbers of its own, in dropout and elsewhere: they all start alike.

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
                apart = state.copy()
                apart.flat[0] = (int(state.flat[0]) + 7919 * replica) % 2**31
                copy.assign(apart)


def steps_per_call(data: tuple[Any, ...], batch_size: int, steps: int) -> int:
    """Returns how many steps run in one call: as many as fit into the memory set aside, 1,000 at most.

    >>> steps_per_call((np.zeros((60_000, 784), "float32"),), 10, 6_000)
    1000
    >>> steps_per_call((np.zeros((60_000, 784), "float32"),), 128, 469)
    83
    """
    example = sum(array.dtype.itemsize * int(np.prod(array.shape[1:])) for array in keras.tree.flatten(data))
    return max(1, min(LONGEST_CALL, steps, LARGEST_CALL // max(1, batch_size * example)))


def _repeat(steps: list[Callable[[tf.Tensor], Any]], counts: tf.Tensor) -> Any:
    """Runs the steps 0, 1 ... and returns what the last one returned; at intervals the second kind of step, if any."""
    step, recorded = steps[0], steps[-1]
    count, stride, lead = tf.unstack(counts)
    graph = tf.function(step, autograph=False).get_concrete_function(tf.TensorSpec([], tf.int32))
    number = tf.constant(0)
    returned = keras.tree.map_structure(lambda each: tf.zeros(each.shape, each.dtype), graph.structured_outputs)

    def run_to(end: tf.Tensor, number: tf.Tensor, returned: Any) -> Any:
        return tf.while_loop(
            lambda number, _: number < end, lambda number, _: (number + 1, step(number)), (number, returned)
        )

    if len(steps) == 1:
        return run_to(count, number, returned)[1]

    def one_interval(number: tf.Tensor, returned: Any) -> Any:
        due = number + (lead - number) % stride
        number, returned = run_to(tf.minimum(due, count), number, returned)
        return tf.cond(number < count, lambda: (number + 1, recorded(number)), lambda: (number, returned))

    return tf.while_loop(lambda number, _: number < count, one_interval, (number, returned))[1]


def _at(batches: Any, number: tf.Tensor) -> Any:
    return keras.tree.map_structure(lambda values: values[number], batches)


def _share(rows: tf.Tensor, replica: int, replicas: int) -> tuple[tf.Tensor, float]:
    """Returns a replica's part of a mini-batch, and the weight that makes its mean loss count by its size."""
    examples = rows.shape[0]
    sizes = [len(part) for part in np.array_split(np.arange(examples), replicas)]
    start, size = sum(sizes[:replica]), sizes[replica]
    # A replica that is left without an example takes one that does not count.
    return rows[start : start + size] if size else rows[:1], size * replicas / examples


def _weighted(batch: tuple[Any, ...], weight: float) -> tuple[Any, ...]:
    if weight == 1:
        return batch
    x, y, sample_weight = (*batch, None, None)[:3]
    examples = tf.shape(keras.tree.flatten(x)[0])[:1]
    sample_weight = tf.ones(examples) if sample_weight is None else sample_weight
    return x, y, keras.tree.map_structure(lambda each: each * tf.cast(weight, each.dtype), sample_weight)
