"""Exports without the second process, which takes seconds."""

import pytest
import tensorflow as tf

import zoo
from zoo.exporting import check


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """A function that exports a model and returns its signature `serve` as TensorFlow loads it."""
    monkeypatch.setattr(check, "verify", lambda *_, **__: {})

    def export_and_load(model, **options):
        loaded = tf.saved_model.load(zoo.export(model, tmp_path / "served", **options).path)
        signature = loaded.signatures["serve"]

        def call(*inputs, **named):
            specs = signature.structured_input_signature[1]
            named |= dict(zip(specs, inputs, strict=False))
            outputs = signature(**{name: tf.cast(value, specs[name].dtype) for name, value in named.items()})
            return {name: value.numpy() for name, value in outputs.items()}

        call.loaded = loaded  # its variables live as long as it does
        call.inputs = {name: spec.dtype.name for name, spec in signature.structured_input_signature[1].items()}
        return call

    return export_and_load
