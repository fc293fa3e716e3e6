"""Hypermodels of KerasTuner: what a search makes of them is what KerasTuner's own tuners make of them."""

from typing import ClassVar

import keras
import keras_tuner
import numpy as np
import pytest
import tensorflow as tf

from zoo import datasets, tuning
from zoo.errors import InvalidValue
from zoo.tuning.hypermodels import ZooHyperModel

pytestmark = pytest.mark.filterwarnings("ignore")  # of KerasTuner's and Keras' own
MOONS = datasets.load("moons")


def make_model(units, **options):
    """Returns the same network at each call."""
    keras.utils.set_random_seed(7)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(units), keras.layers.Dense(2, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], **options)
    return model


class History(keras_tuner.HyperModel):
    """Draws its batch size and class weights in `fit`, whose history it returns."""

    def build(self, hp):
        return make_model(3)

    def fit(self, hp, model, *args, **kwargs):
        batch_size, weight = hp.Choice("batch_size", [180, 360]), hp.Choice("weight", [5.0])
        return model.fit(*args, batch_size=batch_size, class_weight={0: weight, 1: 1.0}, shuffle=False, **kwargs)


class Dictionary(History):
    """Trains nothing, as those that follow."""

    def fit(self, hp, model, *args, **kwargs):
        return {"val_accuracy": hp.Choice("units", [2, 4]) / 5, "gap": 0.1}


class Number(History):
    def fit(self, hp, model, *args, **kwargs):
        return np.float32(hp.Choice("units", [2, 4]) / 5)


class Several(History):
    def fit(self, hp, model, *args, **kwargs):
        return [{"val_accuracy": hp.Choice("units", [2, 4]) / 5}, 0.7]


def search(folder, model, **settings):
    settings = {"algorithm": "grid", "epochs": 2, "progress": False, **settings}
    return tuning.search(model, "moons", project_dir=folder, **settings)


def search_with_kerastuner(folder, model, **options):
    """Returns the score of each combination of values, and the best of KerasTuner's models."""
    tuner = keras_tuner.GridSearch(model, objective="val_accuracy", directory=folder, overwrite=True, **options)
    validation = (MOONS.validation.x, MOONS.validation.y)
    tuner.search(MOONS.train.x, MOONS.train.y, validation_data=validation, epochs=2, verbose=0)
    scores = {
        tuple(sorted(trial.hyperparameters.values.items())): trial.score for trial in tuner.oracle.trials.values()
    }
    return scores, tuner


@pytest.mark.parametrize("kind", [History, Dictionary, Number, Several])
def test_a_fit_of_its_own_gives_the_scores_that_kerastuner_has(tmp_path, kind):
    expected, _ = search_with_kerastuner(tmp_path, kind())
    frame = search(tmp_path / "search", kind()).frame
    names = sorted(name for name in ("units", "batch_size", "weight") if name in frame)
    scores = {tuple((name, row[name]) for name in names): row["objective"] for _, row in frame.iterrows()}
    assert scores == pytest.approx(expected)
    assert len(set(scores.values())) == 2
    assert ("gap" in frame) == (kind is Dictionary)
    if kind is History:  # which trains with Keras' `fit`, so that the gradients are recorded
        assert (frame[["gradient_start/dense", "gradient_end/dense_1"]] > 0).all(axis=None)


def test_the_model_of_a_trial_has_the_weights_that_kerastuner_keeps(tmp_path):
    class OneSize(History):
        def declare_hyperparameters(self, hp):
            hp.Fixed("batch_size", 90)

    expected, tuner = search_with_kerastuner(tmp_path, OneSize())
    result = search(tmp_path / "search", OneSize())
    assert result.frame["objective"].tolist() == pytest.approx(list(expected.values()))
    weights = tuning.load_model(result.folder, OneSize()).get_weights()
    for own, theirs in zip(weights, tuner.get_best_models()[0].get_weights(), strict=True):
        np.testing.assert_allclose(own, theirs, rtol=1e-5)


