import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import zoo
from zoo.ensembles import Ensemble
from zoo.errors import InvalidValue


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


def stack_of_convolutions():
    """Dilated, depthwise and separable convolutions, in a nested model, beside a shorter path."""
    inner = keras.Sequential([keras.Input((29, 29, 2)), layers.DepthwiseConv2D(3, name="depthwise")], name="inner")
    inputs = keras.Input((33, 33, 1))
    x = layers.Conv2D(2, 3, dilation_rate=2, name="dilated")(inputs)
    x = inner(x)
    x = layers.BatchNormalization(name="normalization")(x)
    x = layers.Concatenate(name="both")([x, layers.Cropping2D(1)(layers.Conv2D(1, 5)(inputs))])
    x = layers.SeparableConv2D(2, 3, strides=2, name="separable")(x)
    return keras.Model(inputs, layers.AveragePooling2D(2, name="pooling")(x))


@pytest.mark.parametrize(
    ("create", "names"),
    [
        (
            lambda: zoo.create("depth_cnn", input_shape=(61, 61, 1), depth=6),
            ["conv_1", "pool_1", "conv_2", "pool_2"],
        ),
        (stack_of_convolutions, ["dilated", "inner", "normalization", "both", "separable", "pooling"]),
    ],
    ids=["depth_cnn", "stack of convolutions"],
)
def test_receptive_field_equals_the_extent_of_a_change(create, names):
    """Every pixel that a unit in the middle of a map depends on, and no other."""
    model = create()
    rows, columns = model.input_shape[1:3]
    table = zoo.layer_table(model).set_index("layer")
    for name in names:
        body = keras.Model(model.input, keras.Operation.output.fget(model.get_layer(name)))
        seen = np.zeros((rows, columns), bool)
        for seed in range(20):  # each time another unit is the greatest of those that are pooled
            x = tf.Variable(np.random.default_rng(seed).normal(size=(1, rows, columns, 1)).astype("float32"))
            with tf.GradientTape() as tape:
                y = body(x)
                middle = tf.reduce_sum(y[:, y.shape[1] // 2, y.shape[2] // 2])
            seen |= np.abs(tape.gradient(middle, x).numpy()[0, :, :, 0]) > 0
        extent = [np.ptp(np.flatnonzero(seen.any(axis=axis))) + 1 for axis in (1, 0)]
        assert table.loc[name, "receptive_field"] == "{}x{}".format(*extent), name


def test_layers_within_a_nested_model_continue_its_receptive_field():
    table = zoo.layer_table(stack_of_convolutions()).set_index("layer")
    assert table.loc[["inner", "depthwise"], "receptive_field"].tolist() == ["7x7", "7x7"]


@pytest.mark.parametrize(
    "layer", [layers.UpSampling2D(), layers.Conv2DTranspose(2, 3), layers.LayerNormalization((1, 2))]
)
def test_the_receptive_field_of_other_layers_is_not_guessed(layer):
    inputs = keras.Input((8, 8, 1))
    x = layer(layers.Conv2D(2, 3)(inputs))
    table = zoo.layer_table(keras.Model(inputs, layers.Flatten()(x)))
    assert table["receptive_field"].tolist() == ["1x1", "3x3", "", ""]


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


def recurrent():
    inputs = keras.Input((None, 4))
    x, *states = layers.Bidirectional(layers.LSTM(5, return_sequences=True, return_state=True))(inputs)
    return keras.Model(inputs, [x, *states, layers.GRU(3)(x)])


def attention():
    query, value = keras.Input((6, 8), name="query"), keras.Input((None, 8), name="value")
    return keras.Model(
        {"query": query, "value": value},
        layers.MultiHeadAttention(2, 4)(query, value, return_attention_scores=True),
    )


def any_size():
    inputs = keras.Input((None, None, 3))
    x = layers.MaxPooling2D()(layers.Conv2D(4, 3)(inputs))
    return keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))


