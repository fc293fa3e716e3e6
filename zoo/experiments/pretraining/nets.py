"""Deep sigmoid networks whose hidden layers start from random weights, or from training without labels.

The recipes are those of `stacked_autoencoder` and `dbn`, without their stage for the output layer alone: networks then
differ in nothing but the hidden layers' initial weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import keras
import pandas as pd

from zoo.datasets import Dataset, Split
from zoo.loop.evaluating import evaluate
from zoo.models.catalogue import create
from zoo.models.families.pretrained import RBM_LAYERS, SDAE
from zoo.pretraining import encode, hidden_layers, stages
from zoo.recipes import Recipe
from zoo.training.in_memory import compile_model, fit_by_recipe

# How the hidden layers start, by name: None is Glorot's random weights.
STARTS: Mapping[str, Recipe | None] = {"random": None, "autoencoders": SDAE.pretraining, "rbms": RBM_LAYERS}

# A learning rate that decays to 0 would make trainings of different lengths incomparable.
FINE_TUNING = replace(SDAE, learning_rate=0.1, learning_rate_decay="none")


def sigmoid_net(
    data: Dataset, *, depth: int, width: int, seed: int, pretrained: keras.Model | None = None
) -> keras.Model:
    """Returns a network for a data set, compiled for the training with labels.

    Args:
        data: Data set.
        depth: Number of hidden layers.
        width: Number of units in each.
        seed: Random seed of the weights. Keras' global seed is set.
        pretrained: Network with as many hidden layers or more, whose lowest ones are copied. Defaults to None: random
            weights.
    """
    keras.utils.set_random_seed(seed)
    net = create("stacked_autoencoder", input_shape=data.input_shape, classes=data.classes, depth=depth, width=width)
    if pretrained is not None:
        for layer, trained in zip(hidden_layers(net), hidden_layers(pretrained), strict=False):
            layer.set_weights(trained.get_weights())
    compile_model(net, FINE_TUNING)
    return net


def pretrain_net(data: Dataset, start: str, *, depth: int, width: int, epochs: int, seed: int) -> keras.Model:
    """Returns a network whose hidden layers are trained one by one, without labels.

    The training of a layer depends only on those below it: the lower layers of a deep network are those of a shallower
    one with the same seed.

    Args:
        data: Data set with inputs in [0, 1].
        start: Name of the start in `STARTS`.
        depth: Number of hidden layers.
        width: Number of units in each.
        epochs: Number of epochs for each layer.
        seed: Random seed. Keras' global seed is set.
    """
    net = sigmoid_net(data, depth=depth, width=width, seed=seed)
    recipe = STARTS[start]
    if recipe is None:
        return net
    recipe = replace(recipe, epochs=epochs)
    codes = data.train.x.reshape(len(data.train), -1)
    for number, stage in enumerate(stages(net, recipe), start=1):
        stage_seed = (seed + 7919 * number) % 2**32
        keras.utils.set_random_seed(stage_seed)
        learner = stage.make_learner()
        fit_by_recipe(learner, stage.recipe, codes, seed=stage_seed)
        stage.hand_over(learner)
        codes = encode(stage.layer, codes)
    return net


def fine_tune(net: keras.Model, train: Split, test: Split, *, epochs: int, seed: int) -> float:
    """Trains all layers with labels and returns the test accuracy.

    SGD has a learning rate of 0.1 and batches of 20, as in Vincent et al. 2010.

    Args:
        net: Network of `sigmoid_net`.
        train: Labelled training examples.
        test: Test examples.
        epochs: Number of epochs.
        seed: Random seed of the order of the examples.
    """
    fit_by_recipe(net, FINE_TUNING, train.x, train.y, epochs=epochs, seed=seed)
    return evaluate(net, test.x, test.y)["accuracy"]


def compare(accuracies: pd.DataFrame, by: Literal["depth", "labels"]) -> pd.DataFrame:
    """Compares each start with random weights.

    Args:
        accuracies: Columns `start`, `by`, `seed` and `accuracy`.
        by: What else the networks differ in.

    Returns:
        Indexed by start and `by`: `accuracy` (%, mean over seeds), `gain` (points) and `spread` (standard deviation
        over seeds, points; NaN for a single one).
    """
    by_kind = accuracies.groupby(["start", by], sort=False)["accuracy"]
    mean = by_kind.mean() * 100
    gain = mean - mean["random"].reindex(mean.index, level=by)
    return pd.DataFrame({"accuracy": mean, "gain": gain, "spread": by_kind.std() * 100}).round(2)
