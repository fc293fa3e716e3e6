"""Autoencoders and denoising autoencoders.

Hinton and Salakhutdinov, Science 313, 2006. Vincent et al., JMLR 11, 2010. deeplearning.net tutorials
«dA» and «SdA».
"""

# Without `from __future__ import annotations`, because the annotations check the options.
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from zoo.models.options import ACTIVATIONS, Activation
from zoo.models.registry import register
from zoo.models.search_space import Choice, Range
from zoo.recipes import Recipe
from zoo.utils.constraints import share

if TYPE_CHECKING:
    import keras

Widths = tuple[int, ...]
Output = Literal["sigmoid", "linear"]
Noise = Literal["masking", "salt_and_pepper", "gaussian"]
Corruption = Annotated[float, share]

MODERN = Recipe(
    name="modern",
    summary="Adam on the cross-entropy between input and output, summed over pixels",
    loss="reconstruction_crossentropy",
    optimizer="adam",
    learning_rate=1e-3,
    batch_size=128,
    epochs=20,
)

TUTORIAL = Recipe(
    name="tutorial",
    summary="SGD on the cross-entropy between input and output, summed over pixels",
    source="deeplearning.net tutorial «Denoising Autoencoders» (dA.py)",
    options={"initializer": "glorot_sigmoid"},
    loss="reconstruction_crossentropy",
    optimizer="sgd",
    learning_rate=0.1,
    batch_size=20,
    epochs=15,
)

SQUARED = replace(
    MODERN,
    name="squared",
    summary="Adam on the squared error, summed over pixels",
    loss="reconstruction_squared_error",
)


HIDDEN = Choice(((100,), (250,), (500,), (500, 250)))
TIED = Choice((True, False))


@register(
    recipes=(MODERN, TUTORIAL, SQUARED),
    source="Hinton and Salakhutdinov 2006; Vincent et al. 2010",
    search_space={"hidden": HIDDEN, "activation": ACTIVATIONS, "tied": TIED},
)
def autoencoder(
    *,
    input_shape: tuple[int, ...] = (28, 28, 1),
    hidden: Widths = (500,),
    activation: Activation = "sigmoid",
    code_activation: Activation | None = None,
    output_activation: Output = "sigmoid",
    tied: bool = True,
    initializer: Literal["glorot", "glorot_sigmoid"] = "glorot",
) -> "keras.Model":
    """An autoencoder, which reconstructs its input from a code.

    Args:
        input_shape: Shape of one example.
        hidden: Number of units of each encoder layer, from the input to the code. The decoder mirrors them.
        activation: Activation function of the hidden units.
        code_activation: Activation function of the code, `"linear"` in Hinton and Salakhutdinov, or None for that of
            the hidden units.
        output_activation: Activation function of the output: `"sigmoid"` for inputs in [0, 1], `"linear"` for any.
        tied: Whether the decoder uses the transposed weights of the encoder.
        initializer: Initializer of the weights: `"glorot"` (uniform), or `"glorot_sigmoid"` with an interval four times
            as wide.

    Returns:
        An uncompiled model: `(batch, *input_shape)` to the same shape. Its layer `code` returns the codes.

    Raises:
        InvalidValue: An option has the wrong type or is out of range.
        UnknownName: Unknown option.

    >>> autoencoder(hidden=(128, 2)).get_layer("code").units
    2
    """
    return _autoencoder(
        "autoencoder", input_shape, hidden, activation, code_activation, output_activation, tied, initializer
    )


@register(
    recipes=(MODERN, replace(TUTORIAL, options={"corruption": 0.3, "initializer": "glorot_sigmoid"}), SQUARED),
    source="Vincent et al. 2008, 2010",
    search_space={
        "hidden": HIDDEN,
        "noise": Choice(("masking", "salt_and_pepper", "gaussian")),
        "corruption": Range(0.0, 0.5),
        "activation": ACTIVATIONS,
        "tied": TIED,
    },
)
def denoising_autoencoder(
    *,
    input_shape: tuple[int, ...] = (28, 28, 1),
    hidden: Widths = (500,),
    noise: Noise = "masking",
    corruption: Corruption = 0.25,
    activation: Activation = "sigmoid",
    code_activation: Activation | None = None,
    output_activation: Output = "sigmoid",
    tied: bool = True,
    initializer: Literal["glorot", "glorot_sigmoid"] = "glorot",
) -> "keras.Model":
    """An autoencoder that reconstructs the clean input from a corrupted one.

    Args:
        input_shape: Shape of one example.
        hidden: Number of units of each encoder layer, from the input to the code. The decoder mirrors them.
        noise: Kind of corruption: `"masking"` sets inputs to 0, `"salt_and_pepper"` to 0 or 1, `"gaussian"` adds noise.
        corruption: Fraction of the inputs that is set, or the standard deviation of Gaussian noise.
        activation: Activation function of the hidden units.
        code_activation: Activation function of the code, or None for that of the hidden units.
        output_activation: Activation function of the output: `"sigmoid"` for inputs in [0, 1], `"linear"` for any.
        tied: Whether the decoder uses the transposed weights of the encoder.
        initializer: Initializer of the weights, as in `autoencoder`.

    Returns:
        An uncompiled model: `(batch, *input_shape)` to the same shape. Inputs are corrupted during training
        only.

    Raises:
        InvalidValue: An option has the wrong type or is out of range.
        UnknownName: Unknown option.

    >>> denoising_autoencoder(corruption=0.4).get_layer("corruption").level
    0.4
    """
    return _autoencoder(
        "denoising_autoencoder",
        input_shape,
        hidden,
        activation,
        code_activation,
        output_activation,
        tied,
        initializer,
        (noise, corruption),
    )


def _autoencoder(
    name: str,
    input_shape: tuple[int, ...],
    hidden: tuple[int, ...],
    activation: str,
    code_activation: str | None,
    output_activation: str,
    tied: bool,
    initializer: str,
    noise: tuple[Noise, float] | None = None,
) -> "keras.Model":
    import keras
    from keras import layers

    from zoo.layers import Corruption, TiedDense

    def initial_weights() -> Any:
        return keras.initializers.VarianceScaling(
            16.0 if initializer == "glorot_sigmoid" else 1.0, "fan_avg", "uniform"
        )

    inputs = outputs = keras.Input(input_shape, name="input")
    outputs = layers.Flatten(name="flatten")(outputs)
    pixels = outputs.shape[-1]
    if noise:
        outputs = Corruption(*noise, name="corruption")(outputs)
    encoder: list[layers.Dense] = []
    for number, units in enumerate(hidden, start=1):
        is_code = number == len(hidden)
        act = code_activation if is_code and code_activation else activation
        encoder.append(
            layers.Dense(
                units, act, kernel_initializer=initial_weights(), name="code" if is_code else f"encoder_{number}"
            )
        )
        outputs = encoder[-1](outputs)
    widths = [pixels, *hidden[:-1]]
    for number in range(len(hidden), 0, -1):
        act = output_activation if number == 1 else activation
        decoder_name = "output" if number == 1 else f"decoder_{number - 1}"
        if tied:
            outputs = TiedDense(encoder[number - 1], act, name=decoder_name)(outputs)
        else:
            outputs = layers.Dense(widths[number - 1], act, kernel_initializer=initial_weights(), name=decoder_name)(
                outputs
            )
    outputs = layers.Reshape(input_shape, name="reshape")(outputs)
    return keras.Model(inputs, outputs, name=name)
