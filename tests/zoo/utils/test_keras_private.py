"""A release of Keras, TensorFlow or KerasTuner that changes a private name fails here."""

import functools
import subprocess
import sys
from pathlib import Path

import keras
import keras_tuner
import numpy as np
import pytest
import tensorflow as tf

from zoo.utils import keras_private as private

ROOT = Path(__file__).parents[3]


def compiled_model(optimizer="adam"):
    model = keras.Sequential([keras.layers.Dense(3), keras.Sequential([keras.layers.Dense(2)], name="inner")])
    model.compile(optimizer, "mse", metrics=["mae"])
    return model


def test_variables_of_the_model_and_its_metrics_are_created_without_a_step():
    model = compiled_model()
    private.build_variables(model, (tf.ones((1, 4)), tf.ones((1, 2))))
    assert [tuple(weight.shape) for weight in model.weights] == [(4, 3), (3,), (3, 2), (2,)]
    assert model.metrics_names == ["loss", "compile_metrics"]
    assert all(metric.variables for metric in model.metrics)
    assert model.optimizer.iterations == 0


def test_layers_of_inner_models_are_listed():
    model = compiled_model()
    names = [layer.name for layer in private.list_layers(model)]
    assert "inner" in names
    assert model.layers[1].layers[0].name in names


def test_an_optimizer_finds_the_state_of_a_variable():
    weights = [keras.Variable([1.0]), keras.Variable([2.0])]
    optimizer = keras.optimizers.Adam()
    optimizer.build(weights)
    assert [private.get_variable_index(optimizer, weight) for weight in weights] == [0, 1]


def test_the_epoch_that_a_backup_restores_is_read(tmp_path):
    model = compiled_model()
    model.build((None, 4))
    model.optimizer.build(model.trainable_variables)
    assert private.get_restored_epoch(model) is None
    backup = keras.callbacks.BackupAndRestore(tmp_path)
    backup.set_model(model)
    backup.on_epoch_end(2)
    backup.on_train_begin()
    assert private.get_restored_epoch(model) == 3


def test_a_tensorboard_callback_knows_whether_it_profiles_steps(tmp_path):
    assert private.profiles_steps(keras.callbacks.TensorBoard(tmp_path, profile_batch=(2, 3)))
    assert not private.profiles_steps(keras.callbacks.TensorBoard(tmp_path))


@pytest.mark.parametrize("optimizer", [keras.optimizers.SGD, keras.optimizers.Adam, keras.optimizers.Lion])
def test_every_update_passes_through_the_reduction_with_its_weights(optimizer):
    passed = []
    optimizer, weight = optimizer(0.1), keras.Variable([1.0, 2.0])

    def wrap(method):
        def observe(pairs):
            passed.extend(pairs)
            return method(pairs)

        return observe

    with private.wrap_gradient_methods(optimizer, lambda method: method, wrap):
        optimizer.apply([tf.constant([3.0, 4.0])], [weight])
    optimizer.apply([tf.constant([5.0, 6.0])], [weight])
    ((gradient, variable),) = passed
    assert gradient.numpy().tolist() == [3, 4]
    assert variable is weight.value


def test_every_gradient_passes_through_the_clipping_in_order():
    passed = []
    optimizer, weights = keras.optimizers.SGD(0.1, clipvalue=1.0), [keras.Variable([1.0]), keras.Variable([2.0])]

    def wrap(method):
        def observe(gradients):
            clipped = method(gradients)
            passed.append(([float(g[0]) for g in gradients], [float(g[0]) for g in clipped]))
            return clipped

        return observe

    with private.wrap_gradient_methods(optimizer, wrap, lambda method: method):
        optimizer.apply([tf.constant([3.0]), tf.constant([0.5])], weights)
    assert passed == [([3.0, 0.5], [1.0, 0.5])]


def test_wrapped_methods_are_restored():
    optimizer = keras.optimizers.SGD()
    vars(optimizer)["_clip_gradients"] = functools.partial(optimizer._clip_gradients)
    before = dict(vars(optimizer))
    with pytest.raises(KeyError), private.wrap_gradient_methods(optimizer, lambda method: len, lambda method: len):
        raise KeyError
    assert vars(optimizer) == before