def test_declared_hyperparameters_replace_those_of_the_builder(tmp_path):
    class Declared(Number):
        def declare_hyperparameters(self, hp):
            hp.Choice("units", [3, 1])

    expected, _ = search_with_kerastuner(tmp_path, Declared())
    frame = search(tmp_path / "search", Declared()).frame
    assert dict(zip(frame["units"], frame["objective"], strict=True)) == pytest.approx({3: 0.6, 1: 0.2})
    assert sorted(expected.values()) == pytest.approx([0.2, 0.6])


class GuideLoop(keras_tuner.HyperModel):
    """The training loop of KerasTuner's guide "Tune hyperparameters in your custom training loop"."""

    def build(self, hp):
        layers = [keras.layers.Dense(hp.Int("units", 4, 8, step=4), "relu"), keras.layers.Dense(2)]
        return keras.Sequential(layers)

    def fit(self, hp, model, x, y, validation_data, callbacks=None, **kwargs):
        optimizer, loss_fn = keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        for callback in callbacks:
            callback.set_model(model)
        losses = []
        for epoch in range(2):
            with tf.GradientTape() as tape:
                loss = loss_fn(y, model(x))
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            losses.append(float(loss_fn(validation_data[1], model(validation_data[0]))))
            for callback in callbacks:
                callback.on_epoch_end(epoch, logs={"my_metric": losses[-1]})
        return min(losses)


def test_a_training_loop_of_its_own_needs_no_compiled_model(tmp_path):
    result = search(tmp_path / "search", GuideLoop(), objective=keras_tuner.Objective("my_metric", "min"))
    assert result.frame["status"].tolist() == ["finished"] * 2
    model = tuning.load_model(result.folder, GuideLoop())
    loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    loss = float(loss_fn(MOONS.validation.y, model(MOONS.validation.x)))
    assert loss == pytest.approx(result.frame["objective"].min(), rel=1e-5)


def test_a_fit_may_train_something_else_than_the_model(tmp_path):
    class Formula(keras_tuner.HyperModel):
        def build(self, hp):
            return keras.Sequential([keras.layers.Dense(1)])

        def fit(self, hp, model, *args, **kwargs):
            return (hp.Float("x", -2.0, 2.0, step=1.0) - 1) ** 2

    result = search(tmp_path / "search", Formula(), objective=("parabola", "min"))
    assert sorted(result.frame["objective"]) == [0.0, 1.0, 1.0, 4.0, 9.0]
    assert tuning.load_hyperparameters(result.folder).get("x") == 1.0


class Epochs(keras_tuner.HyperModel):
    """Notes what is passed to `fit`."""

    passed: ClassVar[list] = []

    def build(self, hp):
        return make_model(hp.Choice("units", [2]))

    def fit(self, hp, model, x, y, **kwargs):
        self.passed.append(kwargs)
        return 0.5


class NamedEpochs(Epochs):
    def fit(self, hp, model, x, y, epochs, callbacks):
        self.passed.append({"epochs": epochs})
        return 0.5


@pytest.mark.parametrize(("kind", "given", "passed"), [(Epochs, None, None), (Epochs, 3, 3), (NamedEpochs, None, 20)])
def test_epochs_are_passed_if_they_are_given_or_asked_for(tmp_path, kind, given, passed):
    Epochs.passed.clear()
    search(tmp_path / "search", kind(), epochs=given)
    assert [options.get("epochs") for options in Epochs.passed] == [passed]


class Weights(keras_tuner.HyperModel):
    """Adds the number of epochs to a weight, and returns the weight."""

    def build(self, hp):
        hp.Float("rate", 0.0, 1.0)
        return make_model(2)

    def fit(self, hp, model, x, y, *, epochs, initial_epoch=0, callbacks=()):
        bias = model.layers[0].bias
        bias.assign(bias + (epochs - initial_epoch))
        return float(bias[0])


