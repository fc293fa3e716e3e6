import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from zoo.errors import InvalidValue


def hidden_layers(model):
    return [layer.name for layer in model.layers if layer.name.startswith(("conv_", "dense_"))]


@given(
    depth=st.integers(3, 11),
    kind=st.sampled_from(["convolutional", "fully_connected"]),
    parameters=st.integers(20_000, 200_000),
    longest=st.integers(1, 6),
)
@settings(max_examples=10, deadline=None)
def test_depth_and_number_of_parameters_are_as_requested(depth, kind, parameters, longest):
    model = zoo.create("depth_cnn", depth=depth, kind=kind, parameters=parameters, longest=longest)
    assert len(hidden_layers(model)) == depth
    dense = [layer for layer in model.layers if layer.name.startswith("dense_")]
    # Half of the weights that come into and go out of one unit of a dense layer.
    following = [layer.units for layer in dense[1:]] + [longest + longest * 11]
    half = max((layer.kernel.shape[0] + 1 + after) / 2 for layer, after in zip(dense, following, strict=True))
    assert abs(model.count_params() - parameters) <= half


def test_convolutions_have_equal_maps_and_two_dense_layers_follow():
    model = zoo.create("depth_cnn", depth=9)
    assert hidden_layers(model) == [*(f"conv_{n}" for n in range(1, 8)), "dense_8", "dense_9"]
    assert len({model.get_layer(f"conv_{n}").filters for n in range(1, 8)}) == 1
    assert hidden_layers(zoo.create("depth_cnn", kind="fully_connected", depth=3)) == ["dense_1", "dense_2", "dense_3"]


@pytest.mark.parametrize(("halvings", "strides"), [(4, [2, 1, 2, 1, 2, 1, 2, 1]), (2, [2, 1, 2, 1, 1, 1, 1, 1])])
def test_poolings_have_strides_of_2_and_1_in_turn(halvings, strides):
    model = zoo.create("depth_cnn", depth=11, halvings=halvings)
    assert [model.get_layer(f"pool_{n}").strides[0] for n in range(1, 9)] == strides
    assert "pool_9" not in [layer.name for layer in model.layers]


@pytest.mark.parametrize(("longest", "classes"), [(3, 6), (5, 4)])
def test_output_has_the_probabilities_of_length_and_digits(longest, classes):
    keras.utils.set_random_seed(0)
    model = zoo.create("depth_cnn", longest=longest, classes=classes, parameters=20_000)
    y = model.predict(np.random.default_rng(0).uniform(size=(4, *model.input_shape[1:])), verbose=0)
    assert y.shape == (4, 1 + longest, max(longest, classes))
    np.testing.assert_allclose(y.sum(axis=-1), 1, rtol=1e-5)
    assert (y[:, 0, longest:] == 0).all()
    assert (y[:, 1:, classes:] == 0).all()
    assert (y[:, 0, :longest] > 0).all()
    assert (y[:, 1:, :classes] > 0).all()


def test_dropout_follows_every_hidden_layer():
    rates = [layer.rate for layer in zoo.create("depth_cnn", keep_probability=0.8).layers if hasattr(layer, "rate")]
    assert rates == [0.2] * 5
    assert not any(hasattr(layer, "rate") for layer in zoo.create("depth_cnn").layers)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"kernel_size": 4}, "kernel_size must be an integer >= 1 and odd; got 4"),
        ({"depth": 12}, "depth must be an integer from 3 to 11; got 12"),
        ({"parameters": 100}, "depth_cnn: parameters must be at least \\d+ with these options; got 100"),
        (
            {"input_shape": (8, 8, 1), "depth": 11},
            "images must have at least 9x9 pixels for depth=11, which halves them 4 times; got 8x8",
        ),
        ({"input_shape": (16,)}, r"input_shape must be \(rows, columns, channels\) .*; got \(16,\)"),
    ],
)
def test_impossible_options_raise(options, sentence):
    with pytest.raises(InvalidValue, match=sentence):
        zoo.create("depth_cnn", **options)
