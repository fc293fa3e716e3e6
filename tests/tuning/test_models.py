"""The model and the hyperparameters of a trial, read from the folder of its search."""

import shutil

import keras
import numpy as np
import pytest

import zoo
from zoo import datasets, tuning
from zoo.errors import InvalidValue, RunFailed
from zoo.tuning.spaces import Choice

MOONS = datasets.load("moons")


def build(units, fails=False):
    if fails:
        raise ValueError("a bug")
    layers = [keras.layers.Dense(units, "relu"), keras.layers.Dense(2, "softmax")]  # without an input: built by `fit`
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


OWN = tuning.HyperModel(build, {"units": Choice([3, 6]), "fails": Choice([False, True]), "batch_size": 60})


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A search of a custom builder, to be read only."""
    folder = tmp_path_factory.mktemp("own") / "search"
    return tuning.search(OWN, "moons", algorithm="grid", epochs=3, project_dir=folder, progress=False)


@pytest.fixture(scope="module")
def of_zoo(tmp_path_factory):
    """A search of a model of the zoo, to be read only."""
    space = tuning.space("shallow_mlp").with_(hidden=5, batch_size=60, learning_rate=Choice([0.05, 0.1]))
    space = space.without("activation", "initializer")
    folder = tmp_path_factory.mktemp("zoo") / "search"
    return tuning.search(space, "moons", algorithm="grid", epochs=3, project_dir=folder, progress=False)


def measure_accuracy(model):
    return (model.predict(MOONS.validation.x, verbose=0).argmax(1) == MOONS.validation.y).mean()


@pytest.mark.parametrize("trial", [None, 0])
def test_a_custom_builder_s_model_has_the_accuracy_of_its_trial_at_the_best_epoch(own, trial):
    expected = own.frame.set_index("trial")["objective"][own.best if trial is None else trial]
    model = tuning.load_model(own.folder, OWN, trial=trial)
    assert model.evaluate(MOONS.validation.x, MOONS.validation.y, verbose=0)[1] == pytest.approx(expected)
    assert measure_accuracy(model) == pytest.approx(expected)


@pytest.mark.parametrize("trial", [None, 0])
def test_a_model_of_the_zoo_is_opened_as_a_file_too(of_zoo, trial):
    expected = of_zoo.frame.set_index("trial")["objective"][of_zoo.best if trial is None else trial]
    assert measure_accuracy(tuning.load_model(of_zoo.folder, trial=trial)) == pytest.approx(expected)
    file = of_zoo.folder / f"trial_{of_zoo.best if trial is None else trial:04d}" / "model.keras"
    model = zoo.load(file)
    assert measure_accuracy(model) == pytest.approx(expected)
    assert zoo.models.origin.origin_of(model).data["name"] == "moons"


def test_the_hyperparameters_are_those_of_kerastuner(own):
    hp = tuning.load_hyperparameters(own.folder, trial=2)
    assert hp.get("units") == own.frame["units"][2]
    np.testing.assert_equal({parameter.name for parameter in hp.space}, {"units", "fails"})
    best = tuning.load_hyperparameters(own.folder)
    assert OWN.build(best).layers[0].units == own.frame.set_index("trial")["units"][own.best]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"trial": 9}, "has no trial 9; there are 0 to 3."),
        ({"trial": 1}, "Trial 1 in "),
        ({"model": None}, "model must be its builder: the search in "),
    ],
)
def test_what_has_no_model_is_refused(own, arguments, message):
    with pytest.raises(InvalidValue) as error:
        tuning.load_model(own.folder, **{"model": OWN, **arguments})
    assert message in str(error.value)


def test_a_builder_for_a_model_of_the_zoo_is_refused(of_zoo):
    with pytest.raises(InvalidValue, match="model must be None: the search in .* is of a model of the zoo."):
        tuning.load_model(of_zoo.folder, OWN)


def test_a_builder_of_another_model_is_refused(own):
    other = tuning.HyperModel(lambda units, fails: build(units + 1), {"units": 3, "fails": False})
    with pytest.raises(RunFailed, match="model.weights.h5 do not fit the model sequential"):
        tuning.load_model(own.folder, other)


def test_a_search_without_models_says_so(tmp_path, own):
    folder = shutil.copytree(own.folder, tmp_path / "search")
    for path in folder.rglob("model.weights.h5"):
        path.unlink()
    with pytest.raises(InvalidValue, match="has no model: its training, or an earlier version of the zoo, made none."):
        tuning.load_model(folder, OWN)
