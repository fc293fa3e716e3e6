"""The restricted Boltzmann machine as a model, with the recipes of Hinton and of the tutorials.

Hinton, «A practical guide to training RBMs», UTML TR 2010-003. Hinton and Salakhutdinov, Science 313,
2006 (rbm.m). Tieleman, ICML 2008 (persistent chains). deeplearning.net tutorial «RBM».
"""

# Without `from __future__ import annotations`, because the annotations check the options.
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from zoo.errors import InvalidValue
from zoo.models.options import Penalty, Units
from zoo.models.registry import register
from zoo.models.search_space import Choice, Range
from zoo.recipes import Recipe
from zoo.utils.constraints import at_least, non_negative, open_probability

if TYPE_CHECKING:
    import keras

HINTON = Recipe(
    name="hinton",
    summary="CD-1, momentum 0.5, later 0.9, weight cost 0.0002",
    source="Hinton 2010; Hinton and Salakhutdinov 2006 (rbm.m)",
    options={"weight_cost": 2e-4},
    loss="contrastive_divergence",
    optimizer="sgd",
    learning_rate=0.1,
    momentum={1: 0.5, 6: 0.9},
    batch_size=100,
    epochs=20,
)

TUTORIAL = Recipe(
    name="tutorial",
    summary="Persistent contrastive divergence, 15 steps, 20 chains",
    source="deeplearning.net tutorial «Restricted Boltzmann Machines» (rbm.py)",
    options={
        "persistent": True,
        "k": 15,
        "chains": 20,
        "initializer": "glorot_sigmoid",
        "biases_from_data": False,
    },
    loss="contrastive_divergence",
    optimizer="sgd",
    learning_rate=0.1,
    batch_size=20,
    epochs=15,
)

DENSITY = Recipe(
    name="density",
    summary="Persistent contrastive divergence on sampled pixels, with a linearly decaying learning rate",
    source="Tieleman 2008; Salakhutdinov and Murray 2008",
    options={"persistent": True, "k": 5, "chains": 100, "sample_data": True},
    loss="contrastive_divergence",
    optimizer="sgd",
    learning_rate=0.05,
    learning_rate_decay="linear",
    batch_size=100,
    epochs=60,
)

GAUSSIAN = replace(
    HINTON,
    name="gaussian",
    summary="CD-1 with Gaussian visible units for standardized columns, at a hundredth of the learning rate",
    source="Hinton 2010, section 13.2",
    options={"visible": "gaussian", "weight_cost": 2e-4},
    learning_rate=0.001,
    batch_size=20,
    epochs=50,
)


def _check(options: Mapping[str, Any]) -> None:
    if options["labels"] and options["visible"] == "gaussian":
        raise InvalidValue("rbm: labels must be 0 with visible='gaussian'; got {labels}.".format(**options))


@register(
    recipes=(HINTON, TUTORIAL, DENSITY, GAUSSIAN),
    source="Smolensky 1986; Hinton 2002, 2010",
    search_space={
        "hidden": Range(50, 1000, log=True),
        "k": Choice((1, 2, 5, 10, 15)),
        "persistent": Choice((False, True)),
        "chains": Choice((20, 50, 100, 200), when={"persistent": True}),
        "weight_cost": Range(1e-5, 1e-2, log=True),
        "sparsity_target": Choice((None, 0.01, 0.05, 0.1)),
    },
    check=_check,
)
def rbm(
    *,
    input_shape: tuple[int, ...] = (28, 28, 1),
    hidden: Units = 500,
    visible: Literal["bernoulli", "gaussian"] = "bernoulli",
    labels: Annotated[int, non_negative] = 0,
    k: Annotated[int, at_least(1)] = 1,
    persistent: bool = False,
    chains: Annotated[int, at_least(1)] = 100,
    sample_visible: bool = False,
    sample_data: bool = False,
    weight_cost: Penalty = 0.0,
    sparsity_target: Annotated[float, open_probability] | None = None,
    sparsity_cost: Annotated[float, non_negative] = 0.1,
    initializer: Literal["hinton", "glorot_sigmoid"] = "hinton",
    biases_from_data: bool = True,
) -> "keras.Model":
    """A restricted Boltzmann machine, trained by contrastive divergence.

    `fit(x)` needs no targets and, without `compile`, uses the settings of Hinton's guide. A call returns P(h = 1 | v).
    The layer `rbm` samples, reconstructs and estimates likelihoods.

    Args:
        input_shape: Shape of one example, which is flattened.
        hidden: Number of hidden units.
        visible: Kind of visible units: `"bernoulli"` for data in [0, 1], or `"gaussian"` with unit variance for
            standardized data, with a learning rate of about 0.001 (recipe `gaussian`).
        labels: Number of visible units, the last ones, that form a group in which exactly one unit is on.
        k: Number of Gibbs steps per update.
        persistent: Whether chains continue from one update to the next.
        chains: Number of persistent chains.
        sample_visible: Whether to sample the visible units, too. Persistent chains always do.
        sample_data: Whether to treat data between 0 and 1 as probabilities and sample them at each update.
        weight_cost: Factor of half the sum of squared weights that is added to the loss.
        sparsity_target: Target of the mean activity of the hidden units (0.01 to 0.1 is usual), or None.
        sparsity_cost: Factor of the cross-entropy between the target and the mean activity.
        initializer: Initializer of the weights: `"hinton"`, N(0, 0.01^2), or `"glorot_sigmoid"`, uniform within
            +-4 sqrt(6 / (visible + hidden)).
        biases_from_data: Whether to initialize the visible biases with the log-odds of the data.

    Returns:
        An uncompiled `BoltzmannMachine`: `(batch, *input_shape)` to `(batch, hidden)`.

    Raises:
        InvalidValue: An option has the wrong type or is out of range.
        UnknownName: Unknown option.

    >>> rbm(hidden=500).count_params()
    393284
    """
    from keras import initializers, regularizers

    from zoo.layers import RBM
    from zoo.models.boltzmann_machine import BoltzmannMachine

    layer = RBM(
        hidden,
        visible=visible,
        labels=labels,
        kernel_initializer={
            "hinton": initializers.RandomNormal(stddev=0.01),
            "glorot_sigmoid": initializers.VarianceScaling(16.0, "fan_avg", "uniform"),
        }[initializer],
        kernel_regularizer=regularizers.L2(weight_cost / 2) if weight_cost else None,
        name="rbm",
    )
    return BoltzmannMachine(
        layer,
        input_shape=input_shape,
        k=k,
        persistent=persistent,
        chains=chains,
        sample_visible=sample_visible,
        sample_data=sample_data,
        biases_from_data=biases_from_data,
        sparsity_target=sparsity_target,
        sparsity_cost=sparsity_cost,
        name="rbm",
    )
