"""The greedy pipeline: train a layer without labels, freeze it, feed its clean codes to the next.

Hinton, Osindero and Teh, Neural Computation 18, 2006. Bengio et al., NIPS 19, 2007. Vincent et al.,
JMLR 11, 2010.

Every stage is a Keras model of its own, on the codes of the layers below, which are computed once: no
mini-batch goes through them again. By hand:

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
    """One layer's training.

    Args:
        name: The layer's name.
        layer: The layer of the classifier that is trained; called, it encodes.
        make_learner: Makes what is trained in its place, a model from `(batch, width of the layer below)`
            that needs no labels.
        hand_over: Puts what a learner has learnt into the layer.
        with_labels: Whether the learner sees the labels, one-hot, behind its inputs.
    """

    name: str
    layer: keras.layers.Layer
    make_learner: Callable[[], keras.Model]
    hand_over: Callable[[keras.Model], None]
    with_labels: bool = False


def stages(model: keras.Model, recipe: Recipe) -> list[Stage]:
    """Returns a stage for each hidden layer, from the lowest up.

    Args:
        model: A classifier of dense hidden layers, or a `DeepBeliefNetwork`.
        recipe: How each layer is trained. Its loss tells what a learner is: an RBM for contrastive
            divergence, a denoising auto-encoder for a reconstruction. Its options are that model's; a
            tuple has a value for each layer.

    Raises:
        InvalidValue: The model has no dense hidden layers, or an option has too few values.

    >>> import zoo
    >>> model = zoo.create("dbn", depth=2, width=50)
    >>> learners = [stage.make_learner() for stage in stages(model, zoo.card("dbn").recipe().pretraining)]
    >>> [tuple(learner.rbm.kernel.shape) for learner in learners]
    [(784, 50), (50, 50)]
    """
    if isinstance(model, DeepBeliefNetwork):
        return _of_deep_belief_network(model, recipe.options)
    layers = hidden_layers(model)
    make = _rbm if recipe.objective.learner == "rbm" else _denoising_autoencoder
    return [
        make(layer, {name: _of_layer(name, value, number, len(layers)) for name, value in recipe.options.items()})
        for number, layer in enumerate(layers)
    ]


def output_stage(model: keras.Model) -> keras.Model:
    """Returns the output layer as a model on the codes of the layer below: the rest is frozen by being absent.

    Args:
        model: A classifier of dense layers.

    >>> import zoo
    >>> output_stage(zoo.create("deep_mlp", width=30)).input_shape
    (None, 30)
    """
    output = _dense_layers(model)[-1]
    inputs = keras.Input((output.kernel.shape[0],))
    return keras.Model(inputs, output(inputs), name="classifier")


def hidden_layers(model: keras.Model) -> list[keras.layers.Dense]:
    """Returns the dense layers of a classifier but the last one.

    Raises:
        InvalidValue: There is none.

    >>> import zoo
    >>> [layer.name for layer in hidden_layers(zoo.create("deep_mlp", depth=2))]
    ['hidden_1', 'hidden_2']
    """
    layers = _dense_layers(model)[:-1]
    if not layers:
        raise InvalidValue(f"{model.name} has no hidden dense layer to train without labels.")
    return layers


def encode(layer: keras.layers.Layer, x: np.ndarray, *, batch_size: int = 5000) -> np.ndarray:
    """Returns a layer's clean codes of all examples.

    Args:
        layer: A trained layer.
        x: Its inputs, `(examples, ...)`; flattened for it.
        batch_size: Examples that are computed at a time.

    Returns:
        `(examples, units)`.
    """
    x = x.reshape(len(x), -1)
    return np.concatenate(
        [ops.convert_to_numpy(layer(x[start : start + batch_size])) for start in range(0, len(x), batch_size)]
    )


def _dense_layers(model: keras.Model) -> list[keras.layers.Dense]:
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]


def _rbm(layer: keras.layers.Dense, options: Mapping[str, Any]) -> Stage:
    visible, hidden = layer.kernel.shape

    def hand_over(learner: keras.Model) -> None:
        layer.kernel.assign(learner.rbm.kernel)
        layer.bias.assign(learner.rbm.hidden_bias)

    return Stage(
        layer.name, layer, lambda: card("rbm").build(input_shape=(visible,), hidden=hidden, **options), hand_over
    )


def _of_deep_belief_network(model: DeepBeliefNetwork, options: Mapping[str, Any]) -> list[Stage]:
    def stage(number: int, up: keras.layers.Dense, down: keras.layers.Dense) -> Stage:
        visible, hidden = up.kernel.shape

        def hand_over(learner: keras.Model) -> None:
            rbm = learner.rbm
            up.kernel.assign(rbm.kernel)
            up.bias.assign(rbm.hidden_bias)
            down.kernel.assign(ops.transpose(rbm.kernel))
            down.bias.assign(rbm.visible_bias)

        return Stage(
            f"rbm_{number}",
            up,
            lambda: card("rbm").build(input_shape=(visible,), hidden=hidden, **of_layer(number - 1)),
            hand_over,
        )

    def of_layer(number: int) -> dict[str, Any]:
        count = len(model.recognition) + 1
        return {name: _of_layer(name, value, number, count) for name, value in options.items()}

    visible, hidden = model.top.kernel.shape
    top = Stage(
        "top",
        model.top,
        lambda: card("rbm").build(
            input_shape=(visible,), hidden=hidden, labels=model.classes, **of_layer(len(model.recognition))
        ),
        lambda learner: model.top.set_weights(learner.rbm.get_weights()),
        with_labels=True,
    )
    pairs = zip(model.recognition, model.generation, strict=True)
    return [*(stage(number, up, down) for number, (up, down) in enumerate(pairs, start=1)), top]


def _denoising_autoencoder(layer: keras.layers.Dense, options: Mapping[str, Any]) -> Stage:
    visible, hidden = layer.kernel.shape
    of_layer = {"input_shape": (visible,), "hidden": (hidden,), "activation": layer.activation.__name__}

    def hand_over(learner: keras.Model) -> None:
        code = learner.get_layer("code")
        layer.kernel.assign(code.kernel)
        layer.bias.assign(code.bias)

    return Stage(layer.name, layer, lambda: card("denoising_autoencoder").build(**{**of_layer, **options}), hand_over)


def _of_layer(name: str, value: Any, number: int, layers: int) -> Any:
    if not isinstance(value, (tuple, list)):
        return value
    if len(value) < layers:
        raise InvalidValue(f"{name} must have a value for each of {layers} hidden layers; got {value!r}.")
    return value[number]
