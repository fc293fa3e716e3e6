"""Deep sigmoid nets whose hidden layers start at random, or where training without labels has left them.

The recipes are those of `stacked_autoencoder` and `dbn`, without their stage for the output layer alone:
nets then differ in nothing but the hidden layers' initial weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeVar

import keras
import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track

from zoo.loop.evaluating import evaluate
from zoo.loop.fit import fit
from zoo.models.catalogue import create
from zoo.models.families.pretrained import RBM_LAYERS, SDAE
from zoo.pretraining import encode, hidden_layers, stages
from zoo.recipes import Recipe
from zoo.recipes.compiling import compile_model, prepare

if TYPE_CHECKING:
    from zoo.datasets import Dataset, Split

# How the hidden layers start, by name: None is at random, by Glorot's law.
STARTS: Mapping[str, Recipe | None] = {"random": None, "autoencoders": SDAE.pretraining, "rbms": RBM_LAYERS}

# However long the training: a rate that falls to 0 would make nets of other lengths incomparable.
FINE_TUNING = replace(SDAE, learning_rate=0.1, learning_rate_decay="none")

Case = TypeVar("Case")


def sigmoid_net(data: Dataset, *, depth: int, width: int, seed: int) -> keras.Model:
    """Returns a net for a data set, with random weights: the same ones for the same seed.

    Args:
        data: The data set.
        depth: Number of hidden layers.
        width: Units in each.
        seed: Decides the weights. Keras' global seed is set.
    """
    keras.utils.set_random_seed(seed)
    return create("stacked_autoencoder", input_shape=data.input_shape, classes=data.classes, depth=depth, width=width)


def pretrain(net: keras.Model, recipe: Recipe, x: np.ndarray, *, epochs: int, seed: int) -> None:
    """Trains the hidden layers one by one, without labels.

    A layer's training depends on those below it alone: the lower layers of a deep net are those of a
    shallower one with the same seed.

    Args:
        net: The net.
        recipe: How each layer is trained.
        x: All inputs, `(examples, ...)`.
        epochs: Epochs for each layer.
        seed: Decides every draw. Keras' global seed is set.
    """
    recipe = replace(recipe, epochs=epochs)
    codes = x.reshape(len(x), -1)
    for number, stage in enumerate(stages(net, recipe)):
        stage_seed = (seed + 7919 * (number + 1)) % 2**32
        keras.utils.set_random_seed(stage_seed)
        learner = stage.make_learner()
        _fit(learner, recipe, *prepare(recipe, codes, None, classes=0), seed=stage_seed)
        stage.hand_over(learner)
        codes = encode(stage.layer, codes)


def start_from(net: keras.Model, pretrained: keras.Model) -> None:
    """Gives a net the hidden layers of one that is as deep, or deeper."""
    for layer, trained in zip(hidden_layers(net), hidden_layers(pretrained), strict=False):
        layer.set_weights(trained.get_weights())


def compile_net(net: keras.Model) -> None:
    """Compiles a net for training with labels: SGD with a learning rate of 0.1, as in Vincent et al. 2010."""
    compile_model(net, FINE_TUNING, steps_per_epoch=1)  # no momentum or decay that would ask for the steps


def fine_tune(net: keras.Model, train: Split, *, epochs: int, seed: int) -> None:
    """Trains all layers with labels, in mini-batches of 20.

    Args:
        net: The net.
        train: Labelled examples.
        epochs: Epochs.
        seed: Decides the order of the examples.
    """
    _fit(net, replace(FINE_TUNING, epochs=epochs), train.x, train.y, seed=seed)


def tested_accuracy(net: keras.Model, data: Dataset) -> float:
    """Returns the share of test examples that a net classifies rightly."""
    return evaluate(net, data.test.x, data.test.y)["accuracy"]


def compare(accuracies: pd.DataFrame, by: Literal["depth", "labels"]) -> pd.DataFrame:
    """Returns what each start comes to, and what it gains over random weights.

    Args:
        accuracies: Columns `start`, `by`, `seed` and `accuracy`.
        by: What the nets differ in besides.

    Returns:
        Indexed by start and `by`: `accuracy` (%, mean over seeds), `gain` (points) and `spread` (standard
        deviation over seeds, points; NaN for a single one).
    """
    by_kind = accuracies.groupby(["start", by], sort=False)["accuracy"]
    mean = by_kind.mean() * 100
    gain = mean - mean["random"].reindex(mean.index, level=by)
    return pd.DataFrame({"accuracy": mean, "gain": gain, "spread": by_kind.std() * 100}).round(2)


def following(cases: Sequence[Case], what: str, *, progress: bool) -> Iterable[Case]:
    """Yields the cases, and shows on a terminal how many are done."""
    console = Console(stderr=True)
    return track(cases, what, console=console, disable=not (progress and console.is_terminal))


def _fit(model: keras.Model, recipe: Recipe, x: np.ndarray, y: np.ndarray | None, *, seed: int) -> None:
    if not model.compiled:
        compile_model(model, recipe, steps_per_epoch=math.ceil(len(x) / recipe.batch_size))
    fit(model, x, y, batch_size=recipe.batch_size, epochs=recipe.epochs, seed=seed, verbose=0)
