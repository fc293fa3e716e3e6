"""Greedy layer-wise pre-training: each layer is trained without labels on the clean codes of the layer below.

Hinton, Osindero and Teh, Neural Computation 18, 2006. Bengio et al., NIPS 19, 2007. Vincent et al., JMLR 11, 2010.

Each stage trains a small Keras model, a learner, on codes that are computed once, and hands its weights over:

    classifier = zoo.create("stacked_autoencoder")
    for stage in stages(classifier, recipe.pretraining):
        learner = stage.make_learner()
        zoo.training.compile_model(learner, stage.recipe)
        zoo.training.fit(learner, codes, codes)
        stage.hand_over(learner)
        codes = encode(stage.layer, codes)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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
        recipe: Recipe of the learner.
        hand_over: Function that copies the weights of a trained learner to the layer.
        with_labels: Whether one-hot labels are appended to the inputs of the learner. Defaults to False.
    """

    name: str
    layer: keras.layers.Layer
    make_learner: Callable[[], keras.Model]
    recipe: Recipe
    hand_over: Callable[[keras.Model], None]
    with_labels: bool = False


def stages(model: keras.Model, recipe: Recipe) -> list[Stage]:
    """Returns a stage for each hidden layer, from the lowest to the highest.

    Args:
        model: A classifier with dense hidden layers, or a `DeepBeliefNetwork`.
        recipe: Recipe of the learners, which are RBMs if its loss is contrastive divergence and denoising autoencoders
            otherwise. Its options are those of the learners; a tuple has one value per layer. With
            `visible="gaussian"`, the lowest RBM has Gaussian visible units and a learning rate of at most 0.001, as
            Hinton's guide recommends; the others have Bernoulli units for the codes.

    Raises:
        InvalidValue: The model has no dense hidden layers, an option has too few values, or a `DeepBeliefNetwork` is to
            have Gaussian visible units.

    >>> import zoo
    >>> model = zoo.create("dbn", depth=2, width=50)
    >>> learners = [stage.make_learner() for stage in stages(model, zoo.card("dbn").recipe().pretraining)]
    >>> [tuple(learner.rbm.kernel.shape) for learner in learners]
    [(784, 50), (50, 50)]
    """
    if isinstance(model, DeepBeliefNetwork):
        return _dbn_stages(model, recipe)
    layers = hidden_layers(model)
    create = _rbm_stage if recipe.objective.learner == "rbm" else _autoencoder_stage
    return [create(*pair) for pair in zip(layers, _recipes_by_layer(recipe, len(layers)), strict=True)]


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
    recipe: Recipe,
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

    options = {"input_shape": (visible,), "hidden": hidden, **recipe.options}
    return Stage(name or layer.name, layer, lambda: card("rbm").build(**options), recipe, hand_over)


def _dbn_stages(model: DeepBeliefNetwork, recipe: Recipe) -> list[Stage]:
    *lower, top_recipe = _recipes_by_layer(recipe, len(model.recognition) + 1)
    if lower[0].options.get("visible", "bernoulli") != "bernoulli":
        raise InvalidValue(f"visible must be 'bernoulli': {model.name} generates values in [0, 1]; got 'gaussian'.")
    layers = zip(model.recognition, model.generation, lower, strict=True)
    stages = [
        _rbm_stage(up, of_layer, name=f"rbm_{number}", generation=down)
        for number, (up, down, of_layer) in enumerate(layers, start=1)
    ]
    visible, hidden = model.top.kernel.shape
    options = {"input_shape": (visible,), "hidden": hidden, **top_recipe.options}
    top = Stage(
        "top",
        model.top,
        lambda: card("rbm").build(labels=model.classes, **options),
        top_recipe,
        lambda learner: model.top.set_weights(learner.rbm.get_weights()),
        with_labels=True,
    )
    return [*stages, top]


def _autoencoder_stage(layer: keras.layers.Dense, recipe: Recipe) -> Stage:
    visible, hidden = layer.kernel.shape

    def hand_over(learner: keras.Model) -> None:
        code = learner.get_layer("code")
        layer.kernel.assign(code.kernel)
        layer.bias.assign(code.bias)

    shape = {"input_shape": (visible,), "hidden": (hidden,), "activation": layer.activation.__name__}
    options = {**shape, **recipe.options}
    return Stage(layer.name, layer, lambda: card("denoising_autoencoder").build(**options), recipe, hand_over)


def _recipes_by_layer(recipe: Recipe, layers: int) -> list[Recipe]:
    """Returns a recipe for each layer: a tuple among the options has a value per layer; the codes are Bernoulli."""
    for name, value in recipe.options.items():
        if isinstance(value, (tuple, list)) and len(value) < layers:
            raise InvalidValue(f"{name} must have a value for each of {layers} hidden layers; got {value!r}.")
    recipes = []
    for number in range(layers):
        options = {
            name: value[number] if isinstance(value, (tuple, list)) else value for name, value in recipe.options.items()
        }
        rate = recipe.learning_rate
        if options.get("visible") == "gaussian":
            if number:
                options["visible"] = "bernoulli"
            else:
                rate = min(rate, card("rbm").recipe("gaussian").learning_rate)
        recipes.append(recipe.change(options=options, learning_rate=rate))
    return recipes