def test_the_shape_of_a_variable_is_seen_before_it_is_created():
    shapes = []

    def creator(create, **options):
        shapes.append(tuple(private.get_initial_shape(options["initial_value"])))
        return create(**options)

    with tf.variable_creator_scope(creator):
        keras.layers.Dense(3).build((None, 4))
        tf.Variable([1.0, 2.0])
    assert shapes == [(4, 3), (3,), (2,)]


def test_the_timeout_of_workers_is_accepted():
    program = """
from tensorflow.python.eager import context
from zoo.utils.keras_private import set_worker_timeout
set_worker_timeout({"chief": 1, "worker": 2}, 20)
config = context.context().coordination_service
jobs = [(job.name, job.num_tasks) for job in config.coordinated_job_list]
print(config.heartbeat_timeout_in_ms, config.service_leader, jobs)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "20000 /job:chief/replica:0/task:0 [('chief', 1), ('worker', 2)]"


def test_a_function_is_called_as_one_operation():
    counter = tf.Variable(0)
    call = private.make_function_call(lambda: counter.assign_add(1))

    @tf.function
    def twice():
        call()
        call()

    twice()
    assert counter.numpy() == 2
    definitions = twice.get_concrete_function().graph.as_graph_def().library.function
    assert any(definition.attr["_noinline"].b for definition in definitions)


def test_the_bayesian_oracle_draws_from_the_generator_that_is_set():
    def draw(state):
        oracle = keras_tuner.oracles.BayesianOptimizationOracle("loss", max_trials=9, num_initial_points=2, seed=1)
        space = keras_tuner.HyperParameters()
        space.Float("rate", 0.0, 1.0)
        oracle.update_space(space)
        for number in range(3):
            trial = keras_tuner.engine.trial.Trial(space.copy(), trial_id=str(number), status="COMPLETED")
            trial.hyperparameters.values["rate"], trial.score = number / 3, float(number)
            oracle.trials[str(number)] = trial
            oracle.end_order.append(str(number))
        private.set_oracle_random_state(oracle, np.random.RandomState(state))
        return oracle.populate_space("3")["values"]

    assert draw(1) == draw(1) != draw(2)


def test_an_oracle_writes_no_file_for_a_trial(tmp_path):
    oracle = keras_tuner.oracles.RandomSearchOracle("loss", max_trials=1, seed=1)
    oracle._set_project_dir(str(tmp_path), "search")
    private.skip_trial_files(oracle)
    oracle.create_trial("tuner0")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["oracle.json"]


class TestMissingNames:
    KNOWN = "Keras 3.15, TensorFlow 2.21 and KerasTuner 1.4.8 are known to work"

    @pytest.mark.parametrize(
        ("call", "problem", "name"),
        [
            (lambda: private.build_variables(object(), ()), "variables cannot be created", "_symbolic_build"),
            (lambda: private.list_layers(object()), "cannot be listed", "_flatten_layers"),
            (lambda: private.get_variable_index(object(), 0), "state cannot be found", "_get_variable_index"),
            (lambda: private.get_restored_epoch(object()), "BackupAndRestore cannot be used", "_initial_epoch"),
            (lambda: private.check_gradient_methods(object()), "cannot be recorded", "_clip_gradients"),
            (lambda: private.get_initial_shape(lambda: 0), "size of a model cannot be checked", "self"),
            (lambda: private.set_oracle_random_state(object(), 0), "cannot be resumed", "_random_state"),
            (lambda: private.skip_trial_files(object()), "cannot be kept complete", "_save_trial"),
        ],
    )
    def test_the_error_for_a_missing_name_lists_releases_that_have_it(self, call, problem, name):
        with pytest.raises(RuntimeError, match=rf"{problem} with Keras {keras.__version__}.*no {name}.*{self.KNOWN}"):
            call()

    def test_a_missing_module_has_the_same_error(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "tensorflow.python.eager.context", None)
        with pytest.raises(RuntimeError, match=rf"tensorflow.python.eager has no context. {self.KNOWN}"):
            private.set_worker_timeout({"worker": 2}, 20)
