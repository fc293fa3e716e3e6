"""A training of one's own: weights to begin with, balanced classes, patience, callbacks."""

import json

import keras
import numpy as np
import pytest

import zoo
from zoo import datasets
from zoo.errors import InvalidValue, UnknownName

RNG = np.random.default_rng(0)
UNEVEN = np.array(["rare"] * 20 + ["often"] * 100)
POINTS = RNG.normal(size=(120, 2)) / 9 + (UNEVEN == "rare")[:, None] / 20


def train(folder, data=None, **arguments):
    data = datasets.from_arrays(POINTS, UNEVEN) if data is None else data
    return zoo.train("deep_mlp", data, **{"epochs": 2, "run_dir": folder, "progress": False, **arguments})


def read_configuration(run):
    return json.loads((run.folder / "config.json").read_text())


def test_balanced_classes_have_the_weights_of_scikit_learn(tmp_path):
    from sklearn.utils.class_weight import compute_class_weight

    data = datasets.from_arrays(POINTS, UNEVEN)
    balanced = train(tmp_path / "balanced", data, class_weight="balanced")
    expected = compute_class_weight("balanced", classes=np.array([0, 1]), y=data.train.y)
    weights = read_configuration(balanced)["class_weight"]
    np.testing.assert_allclose([weights["often"], weights["rare"]], expected)
    named = train(tmp_path / "named", data, class_weight=weights)
    assert named.metrics.equals(balanced.metrics)
    assert not train(tmp_path / "plain", data).metrics.equals(balanced.metrics)


def test_patience_ends_a_training_with_its_best_weights(tmp_path):
    data = datasets.from_arrays(POINTS, RNG.integers(2, size=120))  # nothing to learn
    run = train(tmp_path / "run", data, patience=3, epochs=200, learning_rate=0.05)
    losses = run.metrics["val_loss"].to_numpy()
    assert len(losses) < 200
    assert losses.argmin() == len(losses) - 4
    model = zoo.load(run.folder / "model.keras")
    zoo.training.compile_model(model)
    assert model.evaluate(data.validation.x, data.validation.y, verbose=0)[0] == pytest.approx(losses.min(), rel=1e-4)
    again = zoo.resume(run.folder, dataset=data, progress=False)
    assert again.metrics.equals(run.metrics)


def test_callbacks_are_called(tmp_path):
    losses = []
    logger = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: losses.append(logs["loss"]))
    run = train(tmp_path / "run", callbacks=[logger])
    np.testing.assert_allclose(losses, run.metrics["loss"], rtol=1e-6)


@pytest.mark.large
def test_a_training_begins_with_weights_and_a_frozen_body(tmp_path):
    x = RNG.integers(0, 256, (60, 28, 28), dtype="uint8")
    data = datasets.from_arrays(x, np.arange(60) % 3)
    run = zoo.train("deep_mlp", data, epochs=1, weights="mnist", freeze=True, run_dir=tmp_path / "run", progress=False)
    trained, model = zoo.create("deep_mlp", weights="mnist"), zoo.load(run.folder / "model.keras")
    for weight, expected in zip(model.get_weights()[:-2], trained.get_weights()[:-2], strict=True):
        np.testing.assert_array_equal(weight, expected)
    assert set(run.gradients["layer"]) == {"output"}
    content = read_configuration(run)
    assert (content["weights"], content["freeze"]) == ("mnist", True)
    resumed = zoo.resume(run.folder, dataset=data, epochs=2, progress=False)
    assert set(resumed.gradients["layer"]) == {"output"}


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"freeze": True}, InvalidValue, "freeze must be False without weights"),
        ({"weights": "minst"}, UnknownName, 'Did you mean "mnist"'),
        ({"weights": "mnist"}, InvalidValue, r"input_shape must be \(2,\)"),
        ({"patience": 0}, InvalidValue, "patience must be an integer >= 1"),
        ({"class_weight": {"seldom": 2.0}}, UnknownName, 'Unknown class "seldom" of arrays'),
        ({"class_weight": {"rare": -1.0}}, InvalidValue, "class_weight"),
        ({"class_weight": "even"}, InvalidValue, "class_weight must be"),
    ],
)
def test_invalid_arguments_are_errors_before_anything_is_written(tmp_path, arguments, kind, message):
    with pytest.raises(kind, match=message):
        train(tmp_path / "run", **arguments)
    assert not list(tmp_path.iterdir())


def test_patience_needs_a_validation_set(tmp_path):
    with pytest.raises(InvalidValue, match="patience must be None without a validation set"):
        train(tmp_path / "run", datasets.from_arrays(POINTS, UNEVEN, validation=0), patience=2)
