import json
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.errors import InvalidValue, RunFailed
from zoo.exporting import check
from zoo.exporting.signatures import signatures
from zoo.models.origin import origin_of, remember

# One model per kind of signature; the others are large.
FEW = {"deep_mlp", "lenet5", "rbm"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in FEW else pytest.mark.large) for name in zoo.list_models()]
)
def test_every_model_exports_and_its_outputs_are_verified(name, tmp_path):
    exported = zoo.export(zoo.create(name), tmp_path / name)
    assert exported.path == tmp_path / name / "1"
    assert {"serve", "serve_float"} <= set(exported.signatures)
    assert max(exported.signatures.values()) <= 1e-5


@pytest.fixture(scope="module")
def rbm(tmp_path_factory):
    keras.utils.set_random_seed(0)
    model = zoo.create("rbm", input_shape=(8, 8, 1), hidden=10)
    return model, zoo.export(model, tmp_path_factory.mktemp("rbm") / "rbm", dataset="digits").path


def test_serve_scales_raw_images(rbm):
    model, path = rbm
    raw = np.random.default_rng(0).integers(0, 17, (4, 8, 8, 1), "uint8")
    served = tf.saved_model.load(path).signatures["serve"](images=tf.constant(raw))["hidden"]
    np.testing.assert_allclose(served, model(raw.astype("float32") / 16), atol=1e-6)


def test_equal_seeds_give_equal_samples(rbm):
    sample = tf.saved_model.load(rbm[1]).signatures["sample"]

    def draw(seed):
        start = tf.zeros((3, 8, 8, 1))
        return sample(images=start, steps=tf.constant(5), seed=tf.constant(seed))["images"].numpy()

    np.testing.assert_array_equal(draw(1), draw(1))
    assert (draw(1) != draw(2)).any()
    assert set(np.unique(draw(1))) <= {0.0, 1.0}


def test_assets_describe_the_model(rbm):
    description = json.loads((rbm[1] / "assets" / "description.json").read_text())
    assert description["signatures"]["serve"]["inputs"]["images"] == {"dtype": "uint8", "shape": [None, 8, 8, 1]}
    assert "uint8 from 0 to 16" in description["signatures"]["serve"]["description"]
    assert description["preprocessing"]["serve"] == "uint8 / 16"
    assert description["licence"] == {"code": "Apache-2.0", "data": "CC BY 4.0"}
    assert (rbm[1] / "assets" / "labels.txt").read_text().split() == list("0123456789")


def test_ensemble_has_a_signature_for_its_members():
    members = [zoo.create(name) for name in ("deep_mlp", "shallow_mlp")]
    inputs = keras.Input((28, 28, 1))
    ensemble = keras.Model(inputs, keras.layers.Average()([member(inputs) for member in members]))
    ensemble.members = members
    functions = signatures(ensemble, levels=255, scale=1.0)
    x = np.random.default_rng(0).random((3, 28, 28, 1), "float32")
    outputs = functions["members"].call(x)["members"]
    assert outputs.shape == (3, 2, 10)
    np.testing.assert_allclose(tf.reduce_mean(outputs, axis=1), ensemble(x), atol=1e-6)


def test_the_description_is_json_also_after_a_training_that_diverged(tmp_path, monkeypatch):
    monkeypatch.setattr(check, "verify", lambda *_, **__: {})
    model = zoo.create("shallow_mlp")
    remember(model, replace(origin_of(model), test={"loss": float("nan"), "accuracy": 0.1}))
    text = (zoo.export(model, tmp_path / "a").path / "assets" / "description.json").read_text()
    refuse = pytest.fail  # of a constant that JSON does not have
    assert json.loads(text, parse_constant=refuse)["metrics"] == {"loss": None, "accuracy": 0.1}


def test_failed_export_leaves_no_files(tmp_path, monkeypatch):
    monkeypatch.setattr(check, "TOLERANCE", {"saved_model": -1.0})
    with pytest.raises(
        RunFailed,
        match="outputs of the exported model must equal those of the model within -1e\\+00; got a difference of",
    ):
        zoo.export(zoo.create("deep_mlp"), tmp_path / "a" / "deep_mlp")
    assert not list(tmp_path.iterdir())


def test_invalid_path_raises(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InvalidValue, match=r"must contain only versions of an exported model; got notes\.txt"):
        zoo.export(zoo.create("deep_mlp"), tmp_path)
    with pytest.raises(InvalidValue, match="path must be a folder .*notes.txt is a file"):
        zoo.export(zoo.create("deep_mlp"), tmp_path / "notes.txt")
    with pytest.raises(InvalidValue, match=r"path must end in \.onnx .*; got model\.txt"):
        zoo.export(zoo.create("deep_mlp"), tmp_path / "model.txt", format="onnx")


@pytest.mark.parametrize(
    ("format", "file", "package"), [("onnx", "m.onnx", "onnxruntime"), ("litert", "m.tflite", "ai_edge_litert")]
)
def test_other_formats_are_verified_or_name_the_missing_package(format, file, package, tmp_path):
    model = zoo.create("lenet5")
    try:
        __import__(package)
    except ImportError:
        with pytest.raises(RunFailed, match=rf"pip install '\.\[{format}\]'"):
            zoo.export(model, tmp_path / file, format=format)
        assert not list(tmp_path.iterdir())
    else:
        assert max(zoo.export(model, tmp_path / file, format=format).signatures.values()) <= 1e-4
