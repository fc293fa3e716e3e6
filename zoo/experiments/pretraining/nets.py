"""Deep sigmoid networks whose hidden layers start from random weights, or from training without labels.

The recipes are those of `stacked_autoencoder` and `dbn`, without their stage for the output layer alone: networks then
differ in nothing but the hidden layers' initial weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import keras
import numpy as np
import pandas as pd

from zoo.experiments.result import track_cases
from zoo.loop.evaluating import evaluate
from zoo.models.catalogue import create
from zoo.models.families.pretrained import RBM_LAYERS, SDAE
from zoo.pretraining import encode, hidden_layers, stages
from zoo.recipes import Recipe
from zoo.training.in_memory import compile_model, fit_by_recipe

if TYPE_CHECKING:
    from zoo.datasets import Dataset, Split

# How the hidden layers start, by name: None is Glorot's random weights.
STARTS: Mapping[str, Recipe | None] = {"random": None, "autoencoders": SDAE.pretraining, "rbms": RBM_LAYERS}

# A learning rate that decays to 0 would make trainings of different lengths incomparable.
FINE_TUNING = replace(SDAE, learning_rate=0.1, learning_rate_decay="none")


@dataclass(frozen=True)
class Nets:
    """The networks of one seed and start, by depth.

    Args:
        data: Data set.
        width: Number of units in each hidden layer.
        seed: Random seed.
        start: Name of the start.
        pretrained: Deepest network, pre-trained; its lower layers are those of a shallower one with the same seed.
    """

    data: Dataset
    width: int
    seed: int
    start: str
    pretrained: keras.Model

    def create(self, depth: int) -> keras.Model:
        """Returns a compiled network of a depth, ready for the training with labels."""
        net = sigmoid_net(self.data, depth=depth, width=self.width, seed=self.seed)
        if STARTS[self.start]:
            start_from(net, self.pretrained)
        compile_model(net, FINE_TUNING)
        return net


def pretrain_nets(
    data: Dataset, *, depth: int, width: int, seeds: int, epochs: int, description: str, progress: bool
) -> Iterator[Nets]:
    """Yields networks of every seed and start, their hidden layers pre-trained.

    Args:
        data: Data set.
        depth: Number of hidden layers of the deepest network.
        width: Number of units in each.
        seeds: Number of seeds.
        epochs: Number of epochs of each layer's pre-training.
        description: Description of the progress bar.
        progress: Whether to show the progress on standard error.
    """
    cases = [(seed, start) for seed in range(seeds) for start in STARTS]
    for seed, start in track_cases(cases, description, progress=progress):
        deepest = sigmoid_net(data, depth=depth, width=width, seed=seed)
        if recipe := STARTS[start]:
            pretrain(deepest, recipe, data.train.x, epochs=epochs, seed=seed)
        yield Nets(data, width, seed, start, deepest)


def sigmoid_net(data: Dataset, *, depth: int, width: int, seed: int) -> keras.Model:
    """Returns a network for a data set with random weights, the same ones for the same seed.

    Args:
        data: Data set.
        depth: Number of hidden layers.
        width: Number of units in each.
        seed: Random seed of the weights. Keras' global seed is set.
    """
    keras.utils.set_random_seed(seed)
    return create("stacked_autoencoder", input_shape=data.input_shape, classes=data.classes, depth=depth, width=width)


def pretrain(net: keras.Model, recipe: Recipe, x: np.ndarray, *, epochs: int, seed: int) -> None:
    """Trains the hidden layers one by one, without labels.

    The training of a layer depends on those below it alone: the lower layers of a deep network are those of a shallower
    one with the same seed.

    Args:
        net: Network.
        recipe: Recipe for each layer.
        x: All inputs, `(examples, ...)`.
        epochs: Number of epochs for each layer.
        seed: Random seed. Keras' global seed is set.
    """
    recipe = replace(recipe, epochs=epochs)
    codes = x.reshape(len(x), -1)
    for number, stage in enumerate(stages(net, recipe), start=1):
        stage_seed = (seed + 7919 * number) % 2**32
        keras.utils.set_random_seed(stage_seed)
        learner = stage.make_learner()
        fit_by_recipe(learner, recipe, codes, seed=stage_seed)
        stage.hand_over(learner)
        codes = encode(stage.layer, codes)


def start_from(net: keras.Model, pretrained: keras.Model) -> None:
    """Gives a network the hidden layers of one that is as deep, or deeper."""
    for layer, trained in zip(hidden_layers(net), hidden_layers(pretrained), strict=False):
        layer.set_weights(trained.get_weights())


def fine_tune(net: keras.Model, train: Split, *, epochs: int, seed: int) -> None:
    """Trains all layers with labels: SGD with a learning rate of 0.1 and batches of 20, as in Vincent et al. 2010.

    Args:
        net: Compiled network.
        train: Labelled examples.
        epochs: Number of epochs.
        seed: Random seed of the order of the examples.
    """
    fit_by_recipe(net, FINE_TUNING, train.x, train.y, epochs=epochs, seed=seed)


def evaluate_accuracy(net: keras.Model, data: Dataset) -> float:
    """Returns the share of test examples that a network classifies correctly."""
    return evaluate(net, data.test.x, data.test.y)["accuracy"]


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
