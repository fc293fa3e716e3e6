"""Multi-layer perceptrons with one hidden layer, with several, and with dropout.

Nielsen, «Neural Networks and Deep Learning», 2015, chapters 3 and 5 (networks and protocol).
Srivastava et al., «Dropout», JMLR 15, 2014. Hinton et al., arXiv:1207.0580, 2012.
"""

# Without `from __future__ import annotations`, because the annotations check the options.
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from zoo.models.options import ACTIVATIONS, Activation, Classes, KeepProbability, Penalty, Units
from zoo.models.registry import register
from zoo.models.search_space import Choice, Range, SearchSpace
from zoo.recipes import Recipe
from zoo.utils.constraints import positive

if TYPE_CHECKING:
    import keras

Initializer = Literal["he", "glorot", "nielsen"]
OutputActivation = Literal["softmax", "sigmoid"]

MODERN = Recipe(
    name="modern",
    summary="Adam on the softmax cross-entropy",
    loss="sparse_categorical_crossentropy",
    optimizer="adam",
    learning_rate=2e-3,
    batch_size=32,
    epochs=30,
)

NIELSEN = Recipe(
    name="nielsen",
    summary="SGD on the summed binary cross-entropy of sigmoid outputs, N(0,1)/sqrt(n) weights",
    source="Nielsen 2015, chapter 5 (network2.py)",
    options={"activation": "sigmoid", "output_activation": "sigmoid", "initializer": "nielsen"},
    loss="summed_binary_crossentropy",
    optimizer="sgd",
    learning_rate=0.1,
    batch_size=10,
    epochs=30,
    weight_penalty=5.0,
    input_scale=255 / 256,
)

TUTORIAL = Recipe(
    name="tutorial",
    summary="SGD on the softmax cross-entropy, 500 tanh units, a weight penalty",
    source="deeplearning.net tutorials, mlp.py",
    options={"hidden": 500, "activation": "tanh", "initializer": "glorot"},
    loss="sparse_categorical_crossentropy",
    optimizer="sgd",
    learning_rate=0.01,
    batch_size=20,
    epochs=1000,
    weight_penalty=10.0,  # 0.0001 times the sum of squares, not halved, with a mean over 50,000 examples
)


INITIALIZERS = Choice(("he", "glorot"))
DEEP_SPACE: SearchSpace = {
    "depth": Range(1, 6),
    "width": Range(16, 256, log=True),
    "activation": ACTIVATIONS,
    "initializer": INITIALIZERS,
}


@register(
    recipes=(replace(MODERN, options={"hidden": 200}), NIELSEN, TUTORIAL),
    source="Nielsen 2015, chapters 1-3",
    search_space={"hidden": Range(16, 1000, log=True), "activation": ACTIVATIONS, "initializer": INITIALIZERS},
)
def shallow_mlp(
    *,
    input_shape: tuple[int, ...] = (28, 28, 1),
    classes: Classes = 10,
    hidden: Units = 30,
    activation: Activation = "relu",
    output_activation: OutputActivation = "softmax",
    initializer: Initializer = "he",
    l2: Penalty = 0.0,
) -> "keras.Model":
    """A perceptron with one hidden layer.

    With enough hidden units, it approximates any continuous function (Hornik, 1991).

    Args:
        input_shape: Shape of one example, which is flattened.
        classes: Number of classes.
        hidden: Number of hidden units.
        activation: Activation function of the hidden units.
        output_activation: Activation function of the output units.
        initializer: Initializer of the weights, as in `deep_mlp`.
        l2: Factor of the sum of squared weights that is added to the loss, without biases.

    Returns:
        An uncompiled model: `(batch, *input_shape)` to `(batch, classes)`.

    Raises:
        InvalidValue: An option has the wrong type or is out of range.
        UnknownName: Unknown option.

    >>> shallow_mlp(hidden=30).count_params()
    23860
    """
    return _mlp("shallow_mlp", input_shape, [hidden], classes, activation, output_activation, initializer, l2=l2)


@register(recipes=(MODERN, NIELSEN), source="Nielsen 2015, chapter 5", search_space=DEEP_SPACE)
def deep_mlp(
    *,
    input_shape: tuple[int, ...] = (28, 28, 1),
    classes: Classes = 10,
    depth: Units = 4,
    width: Units = 30,
    activation: Activation = "relu",
    output_activation: OutputActivation = "softmax",
    initializer: Initializer = "he",
    l2: Penalty = 0.0,
) -> "keras.Model":
    """A perceptron with several hidden layers of equal width.

    With sigmoid units, the gradient becomes about five times smaller with each layer that it is propagated back
    through; with ReLU units, it does not.

    Args:
        input_shape: Shape of one example, which is flattened.
        classes: Number of classes.
        depth: Number of hidden layers.
        width: Number of units per hidden layer.
        activation: Activation function of the hidden units.
        output_activation: Activation function of the output units.
        initializer: Initializer of the weights: `"he"` (normal, variance 2 / fan-in) or `"glorot"` (uniform, variance
            2 / (fan-in + fan-out)), both with biases of 0; or `"nielsen"`, weights N(0, 1) / sqrt(fan-in) and biases
            N(0, 1).
        l2: Factor of the sum of squared weights that is added to the loss, without biases.

    Returns:
        An uncompiled model: `(batch, *input_shape)` to `(batch, classes)`.

    Raises:
        InvalidValue: An option has the wrong type or is out of range.
        UnknownName: Unknown option.

    >>> [layer.name for layer in deep_mlp(depth=2).layers]
    ['input', 'flatten', 'hidden_1', 'hidden_2', 'output']
    """
    return _mlp("deep_mlp", input_shape, [width] * depth, classes, activation, output_activation, initializer, l2=l2)


