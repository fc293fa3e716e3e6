"""Every parameter of Keras' `fit` is honored, step by step with a warning where compiled calls cannot, or refused."""

import contextlib
import inspect

import keras
import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf

from tests.zoo.loop.small_model import assert_same_weights, create_model
from zoo.errors import InvalidValue
from zoo.training import SlowFit, fit

pytestmark = pytest.mark.usefixtures("no_timings")
WEIGHTS = np.linspace(0.1, 2, 64).astype("float32")
CLASS_WEIGHTS = {0: 1.0, 1: 3.0}


class Batches(keras.utils.PyDataset):
    def __init__(self, *data, size=10):
        super().__init__()
        self.data, self.size = data, size

    def __len__(self):
        return -(-len(self.data[0]) // self.size)

    def __getitem__(self, index):
        return tuple(values[index * self.size : (index + 1) * self.size] for values in self.data)


def dataset(*data, size=10):
    return tf.data.Dataset.from_tensor_slices(data).batch(size)


def generate(x, y):
    while True:
        yield from zip(np.split(x, 8), np.split(y, 8), strict=True)


def train_both(data, options, create=create_model):
    """Trains by Keras' fit and by the loop; `data` and `options` are functions, since generators are used up."""
    models, histories, warned = (create(), create()), [], []
    for model, train in zip(models, (type(models[0]).fit, fit), strict=True):
        x, *y = data()
        with pytest.warns(SlowFit) if train is fit and "slow" in options() else contextlib.nullcontext() as caught:
            given = {name: value for name, value in options().items() if name != "slow"}
            history = train(model, x, *y, **{"epochs": 2, "verbose": 0, "shuffle": False, **given})
        histories.append(history.history)
        warned.append(caught)
    assert_same_weights(*models)
    assert list(histories[1]) == list(histories[0])
    for name, values in histories[0].items():
        np.testing.assert_allclose(histories[1][name], values, rtol=1e-4, atol=1e-6, err_msg=name)
    return warned[1]


def test_it_has_every_parameter_of_keras():
    ours, of_keras = (set(inspect.signature(each).parameters) - {"self", "model"} for each in (fit, keras.Model.fit))
    assert of_keras <= ours
    assert ours - of_keras == {"seed", "checkpoint", "checkpoint_every", "jit_compile"}


COMPILED = {
    "batch size": {"batch_size": 7},
    "default batch size": {},
    "epochs": {"epochs": 3, "initial_epoch": 1},
    "weights": {"sample_weight": WEIGHTS},
    "class weights": {"class_weight": CLASS_WEIGHTS},
    "class weights, held-out examples": {"class_weight": CLASS_WEIGHTS, "validation_split": 0.25},
    "weights, held-out examples": {"sample_weight": WEIGHTS, "validation_split": 0.25, "validation_batch_size": 5},
    "validation every second epoch": {"epochs": 4, "validation_split": 0.25, "validation_freq": 2},
    "validation in listed epochs": {"epochs": 4, "validation_split": 0.25, "validation_freq": [1, 4]},
}


@pytest.mark.parametrize("options", COMPILED.values(), ids=COMPILED)
def test_compiled_calls_have_the_numbers_of_keras(points, options):
    train_both(lambda: points, lambda: {"batch_size": 10, **options} if options else {})


VALIDATION = {
    "arrays": lambda x, y: {"validation_data": (x[:15], y[:15])},
    "list": lambda x, y: {"validation_data": [x[:15], y[:15]]},
    "weighted": lambda x, y: {"validation_data": (x[:15], y[:15], WEIGHTS[:15]), "validation_batch_size": 4},
    "first batches": lambda x, y: {"validation_data": (x, y), "validation_batch_size": 4, "validation_steps": 3},
    "Dataset": lambda x, y: {"validation_data": dataset(x[:15], y[:15])},
    "endless Dataset": lambda x, y: {"validation_data": dataset(x, y).repeat(), "validation_steps": 3},
    "weighted Dataset": lambda x, y: {"validation_data": dataset(x[:15], y[:15], WEIGHTS[:15])},
    "PyDataset": lambda x, y: {"validation_data": Batches(x[:15], y[:15])},
    # One epoch: Keras reads ahead, so that the second validation begins wherever the first one's thread has come to.
    "generator": lambda x, y: {"validation_data": generate(x, y), "validation_steps": 3, "epochs": 1, "slow": True},
}


@pytest.mark.large
@pytest.mark.parametrize("options", VALIDATION.values(), ids=VALIDATION)
def test_validation_data_of_every_kind_give_the_numbers_of_keras(points, options):
    train_both(lambda: points, lambda: {"batch_size": 10, **options(*points)})


SLOW = {
    "Dataset": (lambda x, y: (dataset(x, y),), {}),
    "weighted Dataset": (lambda x, y: (dataset(x, y, WEIGHTS),), {}),
    "Dataset, class weights": (lambda x, y: (dataset(x, y),), {"class_weight": CLASS_WEIGHTS}),
    "endless Dataset": (lambda x, y: (dataset(x, y).repeat(),), {"steps_per_epoch": 5}),
    "PyDataset": (lambda x, y: (Batches(x, y),), {}),
    "PyDataset, class weights": (lambda x, y: (Batches(x, y),), {"class_weight": CLASS_WEIGHTS}),
    "generator": (lambda x, y: (generate(x, y),), {"steps_per_epoch": 5}),
    "sparse matrix": (lambda x, y: (scipy.sparse.csr_matrix(x), y), {"batch_size": 7, "sample_weight": WEIGHTS}),
    "sparse tensor": (lambda x, y: (tf.sparse.from_dense(x), y), {"batch_size": 7, "class_weight": CLASS_WEIGHTS}),
    "steps of an epoch": (lambda x, y: (x, y), {"batch_size": 10, "steps_per_epoch": 3}),
}


@pytest.mark.large
@pytest.mark.parametrize(("data", "options"), SLOW.values(), ids=SLOW)
def test_what_is_not_compiled_is_trained_by_keras_with_a_warning(points, data, options):
    caught = train_both(lambda: data(*points), lambda: {**options, "slow": True})
    assert "is trained step by step by Keras' own fit" in str(caught[0].message)


def test_the_batches_of_a_pydataset_are_shuffled_as_keras_does(points):
    def train(model, run):
        keras.utils.set_random_seed(3)
        run(model, Batches(*points), epochs=2, verbose=0)
        return model

    with pytest.warns(SlowFit):
        ours = train(create_model(), fit)
    assert_same_weights(ours, train(create_model(), keras.Model.fit))


def test_a_ragged_tensor_is_trained_on_with_its_targets():
    ragged = tf.ragged.constant([[1, 2], [3], [1, 2, 3], [2]] * 4)
    targets = np.array([0, 1, 0, 1] * 4)

    def create():
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((None,), ragged=True), keras.layers.Embedding(4, 3),
                                  keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(1)])  # fmt: skip
        model.compile("sgd", "mse", jit_compile=False)
        return model

    try:
        create().fit(ragged, targets, batch_size=4, verbose=0)
    except (TypeError, ValueError, AttributeError) as error:
        pytest.skip(f"this Keras takes no ragged inputs: {error}")
    train_both(lambda: (ragged, targets), lambda: {"batch_size": 4, "slow": True}, create)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_weight": {0: 1.0}, "sample_weight": WEIGHTS}, "class_weight or sample_weight, not both"),
        ({"validation_split": 0.999}, "validation_split must leave examples for .* got 0.999 of 64 examples"),
        (
            {"steps_per_epoch": 3, "checkpoint": "checkpoint.npz"},
            "with a checkpoint .* steps_per_epoch is 3",
        ),
    ],
)
def test_what_cannot_be_honored_is_refused(points, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidValue, match=message):
        fit(create_model(), *points, verbose=0, **options)
    assert not list(tmp_path.iterdir())


