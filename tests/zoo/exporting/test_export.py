import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.errors import InvalidValue, RunFailed
from zoo.exporting import check as checking
from zoo.exporting.signatures import signatures


@pytest.mark.parametrize("name", zoo.list_models())
def test_every_model_exports_and_gives_its_own_numbers_where_the_zoo_is_not(name, tmp_path):
    exported = zoo.export(zoo.create(name), tmp_path / name)
    assert exported.path == tmp_path / name / "1"
    assert {"serve", "serve_float"} <= set(exported.signatures)
    assert max(exported.signatures.values()) <= 1e-5


@pytest.fixture(scope="module")
def rbm(tmp_path_factory):
    keras.utils.set_random_seed(0)
    model = zoo.create("rbm", input_shape=(8, 8, 1), hidden=10)
    return model, zoo.export(model, tmp_path_factory.mktemp("rbm") / "rbm", dataset="digits").path


def test_raw_images_are_scaled_inside(rbm):
    model, path = rbm
    raw = np.random.default_rng(0).integers(0, 17, (4, 8, 8, 1), "uint8")
    served = tf.saved_model.load(path).signatures["serve"](images=tf.constant(raw))["hidden"]
    np.testing.assert_allclose(served, model(raw.astype("float32") / 16), atol=1e-6)


def test_sampling_repeats_by_its_seed_and_differs_by_another(rbm):
    sample = tf.saved_model.load(rbm[1]).signatures["sample"]

    def draw(seed):
        start = tf.zeros((3, 8, 8, 1))
        return sample(images=start, steps=tf.constant(5), seed=tf.constant(seed))["images"].numpy()

    np.testing.assert_array_equal(draw(1), draw(1))
    assert (draw(1) != draw(2)).any()
    assert set(np.unique(draw(1))) <= {0.0, 1.0}


def test_the_assets_describe_the_model(rbm):
    description = json.loads((rbm[1] / "assets" / "description.json").read_text())
    assert description["signatures"]["serve"]["inputs"]["images"] == {"dtype": "uint8", "shape": [None, 8, 8, 1]}
    assert description["preprocessing"]["serve"] == "uint8 / 16"
    assert description["licence"] == {"code": "Apache-2.0", "data": "CC BY 4.0"}
    assert (rbm[1] / "assets" / "labels.txt").read_text().split() == list("0123456789")


def test_members_of_an_ensemble_have_a_signature():
    members = [zoo.create(name) for name in ("deep_mlp", "shallow_mlp")]
    inputs = keras.Input((28, 28, 1))
    ensemble = keras.Model(inputs, keras.layers.Average()([member(inputs) for member in members]))
    ensemble.members = members
    of_ensemble = signatures(ensemble, levels=255, scale=1.0)
    x = np.random.default_rng(0).random((3, 28, 28, 1), "float32")
    each = of_ensemble["members"].call(x)["members"]
    assert each.shape == (3, 2, 10)
    np.testing.assert_allclose(tf.reduce_mean(each, axis=1), ensemble(x), atol=1e-6)


def test_a_failed_export_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(checking, "TOLERANCE", {"saved_model": -1.0})
    with pytest.raises(RunFailed, match="gives other numbers than the model"):
        zoo.export(zoo.create("deep_mlp"), tmp_path / "a" / "deep_mlp")
    assert not list(tmp_path.iterdir())


def test_a_path_that_is_taken(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InvalidValue, match=r"holds notes\.txt, which is no version"):
        zoo.export(zoo.create("deep_mlp"), tmp_path)
    with pytest.raises(InvalidValue, match="is a file; a SavedModel is a folder"):
        zoo.export(zoo.create("deep_mlp"), tmp_path / "notes.txt")
    with pytest.raises(InvalidValue, match=r"ends in \.onnx; got model\.txt"):
        zoo.export(zoo.create("deep_mlp"), tmp_path / "model.txt", format="onnx")


@pytest.mark.parametrize(
    ("format", "file", "package"), [("onnx", "m.onnx", "onnxruntime"), ("litert", "m.tflite", "ai_edge_litert")]
)
def test_other_formats_give_the_same_or_say_what_they_need(format, file, package, tmp_path):
    model = zoo.create("lenet5")
    try:
        __import__(package)
    except ImportError:
        with pytest.raises(RunFailed, match=rf"pip install '\.\[{format}\]'"):
            zoo.export(model, tmp_path / file, format=format)
        assert not list(tmp_path.iterdir())
    else:
        assert max(zoo.export(model, tmp_path / file, format=format).signatures.values()) <= 1e-4
