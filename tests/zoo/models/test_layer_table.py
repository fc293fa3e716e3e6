import keras
import pytest
from keras import layers

import zoo
from zoo.ensembles import Ensemble


def test_lenet5_has_the_published_weights_connections_and_receptive_fields():
    table = zoo.layer_table(zoo.create("lenet5")).set_index("layer")
    published = {  # weights, connections, field
        "C1": (156, 122_304, "5x5"),
        "S2": (12, 5_880, "6x6"),
        "C3": (1_516, 151_600, "14x14"),
        "S4": (32, 2_000, "16x16"),
        "C5": (48_120, 48_120, "32x32"),
        "F6": (10_164, 10_164, "all"),
        "output": (0, 840, "all"),
    }
    for layer, row in published.items():
        assert tuple(table.loc[layer, ["trainable", "connections", "receptive_field"]]) == row, layer
    assert table["trainable"].sum() == 60_000
    assert table["connections"].sum() == 340_908


@pytest.mark.parametrize("name", zoo.list_models())
def test_every_weight_of_every_model_is_counted_once(name):
    model = zoo.create(name)
    table = zoo.layer_table(model)
    assert table["parameters"].sum() == model.count_params()
    assert table["connections"].sum() >= table["trainable"].sum() / 2


def test_connections_of_stock_layers():
    x = inputs = keras.Input((6, 8, 2))
    for layer in (
        layers.Conv2D(3, (3, 2), strides=(1, 2), name="conv"),
        layers.MaxPooling2D((2, 1), name="max"),
        layers.Conv2D(4, 2, use_bias=False, name="no_bias"),
        layers.Flatten(name="flatten"),
        layers.Dense(5, name="dense"),
    ):
        x = layer(x)
    table = zoo.layer_table(keras.Model(inputs, x)).set_index("layer")
    assert table["output"].tolist() == ["6x8x2", "4x4x3", "2x4x3", "1x3x4", "12", "5"]
    assert table["connections"].tolist() == [0, 48 * (3 * 2 * 2 + 1), 24 * 2, 12 * 12, 0, 5 * 13]
    assert table["receptive_field"].tolist() == ["1x1", "3x2", "4x2", "6x4", "6x4", "all"]


def test_receptive_field_equals_the_extent_of_a_change():
    """Every pixel that a unit in the middle of the last map depends on, and no other."""
    import numpy as np
    import tensorflow as tf

    model = zoo.create("depth_cnn", input_shape=(61, 61, 1), depth=6)
    tops = {name: model.get_layer(name).output for name in ("conv_1", "pool_1", "conv_2", "pool_2")}
    table = zoo.layer_table(model).set_index("layer")
    for name, top in tops.items():
        body = keras.Model(model.input, top)
        seen = np.zeros((61, 61), bool)
        for seed in range(20):  # each time another unit is the greatest of those that are pooled
            x = tf.Variable(np.random.default_rng(seed).normal(size=(1, 61, 61, 1)).astype("float32"))
            with tf.GradientTape() as tape:
                y = body(x)
                middle = tf.reduce_sum(y[:, y.shape[1] // 2, y.shape[2] // 2])
            seen |= np.abs(tape.gradient(middle, x).numpy()[0, :, :, 0]) > 0
        rows, columns = (np.flatnonzero(seen.any(axis=axis)) for axis in (1, 0))
        found = f"{np.ptp(rows) + 1}x{np.ptp(columns) + 1}"
        assert found == table.loc[name, "receptive_field"], name


def test_points_have_no_receptive_field():
    table = zoo.layer_table(zoo.create("deep_mlp", input_shape=(2,)))
    assert set(table["receptive_field"]) == {""}


def test_elementwise_layers_keep_the_receptive_field():
    model = zoo.create("denoising_autoencoder")
    assert zoo.layer_table(model).set_index("layer").loc["corruption", "receptive_field"] == "1x1"


def test_layers_of_subclassed_models_have_their_units():
    table = zoo.layer_table(zoo.create("generative_dbn", hidden=(20, 10), top=30)).set_index("layer")
    assert table["output"].to_dict() == {
        "flatten": "", "recognition_1": "20", "recognition_2": "10", "generation_1": "784", "generation_2": "20",
        "top": "30",
    }  # fmt: skip


def test_layers_of_nested_models_have_rows():
    members = [zoo.create("lenet5_relu") for _ in range(2)]
    table = zoo.layer_table(Ensemble(members))
    assert table["parameters"].sum() == 2 * 61_706
    assert (table["layer"] == "C3").sum() == 2