def test_hyperband_continues_the_weights_of_the_trial_before(tmp_path):
    frame = search(
        tmp_path / "search", Weights(), algorithm="hyperband", max_trials=6, epochs=3, objective=("bias", "max")
    ).frame
    assert frame["goes_on_from"].notna().any()
    assert frame.loc[frame["goes_on_from"].notna(), "objective"].tolist() == [3.0] * frame["goes_on_from"].count()


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (None, "Returns.fit must return a History, a dict with a number for each metric, or the objective; got None."),
        ({"val_accuracy": [0.5, 0.6]}, "or the objective; got {'val_accuracy': [0.5, 0.6]}."),
        ({"loss": 1.0}, "objective must be a metric of the training, loss or gradient_ratio; got val_accuracy."),
    ],
)
def test_a_fit_that_returns_no_objective_ends_the_search_and_leaves_nothing(tmp_path, result, message):
    class Returns(Epochs):
        def fit(self, hp, model, x, y, **kwargs):
            return result

    with pytest.raises(InvalidValue) as error:
        search(tmp_path / "search", Returns())
    assert message in str(error.value)
    assert list(tmp_path.iterdir()) == []


class WithoutCallbacks(Epochs):
    def fit(self, hp, model, x, y):
        return 0.5


class WithoutEpochs(Epochs):
    def fit(self, hp, model, x, y, callbacks):
        return 0.5


@pytest.mark.parametrize(
    ("model", "settings", "message"),
    [
        (WithoutCallbacks(), {}, "WithoutCallbacks.fit must take callbacks, or **kwargs"),
        (WithoutEpochs(), {"epochs": 3}, "WithoutEpochs.fit must take epochs, or **kwargs"),
        (NamedEpochs(), {"algorithm": "hyperband"}, "NamedEpochs.fit must take initial_epoch, or **kwargs"),
        (Epochs(), {"recipe": "nielsen"}, "recipe must be None unless model is the name of a model; got 'nielsen'."),
        (tuning.hypermodel("shallow_mlp", MOONS, seed=3), {}, "seed must be that of the hypermodel, 3; got 0."),
        (tuning.hypermodel("shallow_mlp", MOONS, epochs=9), {"epochs": 2}, "epochs must be that of the hypermodel, 9"),
        (tuning.hypermodel("shallow_mlp", "xor"), {}, "dataset must be that of the hypermodel, xor; got moons."),
    ],
)
def test_what_a_hypermodel_contradicts_is_refused(tmp_path, model, settings, message):
    with pytest.raises(InvalidValue) as error:
        search(tmp_path / "search", model, **settings)
    assert message in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_space_for_a_hypermodel_is_refused():
    with pytest.raises(InvalidValue, match="space must be None for a keras_tuner.HyperModel; Epochs has its own"):
        tuning.HyperModel(Epochs(), {"units": 3})


def test_the_fit_of_a_subclass_of_the_zoo_s_hypermodel_is_called_too(tmp_path):
    class Half(ZooHyperModel):
        def fit(self, hp, model, *args, **kwargs):
            return 0.5

    half = Half(tuning.space("shallow_mlp").with_(hidden=5), MOONS)
    assert search(tmp_path / "search", half, algorithm="random", max_trials=1).frame["objective"].tolist() == [0.5]


@pytest.mark.parametrize("options", [{"run_eagerly": True}])
def test_a_model_that_compiled_calls_cannot_train_is_trained_by_keras(tmp_path, options):
    def build(hp):
        return make_model(hp.Choice("units", [4]), **options)

    frame = search(tmp_path / "search", build).frame
    validation = (MOONS.validation.x, MOONS.validation.y)
    history = make_model(4, **options).fit(
        MOONS.train.x, MOONS.train.y, epochs=2, verbose=0, validation_data=validation
    )
    assert frame["epochs"].tolist() == [2]
    assert frame["objective"][0] == pytest.approx(max(history.history["val_accuracy"]), abs=0.1)  # another order
