"""`serve` takes numbers as they come: what the data set's own examples were before they were divided by `levels`."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers

import zoo
from zoo import datasets
from zoo.ensembles import Ensemble
from zoo.errors import InvalidValue
from zoo.models.origin import origin_of, remember

RANDOM = np.random.default_rng(0)


def make_data(x, levels):
    source = datasets.Source(
        name="own",
        title="Own images",
        origin="drawn at random",
        licence="CC0",
        input_shape=x.shape[1:],
        examples=len(x),
        class_names=("no", "yes"),
        read=lambda seed: (x, np.arange(len(x)) % 2),
        levels=levels,
    )
    return source.load(validation=0.1, seed=0)


def make_model(data, *, is_trained=True):
    model = zoo.create("shallow_mlp", input_shape=data.input_shape, classes=2, hidden=5)
    if is_trained:
        described = {name: getattr(data.source, name) for name in ("name", "levels", "class_names")}
        remember(model, replace(origin_of(model), data=described))
    return model


@pytest.mark.parametrize(
    ("levels", "shape", "dtype"),
    [(255, (8, 8, 1), "uint8"), (16, (8, 8, 1), "uint8"), (65535, (8, 8, 1), "uint16"), (255, (64,), "uint8")],
)
@pytest.mark.parametrize("is_given", [True, False])
def test_whole_numbers_are_divided_by_their_levels(levels, shape, dtype, is_given, serve):
    raw = RANDOM.integers(0, levels + 1, (40, *shape))
    data = make_data((raw / levels).astype("float32"), levels)
    model = make_model(data, is_trained=not is_given)
    served = serve(model, **({"dataset": data} if is_given else {}))
    assert list(served.inputs.values()) == [dtype]
    expected = model.predict(data.test.x, verbose=0)
    np.testing.assert_allclose(served(np.round(levels * data.test.x))["probabilities"], expected, atol=1e-6)


@pytest.mark.parametrize("is_given", [True, False])
def test_without_levels_numbers_are_served_as_in_training(is_given, serve):
    data = make_data(RANDOM.random((40, 8, 8, 1)).astype("float32"), levels=1)
    model = make_model(data)
    served = serve(model, **({"dataset": data} if is_given else {}))
    assert list(served.inputs.values()) == ["float32"]
    expected = model.predict(data.test.x, verbose=0)
    np.testing.assert_allclose(served(data.test.x)["probabilities"], expected, atol=1e-6)


def test_images_whose_levels_were_forgotten_are_warned_of(serve):
    data = make_data((RANDOM.integers(0, 256, (40, 8, 8, 1)) / 255).astype("float32"), levels=1)
    with pytest.warns(UserWarning, match="images of own are multiples of 1/255 and its levels are 1.*set levels=255"):
        serve(make_model(data), dataset=data)


def test_numbers_between_the_levels_are_not_rounded(serve):
    data = make_data(RANDOM.random((40, 8, 8, 1)).astype("float32"), levels=255)
    model = make_model(data)
    served = serve(model, dataset=data)
    assert list(served.inputs.values()) == ["float32"]
    expected = model.predict(data.test.x, verbose=0)
    np.testing.assert_allclose(served(255 * data.test.x)["probabilities"], expected, atol=1e-6)


def test_a_scale_of_the_recipe_is_applied(serve):
    data = datasets.load("digits")
    model = zoo.create("shallow_mlp", input_shape=(8, 8, 1), hidden=5)
    recipe = zoo.card("shallow_mlp").recipe().change(input_scale=3.0)
    remember(model, replace(origin_of(model), recipe=recipe))
    expected = model.predict(3 * data.test.x, verbose=0)
    served = serve(model, dataset=data)
    np.testing.assert_allclose(served(np.round(16 * data.test.x))["probabilities"], expected, atol=1e-6)


def test_an_ensemble_takes_the_numbers_of_its_members(serve):
    data = datasets.load("digits")
    members = [zoo.create("shallow_mlp", input_shape=(8, 8, 1), hidden=hidden) for hidden in (5, 6)]
    recipe = zoo.card("shallow_mlp").recipe().change(input_scale=3.0)
    for member in members:
        remember(member, replace(origin_of(member), recipe=recipe, data={"name": "digits", "levels": 16}))
    expected = np.mean([member.predict(3 * data.test.x, verbose=0) for member in members], axis=0)
    served = serve(Ensemble(members))(np.round(16 * data.test.x))
    np.testing.assert_allclose(served["probabilities"], expected, atol=1e-6)


def test_members_that_take_other_numbers_are_refused(tmp_path):
    members = [zoo.create("shallow_mlp", input_shape=(8, 8, 1), hidden=hidden) for hidden in (5, 6)]
    remember(members[0], replace(origin_of(members[0]), data={"name": "digits", "levels": 16}))
    with pytest.raises(InvalidValue, match="members of an ensemble must be trained on the same data"):
        zoo.export(Ensemble(members), tmp_path / "served")


def test_another_keras_model_takes_images_as_they_are(serve):
    model = keras.Sequential([keras.Input((8, 8, 1)), layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(2)])
    x = RANDOM.integers(0, 256, (5, 8, 8, 1)).astype("float32")
    np.testing.assert_allclose(serve(model)(x)["values"], model.predict(x, verbose=0), atol=1e-6)


def test_vectors_are_served_from_the_images_that_they_were(serve):
    data = datasets.load("digits")
    model = keras.Sequential([keras.Input((64,)), layers.Dense(10, "softmax")])
    x = data.test.x.reshape(-1, 64)
    served = serve(model, dataset="digits")
    np.testing.assert_allclose(served(16 * x)["probabilities"], model.predict(x, verbose=0), atol=1e-6)


def test_a_model_of_integers_scales_them_itself(serve):
    model = keras.Sequential([
        keras.Input((8, 8, 1), dtype="uint8"), layers.Rescaling(1 / 16), layers.Flatten(), layers.Dense(10, "softmax")
    ])  # fmt: skip
    raw = np.round(16 * datasets.load("digits").test.x).astype("uint8")
    served = serve(model, dataset="digits")
    np.testing.assert_allclose(served(raw)["probabilities"], model.predict(raw, verbose=0), atol=1e-6)


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (lambda: make_data(np.full((40, 8, 8, 1), 200.0), levels=255), "own must be in .0, 1., since levels=255.*200"),
        (lambda: make_data(np.zeros((40, 8, 8, 1)), levels=2.5), "levels of own must be an integer >= 1; got 2.5"),
        (lambda: "semeion", r"takes inputs of shape \(8, 8, 1\); semeion has \(16, 16, 1\)"),
        (lambda: 3, "dataset must be a name or a loaded data set; got int"),
    ],
)
def test_data_that_do_not_fit_are_refused(dataset, message, tmp_path):
    model = zoo.create("shallow_mlp", input_shape=(8, 8, 1), classes=2)
    with pytest.raises(InvalidValue, match=message):
        zoo.export(model, tmp_path / "served", dataset=dataset())
    assert not list(tmp_path.iterdir())


def test_no_data_are_downloaded(empty_machine, serve):
    serve(zoo.create("shallow_mlp"), dataset="mnist")
    assert not empty_machine.exists()