def test_a_batch_size_for_data_with_batches_of_their_own_is_refused(points):
    with pytest.raises(InvalidValue, match="batch_size must be None for a _BatchDataset, .* got 5"):
        fit(create_model(), dataset(*points), batch_size=5, verbose=0)


def test_class_weights_of_several_outputs_or_steps_are_refused(points):
    x, y = points
    with pytest.raises(InvalidValue, match="class_weight needs one array of labels"):
        fit(create_model(), x, {"a": y, "b": y}, class_weight={0: 1.0})
    with pytest.raises(InvalidValue, match=r"class_weight needs one label per example.*got shape \(64, 5, 2\)"):
        fit(create_model(), x, np.zeros((64, 5, 2)), class_weight={0: 1.0})


@pytest.mark.parametrize("labels", [lambda y: np.eye(2)[y], lambda y: y[:, None], lambda y: y + 1e-6])
def test_class_weights_are_those_of_labels_in_any_form(points, labels):
    x, y = points

    def create():
        model = create_model()
        loss = "categorical_crossentropy" if labels(y).shape == (64, 2) else "sparse_categorical_crossentropy"
        model.compile("sgd", loss, jit_compile=False)
        return model

    train_both(lambda: (x, labels(y)), lambda: {"batch_size": 10, "class_weight": CLASS_WEIGHTS}, create)


def test_objects_in_place_of_numbers_are_refused(points):
    with pytest.raises(InvalidValue, match="Arrays must hold numbers of one type; got objects"):
        fit(create_model(), np.array([["a", 1]] * 64, object), points[1], verbose=0)


@pytest.fixture
def limits():
    yield
    keras.config.set_max_epochs(None)
    keras.config.set_max_steps_per_epoch(None)


@pytest.mark.usefixtures("limits")
@pytest.mark.filterwarnings("ignore:Limiting")
class TestLimitsOfKeras:
    def test_the_largest_number_of_epochs(self, points):
        keras.config.set_max_epochs(2)
        with pytest.warns(UserWarning, match="Limiting epochs to 2"):
            history = fit(create_model(), *points, epochs=5, verbose=0, jit_compile=False)
        assert history.epoch == [0, 1]

    def test_the_largest_number_of_steps(self, points):
        keras.config.set_max_steps_per_epoch(3)
        models = create_model(), create_model()
        models[0].fit(*points, batch_size=10, shuffle=False, verbose=0)
        with pytest.warns(SlowFit, match="keras.config.max_steps_per_epoch is 3"):
            fit(models[1], *points, batch_size=10, shuffle=False, verbose=0)
        assert_same_weights(*models)


@pytest.mark.parametrize("name", ["fit", "make_train_function", "evaluate"])
def test_a_method_of_the_model_s_own_is_run(points, name):
    called = []

    def method(self, *args, **kwargs):
        called.append(name)
        return getattr(keras.Model, name)(self, *args, **kwargs)

    kind = type("Own", (keras.Model,), {name: method})
    inputs = keras.Input((2,))
    model = kind(inputs, keras.layers.Dense(2, "softmax")(inputs))
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.warns(SlowFit, match=f"it has a method {name} of its own"):
        fit(model, *points, validation_split=0.2, verbose=0)
    assert called
