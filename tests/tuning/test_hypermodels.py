"""The zoo's hypermodels in KerasTuner's own tuners."""

import keras_tuner
import numpy as np
import pytest

from zoo import datasets, tuning
from zoo.errors import InvalidValue, UnknownName
from zoo.tuning import Choice, Range
from zoo.tuning.hypermodels import ZooHyperModel

SMALL = {"hidden": Choice([3, 5]), "activation": "relu", "initializer": "he", "batch_size": 64, "learning_rate": 0.01}


def make(model="shallow_mlp", dataset="moons", **parameters):
    return tuning.hypermodel(model, dataset, **{**SMALL, **parameters})


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (keras_tuner.RandomSearch, {"max_trials": 2, "seed": 1}),
        (keras_tuner.BayesianOptimization, {"max_trials": 2, "seed": 1}),
        (keras_tuner.GridSearch, {}),
        pytest.param(keras_tuner.Hyperband, {"max_epochs": 3, "factor": 3, "seed": 1}, marks=pytest.mark.large),
    ],
)
@pytest.mark.filterwarnings("ignore")  # of KerasTuner's and Keras' own
def test_it_works_in_every_tuner_of_kerastuner(tmp_path, kind, options):
    is_hyperband = kind is keras_tuner.Hyperband  # which needs more models than two
    model = make(hidden=Range(2, 30)) if is_hyperband else make()
    tuner = kind(model, objective="val_accuracy", directory=tmp_path, project_name="search", **options)
    tuner.search(**({} if is_hyperband else {"epochs": 1}), verbose=0)
    trials = tuner.oracle.get_best_trials(20)
    assert {trial.status for trial in trials} == {"COMPLETED"}
    if is_hyperband:
        assert any("tuner/trial_id" in trial.hyperparameters.values for trial in trials)
    else:
        assert {trial.hyperparameters.values["hidden"] for trial in trials} == {3, 5}
    assert 0.4 < trials[0].score <= 1
    best = tuner.get_best_models()[0]
    held_out = datasets.load("moons").validation
    accuracy = (best.predict(held_out.x, verbose=0).argmax(1) == held_out.y).mean()
    assert accuracy == pytest.approx(trials[0].score, abs=1e-6)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("model", ["shallow_mlp", "deep_mlp"])
def test_it_trains_on_other_examples_too(points, model):
    x, y = points
    other = tuning.space(model, recipe="nielsen") if model == "deep_mlp" else tuning.space(model)
    hypermodel = tuning.hypermodel(other.with_(learning_rate=0.1, batch_size=16), "moons")
    hp = keras_tuner.HyperParameters()
    trained = hypermodel.build(hp)
    history = hypermodel.fit(hp, trained, x, y, validation_data=(x[:10], y[:10]), epochs=2, verbose=0)
    assert len(history.history["val_accuracy"]) == 2
    without = hypermodel.fit(hp, trained, x, y, epochs=1, verbose=0)
    assert "val_accuracy" not in without.history


@pytest.mark.filterwarnings("ignore")
def test_layers_are_pretrained_first():
    space = tuning.space("dbn").with_({"depth": 1, "width": 4, "batch_size": 500})
    hypermodel = tuning.hypermodel(space, "digits")
    hp = keras_tuner.HyperParameters()
    model, other = hypermodel.build(hp), hypermodel.build(hp)
    before = model.get_weights()
    np.testing.assert_array_equal(before[0], other.get_weights()[0])
    hypermodel.fit(hp, model, epochs=1, initial_epoch=1, verbose=0)
    np.testing.assert_array_equal(before[0], model.get_weights()[0])  # Hyperband continues a trial
    pretrained = []
    ZooHyperModel._pretrain, original = lambda self, model, *_: pretrained.append(model), ZooHyperModel._pretrain
    try:
        hypermodel.fit(hp, model, epochs=1, verbose=0)
    finally:
        ZooHyperModel._pretrain = original
    assert pretrained == [model]


def test_parameters_recipe_and_dataset_can_be_given():
    hypermodel = tuning.hypermodel("deep_mlp", datasets.load("moons"), recipe="nielsen", depth=2, width=Range(4, 6))
    hp = keras_tuner.HyperParameters()
    model = hypermodel.build(hp)
    assert hypermodel.space.recipe.name == "nielsen"
    assert model.input_shape == (None, 2)
    names = {parameter.name for parameter in hp.space}
    assert "width" in names
    assert "depth" not in names
    assert tuning.hypermodel(hypermodel.space, "xor").space == hypermodel.space


def test_what_the_model_does_not_take_is_refused():
    with pytest.raises(UnknownName, match='Did you mean "hidden"?'):
        make(hiden=3)
    with pytest.raises(UnknownName, match='Did you mean "shallow_mlp"?'):
        make("shalow_mlp")
    with pytest.raises(InvalidValue, match="hidden must be an integer >= 1; got 0."):
        make(hidden=0)
    with pytest.raises(InvalidValue, match="A space has its recipe already"):
        tuning.hypermodel(tuning.space("deep_mlp"), recipe="nielsen")


@pytest.mark.filterwarnings("ignore")
def test_a_custom_builder_works_there_too(points):
    import keras

    def build(units):
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(units), keras.layers.Dense(2, "softmax")])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    model = tuning.HyperModel(build, {"units": Choice([2, 3]), "batch_size": Choice([16, 64])})
    hp = keras_tuner.HyperParameters()
    trained = model.build(hp)
    steps = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: counted.append(batch))
    counted = []
    model.fit(hp, trained, *points, epochs=1, verbose=0, callbacks=[steps])
    assert len(counted) == 64 / hp.values["batch_size"]
    counted.clear()
    model.fit(hp, trained, *points, epochs=1, verbose=0, batch_size=32, callbacks=[steps])
    assert len(counted) == 2


@pytest.mark.filterwarnings("ignore")
def test_a_search_of_the_zoo_takes_it(tmp_path):
    settings = {"algorithm": "grid", "epochs": 1, "progress": False, "project_dir": tmp_path / "search"}
    assert tuning.search(make(), "moons", **settings).frame["hidden"].tolist() == [3, 5]