def shared():
    inputs = [keras.Input((4,)), keras.Input((4,))]
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4), layers.BatchNormalization()])
    once, twice = inner(inputs[0]), inner(inner(inputs[1]))
    return keras.Model(inputs, {"sum": layers.Add()([once, twice]), "scalar": keras.ops.sum(once, axis=-1)})


def frozen():
    base = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(32, 32, 3))
    base.trainable = False
    return keras.Sequential([base, layers.GlobalAveragePooling2D(), layers.Dense(2)])


def ragged():
    inputs = keras.Input((None, 3), ragged=True)
    return keras.Model(inputs, layers.Dense(2)(inputs))


def scalars():
    inputs = keras.Input(())
    return keras.Model(inputs, layers.Dense(2)(layers.Reshape((1,))(inputs)))


class Subclassed(keras.Model):
    """A model with a weight of its own, a nested model, and a layer that is not used."""

    def __init__(self):
        super().__init__()
        self.conv, self.flatten, self.unused = layers.Conv2D(3, 3), layers.Flatten(), layers.LSTM(4)
        self.inner = keras.Sequential([layers.Dense(5), layers.Dropout(0.5)])

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(5,), name="scale")

    def call(self, x):
        return self.scale * self.inner(self.flatten(self.conv(x)))


def subclassed():
    model = Subclassed()
    model(np.zeros((2, 8, 8, 1)))
    return model


@pytest.mark.parametrize(
    "create", [recurrent, attention, any_size, shared, frozen, ragged, scalars, subclassed], ids=lambda f: f.__name__
)
def test_weights_and_shapes_of_any_model_are_those_of_keras(create):
    model = create()
    table = zoo.layer_table(model)
    assert table["parameters"].sum() == model.count_params()
    trainable = sum(np.prod(weight.shape) for weight in model.trainable_weights)
    assert table["trainable"].sum() == trainable
    for layer in model.layers:
        row = table[table["layer"] == layer.name].iloc[0]
        try:
            outputs = keras.tree.flatten(layer.output)
        except AttributeError:  # in a subclassed model
            continue
        sizes = ["x".join(str(size or "?") for size in output.shape[1:]) for output in outputs]
        assert row["output"] == ", ".join(sizes)


def test_layers_of_a_subclassed_model_have_the_shapes_of_its_summary():
    model, lines = subclassed(), []
    model.summary(print_fn=lines.append)
    table = zoo.layer_table(model).set_index("layer")
    outputs = table.loc[[model.conv.name, model.flatten.name, model.inner.name], "output"]
    for output in outputs:
        assert f"(2, {', '.join(output.split('x'))})" in lines[0]
    assert table.loc[model.name, "parameters"] == 5  # of its own
    assert table.loc[model.conv.name, "connections"] == 6 * 6 * 3 * (9 + 1)


def test_connections_are_missing_where_they_are_not_known():
    assert zoo.layer_table(recurrent())["connections"].isna().tolist() == [False, True, True]
    assert zoo.layer_table(any_size())["connections"].isna().tolist() == [False, True, False, False, False]


def test_connections_of_images_with_channels_first():
    inputs = keras.Input((3, 8, 8))
    model = keras.Model(inputs, layers.Conv2D(4, 3, data_format="channels_first")(inputs))
    assert zoo.layer_table(model)["connections"].iloc[-1] == 4 * 6 * 6 * (3 * 9 + 1)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (keras.Sequential([layers.Dense(2)], name="mine"), r"mine must be built; call it with data, or build"),
        (Subclassed(), r"subclassed must be built"),
        (layers.Dense(2), "model must be a Keras model; got Dense"),
        ("lenet5", "model must be a Keras model; got str"),
    ],
)
def test_what_has_no_layers_yet_is_refused(model, message):
    with pytest.raises(InvalidValue, match=message):
        zoo.layer_table(model)
