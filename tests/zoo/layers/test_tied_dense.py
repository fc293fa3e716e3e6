import keras
import numpy as np
import pytest

from zoo.layers import TiedDense

CODES = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")


@pytest.fixture
def encoder():
    layer = keras.layers.Dense(3)
    layer.build((None, 7))
    return layer


def test_output_is_that_of_the_transposed_kernel(encoder):
    tied, dense = TiedDense(encoder, "tanh", bias_initializer="ones"), keras.layers.Dense(7, "tanh")
    dense.build((None, 3))
    dense.set_weights([encoder.kernel.numpy().T, np.ones(7)])
    np.testing.assert_allclose(tied(CODES), dense(CODES), rtol=1e-6)


def test_bias_is_the_only_new_weight(encoder):
    tied = TiedDense(encoder)
    tied(CODES)
    owned = [weight.shape for weight in tied.trainable_weights if weight is not encoder.kernel]
    assert owned.count((7,)) == 1
    model = keras.Sequential([encoder, tied])
    model.build((None, 7))
    assert model.count_params() == 7 * 3 + 3 + 7


def test_shared_kernel_receives_the_gradient_of_both_uses(encoder):
    import tensorflow as tf

    x = np.random.default_rng(1).normal(size=(4, 7)).astype("float32")
    tied = TiedDense(encoder)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(tied(encoder(x)) - x))
    gradient = tape.gradient(loss, encoder.kernel.value)
    error = x @ encoder.kernel.numpy() @ encoder.kernel.numpy().T - x
    expected = 2 * (x.T @ error + error.T @ x) @ encoder.kernel.numpy()
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-4)


def test_kernel_is_still_shared_after_save_and_load(encoder, tmp_path):
    inputs = keras.Input((7,))
    keras.Model(inputs, TiedDense(encoder, name="decoder")(encoder(inputs))).save(tmp_path / "model.keras")
    opened = keras.saving.load_model(tmp_path / "model.keras")
    code, decoder = opened.layers[1:]
    code.kernel.assign(2 * code.kernel)
    np.testing.assert_allclose(decoder(CODES), CODES @ code.kernel.numpy().T, rtol=1e-5)


def test_output_shape_is_known_before_build(encoder):
    assert TiedDense(encoder).compute_output_shape((None, 4, 3)) == (None, 4, 7)
