"""Greedy layer-wise pre-training: each layer is trained without labels on the clean codes of the layer below.

Hinton, Osindero and Teh, Neural Computation 18, 2006. Bengio et al., NIPS 19, 2007. Vincent et al., JMLR 11, 2010.

Each stage trains a small Keras model, a learner, on codes that are computed once, and hands its weights over:

    classifier = zoo.create("stacked_autoencoder")
    for stage in stages(classifier, recipe.pretraining):
        learner = stage.make_learner()
        learner.compile(...)
        zoo.training.fit(learner, codes, codes)
        stage.hand_over(learner)
        codes = encode(stage.layer, codes)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.errors import InvalidValue
from zoo.models.catalogue import card
from zoo.models.deep_belief_network import DeepBeliefNetwork
from zoo.recipes import Recipe


@dataclass(frozen=True, eq=False)
class Stage:
    """The pre-training of one layer.

    Args:
        name: Name of the stage.
        layer: Layer of the classifier; calling it encodes.
        make_learner: Function that creates the model to train in place of the layer, on inputs of shape
            `(batch, width of the layer below)`. It needs no labels.
        hand_over: Function that copies the weights of a trained learner to the layer.
        with_labels: Whether one-hot labels are appended to the inputs of the learner. Defaults to False.
    """

    name: str
    layer: keras.layers.Layer
    make_learner: Callable[[], keras.Model]
    hand_over: Callable[[keras.Model], None]
    with_labels: bool = False


def stages(model: keras.Model, recipe: Recipe) -> list[Stage]:
    """Returns a stage for each hidden layer, from the lowest to the highest.

    Args:
        model: A classifier with dense hidden layers, or a `DeepBeliefNetwork`.
        recipe: Recipe of the learners, which are RBMs if its loss is contrastive divergence and denoising autoencoders
            otherwise. Its options are those of the learners; a tuple has one value per layer.

    Raises:
        InvalidValue: The model has no dense hidden layers, or an option has too few values.

    >>> import zoo
    >>> model = zoo.create("dbn", depth=2, width=50)
    >>> learners = [stage.make_learner() for stage in stages(model, zoo.card("dbn").recipe().pretraining)]
    >>> [tuple(learner.rbm.kernel.shape) for learner in learners]
    [(784, 50), (50, 50)]
    """
    if isinstance(model, DeepBeliefNetwork):
        return _dbn_stages(model, recipe.options)
    layers = hidden_layers(model)
    create = _rbm_stage if recipe.objective.learner == "rbm" else _autoencoder_stage
    return [create(layer, _select(recipe.options, number, len(layers))) for number, layer in enumerate(layers)]


def output_stage(model: keras.Model) -> keras.Model:
    """Returns a model of the output layer alone, whose inputs are the codes of the last hidden layer.

    Args:
        model: A classifier with dense layers.

    >>> import zoo
    >>> output_stage(zoo.create("deep_mlp", width=30)).input_shape
    (None, 30)
    """
    output = _dense_layers(model)[-1]
    inputs = keras.Input((output.kernel.shape[0],))
    return keras.Model(inputs, output(inputs), name="classifier")


def hidden_layers(model: keras.Model) -> list[keras.layers.Dense]:
    """Returns all dense layers of a classifier except the last.

    Raises:
        InvalidValue: The model has no hidden dense layer.

    >>> import zoo
    >>> [layer.name for layer in hidden_layers(zoo.create("deep_mlp", depth=2))]
    ['hidden_1', 'hidden_2']
    """
    layers = _dense_layers(model)[:-1]
    if not layers:
        raise InvalidValue(f"Pre-training requires a hidden dense layer; {model.name} has none.")
    return layers


def encode(layer: keras.layers.Layer, x: np.ndarray, *, batch_size: int = 5000) -> np.ndarray:
    """Returns the codes of a layer for all examples, without corruption.

    Args:
        layer: A trained layer.
        x: Inputs, `(examples, ...)`, which are flattened.
        batch_size: Number of examples per computation. Defaults to 5000.

    Returns:
        `(examples, units)`.
    """
    x = x.reshape(len(x), -1)
    return np.concatenate(
        [ops.convert_to_numpy(layer(x[start : start + batch_size])) for start in range(0, len(x), batch_size)]
    )


def _dense_layers(model: keras.Model) -> list[keras.layers.Dense]:
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]


def _rbm_stage(
    layer: keras.layers.Dense,
    options: Mapping[str, Any],
    *,
    name: str | None = None,
    generation: keras.layers.Dense | None = None,
) -> Stage:
    """Returns a stage that trains a layer as an RBM, and a layer in the opposite direction if there is one."""
    visible, hidden = layer.kernel.shape

    def hand_over(learner: keras.Model) -> None:
        rbm = learner.rbm
        layer.kernel.assign(rbm.kernel)
        layer.bias.assign(rbm.hidden_bias)
        if generation is not None:
            generation.kernel.assign(ops.transpose(rbm.kernel))
            generation.bias.assign(rbm.visible_bias)

    options = {"input_shape": (visible,), "hidden": hidden, **options}
    return Stage(name or layer.name, layer, lambda: card("rbm").build(**options), hand_over)


def _dbn_stages(model: DeepBeliefNetwork, options: Mapping[str, Any]) -> list[Stage]:
    layers = len(model.recognition) + 1
    lower = [
        _rbm_stage(up, _select(options, number, layers), name=f"rbm_{number + 1}", generation=down)
        for number, (up, down) in enumerate(zip(model.recognition, model.generation, strict=True))
    ]
    visible, hidden = model.top.kernel.shape
    options = {"input_shape": (visible,), "hidden": hidden, **_select(options, layers - 1, layers)}
    top = Stage(
        "top",
        model.top,
        lambda: card("rbm").build(labels=model.classes, **options),
        lambda learner: model.top.set_weights(learner.rbm.get_weights()),
        with_labels=True,
    )
    return [*lower, top]


def _autoencoder_stage(layer: keras.layers.Dense, options: Mapping[str, Any]) -> Stage:
    visible, hidden = layer.kernel.shape

    def hand_over(learner: keras.Model) -> None:
        code = learner.get_layer("code")
        layer.kernel.assign(code.kernel)
        layer.bias.assign(code.bias)

    options = {"input_shape": (visible,), "hidden": (hidden,), "activation": layer.activation.__name__, **options}
    return Stage(layer.name, layer, lambda: card("denoising_autoencoder").build(**options), hand_over)


def _select(options: Mapping[str, Any], number: int, layers: int) -> dict[str, Any]:
    """Returns the options of one layer: of a tuple, the value of this layer."""
    for name, value in options.items():
        if isinstance(value, (tuple, list)) and len(value) < layers:
            raise InvalidValue(f"{name} must have a value for each of {layers} hidden layers; got {value!r}.")
    return {name: value[number] if isinstance(value, (tuple, list)) else value for name, value in options.items()}
