"""Classifiers whose layers are pre-trained one after another without labels.

Vincent et al., JMLR 11, 2010 (stacked denoising autoencoders). Hinton and Salakhutdinov, Science 313,
2006; Hinton, Osindero and Teh, Neural Computation 18, 2006 (deep belief networks).
"""

# Without `from __future__ import annotations`, because the annotations check the options.
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from zoo.models.families.mlp import deep_mlp
from zoo.models.families.rbm import HINTON as RBM
from zoo.models.options import ACTIVATIONS, Activation, Classes, Units
from zoo.models.registry import register
from zoo.models.search_space import Choice, Range
from zoo.recipes import Recipe
from zoo.utils.constraints import at_least

if TYPE_CHECKING:
    import keras

CLASSIFIER = Recipe(
    name="classifier",
    summary="The output layer alone",
    loss="sparse_categorical_crossentropy",
    optimizer="adam",
    learning_rate=2e-3,
    batch_size=20,
    epochs=3,
)

SDAE = Recipe(
    name="vincent",
    summary="Each layer as a denoising autoencoder with a quarter of its inputs masked, then all with labels",
    source="Vincent et al. 2010, Table 3 (SDAE-3)",
    loss="sparse_categorical_crossentropy",
    optimizer="sgd",
    learning_rate=0.5,
    learning_rate_decay="linear",
    batch_size=20,
    epochs=25,
    classifier=CLASSIFIER,
    pretraining=Recipe(
        name="denoising_autoencoder",
        summary="Cross-entropy between the clean input and its reconstruction from the corrupted one",
        options={"noise": "masking", "corruption": 0.25, "initializer": "glorot_sigmoid"},
        loss="reconstruction_crossentropy",
        optimizer="sgd",
        learning_rate=0.1,
        batch_size=20,
        epochs=15,
    ),
)

RBM_LAYERS = replace(RBM, name="rbm", source="", learning_rate=0.02, batch_size=20, epochs=15)

DBN = Recipe(
    name="hinton",
    summary="Each layer as an RBM by CD-1, then all with labels",
    source="Hinton and Salakhutdinov 2006 (mnistclassify.m)",
    loss="sparse_categorical_crossentropy",
    optimizer="sgd",
    learning_rate=0.4,
    learning_rate_decay="linear",
    batch_size=20,
    epochs=25,
    classifier=CLASSIFIER,
    pretraining=RBM_LAYERS,
)

STANDARDIZED = replace(
    DBN,
    name="gaussian",
    summary="As hinton, for standardized columns: the lowest RBM has Gaussian visible units",
    source="Hinton 2010, section 13.2",
    pretraining=replace(RBM_LAYERS, options={**RBM_LAYERS.options, "visible": "gaussian"}, batch_size=10, epochs=100),
)

UP_DOWN = Recipe(
    name="hinton",
    summary="Each layer as an RBM, the top one with the labels, then up-down on all, with CD-10 at the top",
    source="Hinton, Osindero and Teh 2006",
    options={"k": 10},
    loss="up_down",
    optimizer="sgd",
    learning_rate=0.1,
    learning_rate_decay="linear",
    batch_size=100,
    epochs=40,
    pretraining=RBM_LAYERS,
)


DEPTH_AND_WIDTH = {"depth": Range(1, 4), "width": Range(100, 1000, log=True)}


@register(
    recipes=(SDAE,),
    source="Bengio et al. 2007; Vincent et al. 2010",
    search_space={**DEPTH_AND_WIDTH, "activation": ACTIVATIONS},
)
def stacked_autoencoder(
    *,
    input_shape: tuple[int, ...] = (28, 28, 1),
    classes: Classes = 10,
    depth: Annotated[int, at_least(1)] = 3,
    width: Units = 1000,
    activation: Activation = "sigmoid",
) -> "keras.Model":
    """A deep perceptron whose hidden layers are pre-trained as denoising autoencoders.

    The model itself is an ordinary perceptron; `zoo train` and `zoo.pretraining` run the stages.

    Args:
        input_shape: Shape of one example, which is flattened.
        classes: Number of classes.
        depth: Number of hidden layers.
        width: Number of units per hidden layer.
        activation: Activation function of the hidden units.

    Returns:
        An uncompiled model: `(batch, *input_shape)` to `(batch, classes)`.

    Raises:
        InvalidValue: An option has the wrong type or is out of range.
        UnknownName: Unknown option.

    >>> stacked_autoencoder(depth=2, width=100).count_params()
    89610
    """
    return _classifier("stacked_autoencoder", input_shape, classes, depth, width, activation)


@register(
    recipes=(DBN, STANDARDIZED),
    source="Hinton, Osindero and Teh 2006; Hinton and Salakhutdinov 2006",
    search_space=DEPTH_AND_WIDTH,
)
def dbn(
    *,
    input_shape: tuple[int, ...] = (28, 28, 1),
    classes: Classes = 10,
    depth: Annotated[int, at_least(1)] = 3,
    width: Units = 1000,
) -> "keras.Model":
    """A deep belief network as a classifier, whose hidden layers are pre-trained as RBMs.

    The model itself is a perceptron with sigmoid units; `zoo train` and `zoo.pretraining` run the stages.
    `generative_dbn` is the model that also generates examples.

    Args:
        input_shape: Shape of one example, which is flattened.
        classes: Number of classes.
        depth: Number of hidden layers.
        width: Number of units per hidden layer.

    Returns:
        An uncompiled model: `(batch, *input_shape)` to `(batch, classes)`.

    Raises:
        InvalidValue: An option has the wrong type or is out of range.
        UnknownName: Unknown option.

    >>> [layer.name for layer in dbn(depth=2).layers]
    ['input', 'flatten', 'hidden_1', 'hidden_2', 'output']
    """
    return _classifier("dbn", input_shape, classes, depth, width, "sigmoid")


@register(
    recipes=(UP_DOWN,),
    source="Hinton, Osindero and Teh 2006",
    search_space={
        "hidden": Choice(((100, 100), (250, 250), (500, 500))),
        "top": Range(200, 2000, log=True),
        "k": Choice((1, 2, 5, 10)),
    },
)
def generative_dbn(
    *,
    input_shape: tuple[int, ...] = (28, 28, 1),
    classes: Classes = 10,
    hidden: tuple[int, ...] = (500, 500),
    top: Units = 2000,
    k: Annotated[int, at_least(1)] = 1,
) -> "keras.Model":
    """A deep belief network that classifies by label units and generates examples of a class.

    Args:
        input_shape: Shape of one example with values in [0, 1], which is flattened.
        classes: Number of classes.
        hidden: Number of units of each directed layer, from the input upwards.
        top: Number of hidden units of the top RBM, whose visible units include the labels.
        k: Number of Gibbs steps in the top RBM per update.

    Returns:
        An uncompiled `DeepBeliefNetwork`: `(batch, *input_shape)` to `(batch, classes)`.

    Raises:
        InvalidValue: An option has the wrong type or is out of range.
        UnknownName: Unknown option.

    >>> tuple(generative_dbn().top.kernel.shape)
    (510, 2000)
    """
    from zoo.models.deep_belief_network import DeepBeliefNetwork

    return DeepBeliefNetwork(
        input_shape=input_shape, classes=classes, hidden=hidden, top=top, k=k, name="generative_dbn"
    )


def _classifier(
    name: str, input_shape: tuple[int, ...], classes: int, depth: int, width: int, activation: str
) -> "keras.Model":
    model = deep_mlp(
        input_shape=input_shape, classes=classes, depth=depth, width=width, activation=activation, initializer="glorot"
    )
    model.name = name
    return model
