"""Convolutions as matrix products have the same outputs and gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from zoo.loop.acceleration import MODES, CompileMode
from zoo.loop.convolutions import as_matrix_products, find_convolutions
from zoo.training import fit


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("strides", [1, 2, (3, 1)])
@pytest.mark.parametrize("size", [1, 2, 5, (3, 4)])
def test_outputs_and_gradients_are_those_of_the_convolution(size, strides, padding):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((11, 9, 3)), layers.Conv2D(4, size, strides, padding)])
    x = tf.random.normal((2, 11, 9, 3))

    def compute():
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = model(x)
            loss = tf.reduce_sum(y**2)
        return [y, *tape.gradient(loss, [x, *[weight.value for weight in model.trainable_variables]])]

    expected = compute()
    with as_matrix_products(model):
        values = compute()
    for value, expected_value in zip(values, expected, strict=True):
        np.testing.assert_allclose(value, expected_value, rtol=2e-4, atol=2e-4)


def test_layers_are_restored():
    model = keras.Sequential([keras.Input((5, 5, 1)), layers.Conv2D(2, 3)])
    before = set(vars(model.layers[0]))
    with as_matrix_products(model):
        pass
    assert set(vars(model.layers[0])) == before


def test_grouped_and_dilated_convolutions_are_left_out():
    model = keras.Sequential(
        [
            keras.Input((9, 9, 2)),
            layers.Conv2D(4, 3, groups=2),
            layers.Conv2D(4, 3, dilation_rate=2),
            layers.DepthwiseConv2D(2),
        ]
    )
    assert find_convolutions(model) == []


def create_lenet(x):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            layers.Conv2D(3, 3, padding="same", activation="tanh"),
            layers.MaxPooling2D(2),
            layers.Conv2D(4, 3, activation="tanh"),
            layers.Flatten(),
            layers.Dense(3, "softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", jit_compile=False)
    return model


def test_a_training_has_the_weights_of_keras_fit_in_every_compile_mode(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    random = np.random.default_rng(0)
    x, y = random.uniform(size=(55, 8, 8, 1)).astype("float32"), random.integers(3, size=55)
    keras_model = create_lenet(x)
    keras_model.fit(x, y, batch_size=10, epochs=2, shuffle=False, verbose=0)
    for name, mode in MODES.items():
        loop_model = create_lenet(x)
        monkeypatch.setattr("zoo.loop.session.choose_compile_mode", _choose_always(mode))
        fit(loop_model, x, y, batch_size=10, epochs=2, shuffle=False, verbose=0)
        for weight, expected in zip(loop_model.get_weights(), keras_model.get_weights(), strict=True):
            np.testing.assert_allclose(weight, expected, atol=1e-5, err_msg=name)


def _choose_always(mode):
    return lambda compile_steps, rows, **_: (compile_steps(mode), mode)


def test_a_checkpoint_keeps_the_compile_mode(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    random = np.random.default_rng(0)
    x, y = random.uniform(size=(40, 8, 8, 1)).astype("float32"), random.integers(3, size=40)
    with monkeypatch.context() as patched:
        patched.setattr(
            "zoo.loop.session.choose_compile_mode", _choose_always(CompileMode(jit_compile=True, products=True))
        )
        uninterrupted = create_lenet(x)
        fit(uninterrupted, x, y, batch_size=10, epochs=4, verbose=0)
        fit(create_lenet(x), x, y, batch_size=10, epochs=2, verbose=0, checkpoint=tmp_path / "run.npz")
    resumed = create_lenet(x)
    fit(resumed, x, y, batch_size=10, epochs=4, verbose=0, checkpoint=tmp_path / "run.npz")
    for expected, weight in zip(uninterrupted.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)
