"""Files are complete or absent, and a format that lacks what a model needs says so."""

import importlib.util
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import zoo
from zoo.errors import InvalidValue, RunFailed
from zoo.exporting import check, exporter

X = np.random.default_rng(0).normal(100, 15, (64, 4)).astype("float32")
PACKAGES = {"onnx": "onnxruntime", "litert": "ai_edge_litert"}
FILES = {"onnx": "model.onnx", "litert": "model.tflite"}
with_format = pytest.mark.parametrize(
    "format",
    [
        pytest.param(name, marks=pytest.mark.skipif(not importlib.util.find_spec(package), reason=f"needs {package}"))
        for name, package in PACKAGES.items()
    ],
)


def normalized(**options):
    layer = layers.Normalization(**options)
    layer.adapt(X)
    return keras.Sequential([keras.Input((4,)), layer, layers.Dense(3, "softmax", **options)])


@with_format
def test_a_converted_model_has_the_constants_of_its_layers(format, tmp_path):
    exported = zoo.export(normalized(), tmp_path / FILES[format], format=format)
    assert exported.signatures == {"serve": pytest.approx(0, abs=1e-5)}


@pytest.mark.skipif(not importlib.util.find_spec("onnxruntime"), reason="needs onnxruntime")
def test_onnx_runtime_computes_what_keras_predicts(tmp_path):
    import onnxruntime

    model = normalized()
    session = onnxruntime.InferenceSession(zoo.export(model, tmp_path / "model.onnx", format="onnx").path)
    probabilities, classes = session.run(["probabilities", "classes"], {"inputs": X})
    predicted = model.predict(X, verbose=0)
    np.testing.assert_allclose(probabilities, predicted, atol=1e-5)
    np.testing.assert_array_equal(classes, predicted.argmax(axis=1))


@with_format
def test_an_operation_that_a_format_lacks_is_named(format, tmp_path, capfd):
    model = keras.Sequential([keras.Input((1,), dtype="int64"), layers.IntegerLookup(vocabulary=[10, 30])])
    with pytest.raises(RunFailed, match=r"Cannot convert the model to (ONNX|LiteRT): .*(LookupTable|HashTable).*\.$"):
        zoo.export(model, tmp_path / FILES[format], format=format)
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("format", FILES)
def test_text_and_types_that_a_format_lacks_are_refused(format, tmp_path, monkeypatch):
    monkeypatch.setattr(exporter, "PACKAGES", {})
    texts = keras.Sequential([keras.Input((), dtype="string"), layers.TextVectorization(vocabulary=["a"])])
    half = keras.Sequential([keras.Input((4,)), layers.Dense(2, dtype="mixed_bfloat16")], name="half")
    for model, reason in ((texts, "inputs is text"), (half, "half computes in bfloat16")):
        with pytest.raises(InvalidValue, match=f"format must be 'saved_model' if {reason}; got '{format}'"):
            zoo.export(model, tmp_path / FILES[format], format=format)


@pytest.fixture
def unchecked(monkeypatch):
    monkeypatch.setattr(check, "verify", lambda *_, **__: {})


def test_the_next_version_is_beside_the_others_and_leftovers(tmp_path, unchecked):
    for name in ("1", "9", ".10.4711", ".DS_Store"):
        (tmp_path / name).mkdir()
    assert zoo.export(normalized(), tmp_path).path == tmp_path / "10"
    assert {path.name for path in tmp_path.iterdir()} == {"1", "9", "10", ".10.4711", ".DS_Store"}


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        tf.errors.ResourceExhaustedError(None, None, "{{node x}} /tmp/a; No space left on device [Op:SaveV2]"),
    ],
)
def test_a_full_disk_is_one_sentence_and_leaves_no_files(error, tmp_path, unchecked, monkeypatch):
    def fail(module, path, **_):
        zoo.exporting.exporter.Path(path).mkdir()
        raise error

    monkeypatch.setattr(tf.saved_model, "save", fail)
    with pytest.raises(RunFailed, match=r"^Cannot write .*served/1: No space left on device\.$"):
        zoo.export(normalized(), tmp_path / "a" / "served")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", [None, 3])
def test_a_path_of_another_type_is_refused(path):
    with pytest.raises(InvalidValue, match=f"path must be a string or a path; got {path}"):
        zoo.export(normalized(), path)


def test_what_tensorflow_cannot_save_is_one_sentence(tmp_path, unchecked):
    hidden = [tf.lookup.experimental.MutableHashTable(tf.int64, tf.int64, -1)]
    model = keras.Sequential([keras.Input((1,), dtype="int64"), layers.Lambda(lambda x: hidden[0].lookup(x))])
    with pytest.raises(RunFailed, match=r"^Cannot convert the model to a SavedModel: Tried to export .*untracked"):
        zoo.export(model, tmp_path / "served")
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_named_before_tensorflow_is_imported():
    program = (
        "import sys, zoo, zoo.exporting.exporter as exporter\n"
        "exporter.PACKAGES['onnx'] = ('no_such_package',)\n"
        "try: zoo.export(None, 'model.onnx', format='onnx')\n"
        "except zoo.errors.RunFailed as error: print(error, 'tensorflow' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout
    assert "requires the package no_such_package; run pip install '.[onnx]'" in told
    assert told.endswith("False\n")
