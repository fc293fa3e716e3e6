import keras
import numpy as np
import pytest

import zoo
from zoo.errors import InvalidValue


@pytest.mark.parametrize(
    ("recipe", "parameters"),
    [("one_layer", 520 + 12 * 12 * 20 * 100 + 100 + 1010), ("sigmoid", 85_670), ("relu", 85_670)],
)
def test_networks_of_the_book_have_its_numbers_of_parameters(recipe, parameters):
    options = zoo.card("nielsen_cnn").recipe(recipe).options
    assert zoo.create("nielsen_cnn", **options).count_params() == parameters


def test_initial_weights_follow_the_book():
    keras.utils.set_random_seed(0)
    model = zoo.create("nielsen_cnn", maps=(200, 400), dense=(1000,))
    outputs = {"conv_1": 200 * 25 / 4, "conv_2": 400 * 25 / 4, "dense_1": 1000}  # after pooling
    for name, count in outputs.items():
        kernel, bias = model.get_layer(name).get_weights()
        assert kernel.var() == pytest.approx(1 / count, rel=0.06)
        assert bias.std() == pytest.approx(1, rel=0.15)
    assert not any(weights.any() for weights in model.get_layer("output").get_weights())


def test_best_network_has_dropout_before_its_three_dense_layers():
    model = zoo.create("nielsen_cnn", **zoo.card("nielsen_cnn").recipe("dropout").options)
    names = [layer.name for layer in model.layers]
    for number, following in enumerate(("dense_1", "dense_2", "output"), start=1):
        assert names[names.index(following) - 1] == f"dropout_{number}"
        assert model.get_layer(f"dropout_{number}").rate == 0.5


def test_penalty_equals_that_of_the_book_which_divides_by_batches():
    recipe = zoo.card("nielsen_cnn").recipe("relu")
    assert recipe.weight_penalty / (2 * 50_000) == pytest.approx(0.5 * 0.1 / (50_000 / recipe.batch_size))


def test_pooling_before_the_activation_gives_the_same():
    """network3.py adds the bias and squashes after pooling; both functions only grow."""
    keras.utils.set_random_seed(0)
    model = zoo.create("nielsen_cnn", maps=(3,))
    x = np.random.default_rng(0).uniform(size=(2, 28, 28, 1)).astype("float32")
    kernel, bias = model.get_layer("conv_1").get_weights()
    pooled = keras.ops.max_pool(keras.ops.conv(x, kernel, padding="valid"), 2)
    found = keras.Model(model.input, model.get_layer("pool_1").output)(x)
    np.testing.assert_allclose(found, np.maximum(pooled + bias, 0), atol=1e-5)


def test_too_many_convolutions_raise():
    with pytest.raises(InvalidValue, match="nielsen_cnn: maps must have at most 2 values, one per convolution; got"):
        zoo.create("nielsen_cnn", maps=(5, 5, 5))
