"""Auto-encoders, against principal components and by their construction."""

import keras
import numpy as np
import pytest
from sklearn.decomposition import PCA

import zoo
from zoo import datasets
from zoo.errors import InvalidValue, UnknownName
from zoo.layers import TiedDense
from zoo.training import fit


def test_linear_autoencoder_finds_the_principal_components():
    """Baldi and Hornik 1989: with squared error and linear units there are no other minima."""
    x = datasets.load("digits").train.x.reshape(-1, 64)
    x = x - x.mean(axis=0)
    keras.utils.set_random_seed(0)
    model = zoo.create(
        "autoencoder", input_shape=(64,), hidden=(3,), activation="linear", output_activation="linear", tied=False
    )
    model.compile(keras.optimizers.Adam(0.01), lambda y, p: keras.ops.sum(keras.ops.square(y - p), axis=-1))
    fit(model, x, x, batch_size=len(x), epochs=800, verbose=0)
    pca = PCA(3).fit(x)
    error = np.square(x - model.predict(x, verbose=0)).sum(axis=1).mean()
    best = np.square(x - pca.inverse_transform(pca.transform(x))).sum(axis=1).mean()
    assert best <= error < best * 1.001


@pytest.mark.parametrize("name", ["autoencoder", "denoising_autoencoder"])
class TestEach:
    def test_the_decoder_mirrors_the_encoder(self, name):
        model = zoo.create(name, input_shape=(6, 6, 1), hidden=(20, 10, 3), tied=False)
        dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
        assert [layer.units for layer in dense] == [20, 10, 3, 10, 20, 36]
        assert model.get_layer("code").units == 3
        assert model.output_shape == (None, 6, 6, 1)

    def test_tied_weights_are_those_of_the_encoder_transposed(self, name):
        free, tied = (zoo.create(name, input_shape=(36,), hidden=(20, 10), tied=each) for each in (False, True))
        assert free.count_params() - tied.count_params() == 36 * 20 + 20 * 10
        decoders = [layer for layer in tied.layers if isinstance(layer, TiedDense)]
        assert len(decoders) == 2
        x = np.random.default_rng(0).uniform(size=(3, 36)).astype("float32")
        code = keras.Model(tied.input, tied.get_layer("code").output).predict(x, verbose=0)
        h = code
        encoders = [layer for layer in tied.layers if isinstance(layer, keras.layers.Dense)]
        for encoder, decoder in zip(reversed(encoders), decoders, strict=True):
            h = 1 / (1 + np.exp(-(h @ np.asarray(encoder.kernel).T + np.asarray(decoder.bias))))
        np.testing.assert_allclose(tied.predict(x, verbose=0), h, rtol=1e-5)

    def test_code_activation(self, name):
        model = zoo.create(name, input_shape=(36,), hidden=(20, 2), code_activation="linear")
        assert model.get_layer("code").activation is keras.activations.linear

    def test_glorot_sigmoid_is_four_times_as_wide(self, name):
        wide, plain = (
            np.abs(zoo.create(name, initializer=law).get_layer("code").kernel).max()
            for law in ("glorot_sigmoid", "glorot")
        )
        bound = np.sqrt(6 / (784 + 500))
        assert plain == pytest.approx(bound, rel=1e-3)
        assert wide == pytest.approx(4 * bound, rel=1e-3)

    @pytest.mark.parametrize(
        ("wrong", "error", "message"),
        [
            ({"hidden": ()}, InvalidValue, "hidden"),
            ({"hidden": (5, 0)}, InvalidValue, "hidden"),
            ({"output_activation": "relu"}, InvalidValue, "output_activation must be"),
            ({"initializer": "glorrot"}, InvalidValue, "Did you mean 'glorot'"),
            ({"hiden": (5,)}, UnknownName, 'Did you mean "hidden"'),
        ],
    )
    def test_option_out_of_range_raises(self, name, wrong, error, message):
        with pytest.raises(error, match=message):
            zoo.create(name, **wrong)


def test_inputs_are_corrupted_in_training_only():
    model = zoo.create("denoising_autoencoder", input_shape=(784,), corruption=0.5)
    corrupted = keras.Model(model.input, model.get_layer("corruption").output)
    x = np.ones((20, 784), "float32")
    assert np.mean(corrupted(x, training=True)) == pytest.approx(0.5, abs=0.03)
    np.testing.assert_array_equal(corrupted(x), x)


@pytest.mark.parametrize("wrong", [{"noise": "maskin"}, {"corruption": 1.5}, {"corruption": -0.1}])
def test_corruption_out_of_range_raises(wrong):
    with pytest.raises(InvalidValue, match=next(iter(wrong))):
        zoo.create("denoising_autoencoder", **wrong)


def test_denoising_restores_masked_inputs():
    """Better by a quarter than to put each pixel's mean there."""
    data = datasets.load("digits")
    keras.utils.set_random_seed(0)
    model = zoo.create("denoising_autoencoder", input_shape=(8, 8, 1), hidden=(100,), corruption=0.3)
    model.compile(keras.optimizers.Adam(3e-3), "binary_crossentropy")
    model.fit(data.train.x, data.train.x, batch_size=50, epochs=30, verbose=0)
    x = data.test.x
    kept = np.random.default_rng(0).random(x.shape) > 0.3
    found = model.predict(x * kept, verbose=0)
    error = np.square(found - x)[~kept].mean()
    mean = np.broadcast_to(data.train.x.mean(axis=0), x.shape)
    assert error < 0.75 * np.square(mean - x)[~kept].mean()