@register(
    recipes=(replace(MODERN, learning_rate=1e-3, batch_size=128),),
    source="Srivastava et al. 2014; Hinton et al. 2012",
    search_space={
        **DEEP_SPACE,
        "width": Range(100, 1600, log=True),
        "keep_probability": Range(0.3, 1.0),
        "input_keep_probability": Range(0.6, 1.0),
        "max_norm": Choice((None, 2.0, 3.0, 4.0)),
    },
)
def dropout_mlp(
    *,
    input_shape: tuple[int, ...] = (28, 28, 1),
    classes: Classes = 10,
    depth: Units = 2,
    width: Units = 800,
    activation: Activation = "relu",
    keep_probability: KeepProbability = 0.5,
    input_keep_probability: KeepProbability = 0.8,
    max_norm: Annotated[float, positive] | None = None,
    initializer: Initializer = "he",
    l2: Penalty = 0.0,
) -> "keras.Model":
    """A deep perceptron with dropout: units are dropped at random during training.

    In the lecture, a unit is kept with probability p during training, and its outgoing weights are multiplied by p at
    test time. Keras divides by p during training instead, which gives the same expectation.

    Args:
        input_shape: Shape of one example, which is flattened.
        classes: Number of classes.
        depth: Number of hidden layers.
        width: Number of units per hidden layer.
        activation: Activation function of the hidden units.
        keep_probability: Probability of keeping a hidden unit; 1 means no dropout.
        input_keep_probability: Probability of keeping an input; 1 means no dropout.
        max_norm: Maximum L2 norm of the incoming weights of a unit (3 to 4 is usual), or None for no limit.
        initializer: Initializer of the weights, as in `deep_mlp`.
        l2: Factor of the sum of squared weights that is added to the loss, without biases.

    Returns:
        An uncompiled model: `(batch, *input_shape)` to `(batch, classes)`.

    Raises:
        InvalidValue: An option has the wrong type or is out of range.
        UnknownName: Unknown option.

    >>> dropout_mlp(keep_probability=0.6).get_layer("dropout_1").rate
    0.4
    """
    return _mlp(
        "dropout_mlp",
        input_shape,
        [width] * depth,
        classes,
        activation,
        "softmax",
        initializer,
        l2=l2,
        keep=keep_probability,
        input_keep=input_keep_probability,
        max_norm=max_norm,
    )


def _mlp(
    name: str,
    input_shape: tuple[int, ...],
    widths: list[int],
    classes: int,
    activation: str,
    output_activation: str,
    initializer: str,
    *,
    l2: float,
    keep: float = 1.0,
    input_keep: float = 1.0,
    max_norm: float | None = None,
) -> "keras.Model":
    import keras
    from keras import layers

    def dense(units: int, activation: str, name: str, constraint: Any = None) -> layers.Dense:
        kernel, bias = _initializers(initializer)
        return layers.Dense(
            units,
            activation,
            kernel_initializer=kernel,
            bias_initializer=bias,
            kernel_regularizer=keras.regularizers.L2(l2) if l2 else None,
            kernel_constraint=constraint,
            name=name,
        )

    def dropout(keep: float, name: str) -> list[layers.Layer]:
        return [layers.Dropout(round(1 - keep, 12), name=name)] if keep < 1 else []

    stack: list[layers.Layer] = [layers.Flatten(name="flatten"), *dropout(input_keep, "dropout_input")]
    for number, units in enumerate(widths, start=1):
        constraint = keras.constraints.MaxNorm(max_norm, axis=0) if max_norm else None
        stack += [dense(units, activation, f"hidden_{number}", constraint), *dropout(keep, f"dropout_{number}")]
    stack.append(dense(classes, output_activation, "output"))

    inputs = outputs = keras.Input(input_shape, name="input")
    for layer in stack:
        outputs = layer(outputs)
    return keras.Model(inputs, outputs, name=name)


def _initializers(name: str) -> tuple[Any, Any]:
    from keras import initializers

    return {
        "he": ("he_normal", "zeros"),
        "glorot": ("glorot_uniform", "zeros"),
        "nielsen": (
            initializers.VarianceScaling(1.0, "fan_in", "untruncated_normal"),
            initializers.RandomNormal(0.0, 1.0),
        ),
    }[name]
