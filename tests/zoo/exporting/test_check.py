"""The check compares on the data set's own examples, as they come, in another process."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from sklearn.datasets import load_digits

import zoo
from zoo.errors import RunFailed
from zoo.exporting import check, signatures
from zoo.exporting.data import describe_data
from zoo.exporting.samples import Sampler, draw_accepted
from zoo.exporting.standalone import _largest_difference


def test_the_inputs_are_raw_examples_of_the_data_set_and_the_outputs_those_that_keras_predicts():
    model = zoo.create("shallow_mlp", input_shape=(8, 8, 1), hidden=5)
    functions = signatures.signatures(model, levels=16, scale=1.0)
    cases = check.compute_cases(model, functions, ["serve"], data=describe_data(None, "digits"), scale=1.0)
    raw = cases["serve|3|in|images"]
    known = {image.tobytes() for image in load_digits().images.astype("uint8")}
    assert len(raw) > 3
    assert all(image.tobytes() in known for image in raw)
    expected = model.predict(raw.astype("float32") / 16, verbose=0)
    np.testing.assert_allclose(cases["serve|3|out|probabilities"], expected, atol=1e-6)


def test_a_model_that_is_served_unscaled_is_refused(tmp_path, monkeypatch):
    honest = signatures.signatures
    monkeypatch.setattr(
        signatures,
        "signatures",
        lambda *args, **options: {**(found := honest(*args, **options)), "serve": _unscaled(found)},
    )
    model = zoo.create("shallow_mlp", input_shape=(8, 8, 1), hidden=5)
    with pytest.raises(RunFailed, match="outputs of the exported model must equal those of the model .* in serve"):
        zoo.export(model, tmp_path / "served", dataset="digits")
    assert not list(tmp_path.iterdir())


def _unscaled(functions):
    raw, numbers = functions["serve"], functions["serve_float"]
    return signatures.Signature("", raw.inputs, lambda x: numbers.call(tf.cast(x, tf.float32)))


@pytest.mark.parametrize(
    ("actual", "expected", "difference"),
    [
        ([1.5, 2.0], [1.0, 2.0], 0.5),
        ([150.0], [100.0], 0.5),  # relative above 1
        ([np.nan, np.inf], [np.nan, np.inf], 0.0),
        ([np.nan], [1.0], 1e30),
        ([True, False], [True, True], 1.0),
        ([], [], 0.0),
    ],
)
def test_the_difference_is_relative_for_large_values(actual, expected, difference):
    assert _largest_difference(np.array(actual), np.array(expected)) == difference


def test_unsigned_integers_differ_in_both_directions():
    assert _largest_difference(np.array([1], "uint8"), np.array([2], "uint8")) == 0.5


def test_texts_are_equal_or_not():
    assert _largest_difference(np.array([b"a", b"b"], object), np.array([b"a", b"b"])) == 0
    assert _largest_difference(np.array([b"a", b"c"], object), np.array([b"a", b"b"])) == 1


def test_drawn_inputs_are_those_that_the_layers_know():
    model = keras.Sequential([
        keras.Input((6,), dtype="int32"), layers.Embedding(3, 2), layers.Flatten(), layers.Dense(1)
    ])  # fmt: skip
    tokens = Sampler(model).draw({"inputs": tf.TensorSpec([None, 6], tf.int32)}, 50, 1)["inputs"]
    assert set(tokens.ravel()) == {0, 1, 2}
    model = keras.Sequential([keras.Input((1,), dtype="string"), layers.StringLookup(vocabulary=["red", "green"])])
    words = Sampler(model).draw({"inputs": tf.TensorSpec([None, 1], tf.string)}, 50, 1)["inputs"]
    assert set(words.ravel()) == {b"red", b"green"}


def test_free_sizes_grow_until_the_model_takes_them():
    specs = {"images": tf.TensorSpec([None, None, None, 1], tf.float32)}
    model = keras.Sequential([keras.Input((None, None, 1)), layers.Conv2D(1, 40)])
    inputs, outputs = draw_accepted(lambda x: {"y": model(x)}, specs, Sampler(model), 2)
    assert inputs["images"].shape == (2, 64, 64, 1)
    assert outputs["y"].shape == (2, 25, 25, 1)
