"""Who still reads a digit that is moved by a few pixels?

To a perceptron a moved digit is another input altogether. A convolution finds the same features elsewhere, and a
pooling forgets a little of where: what is left of the place is for the layers above to learn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import keras
import numpy as np
import pandas as pd

from zoo import datasets
from zoo.datasets.transforms import framed, shifted
from zoo.experiments.pretraining.nets import following
from zoo.experiments.result import Result
from zoo.experiments.shift_plots import plot_shifts
from zoo.loop.fit import fit
from zoo.models.catalogue import card, create
from zoo.recipes.compiling import compile_model
from zoo.utils.constraints import Count, between, check

if TYPE_CHECKING:
    from zoo.datasets import Dataset


class Net(NamedTuple):
    """A net that is tried: a model of the zoo, one of its recipes, and options."""

    model: str
    recipe: str
    options: Mapping[str, Any]


NETS: Mapping[str, Net] = {
    "perceptron, 1 hidden layer": Net("shallow_mlp", "modern", {"hidden": 100}),
    "perceptron, 3 hidden layers": Net("deep_mlp", "modern", {"depth": 3, "width": 100}),
    "LeNet-5": Net("lenet5", "adam", {}),
    "LeNet-5, ReLU and max-pooling": Net("lenet5_relu", "modern", {}),
    "LeNet-5, trained on distorted digits": Net("lenet5_relu", "modern", {"distortion": 1.0}),
}
SIDE = 32  # of the images: MNIST's digits, 20x20, can be moved by 6 pixels without being cut
FURTHEST = 6
FEWEST_UPDATES = 2000  # LeNet-5 needs them, on however few digits
DIRECTIONS = tuple((down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if down or right)


def run(
    dataset: str = "mnist",
    *,
    updates: int | None = None,
    seeds: int = 1,
    furthest: int = FURTHEST,
    progress: bool = True,
) -> Result:
    """Runs the experiment.

    Args:
        dataset: A data set of grey images. They are framed to 32x32, small ones enlarged before.
        updates: Updates of each net, rounded up to whole epochs, by its recipe otherwise; None for one to every six
            training images, and 2,000 at least.
        seeds: Nets of each kind.
        furthest: By how many pixels the test digits are moved at most, in each of eight directions (diagonally, by
            so many both ways).
        progress: Whether to show how far it is, on standard error.

    Returns:
        The summary has the test accuracy (%) of each kind of net by pixels, means over the directions and seeds, and
        its number of weights; table `accuracies` a row a net, direction and number of pixels.

    Raises:
        InvalidValue: A number out of range, or a data set of no grey images.
        UnknownName: No such data set.
        DataError: The data cannot be had.
    """
    updates, seeds = check("updates", updates, Count | None), check("seeds", seeds, Count)
    furthest = check("furthest", furthest, Annotated[int, between(0, SIDE // 4)])
    data = framed(datasets.load(dataset), SIDE)
    updates = updates or max(FEWEST_UPDATES, len(data.train) // 6)
    cases = [(kind, seed) for kind in NETS for seed in range(seeds)]
    weights, rows = {}, []
    for kind, seed in following(cases, "nets to be shown moved digits", progress=progress):
        model = trained(NETS[kind], data, updates=updates, seed=seed)
        weights[kind] = sum(math.prod(weight.shape) for weight in model.trainable_weights)
        rows += [{"net": kind, "seed": seed, **row} for row in accuracies(model, data, furthest)]
    table = pd.DataFrame(rows)
    means = 100 * table.groupby(["net", "pixels"])["accuracy"].mean().unstack().loc[list(NETS)]
    summary = means.round(2).reset_index()
    summary.columns = ["net", *(f"{pixels}_px" for pixels in means.columns)]
    summary.insert(1, "weights", summary["net"].map(weights))
    return Result(
        "shift",
        {"dataset": dataset, "digest": data.digest, "updates": updates, "seeds": seeds, "furthest": furthest},
        summary,
        {"accuracies": table},
        {"accuracies": plot_shifts(table, data, [shifted(data.test.x[:1], n, n)[0] for n in range(furthest + 1)])},
    )


def trained(net: Net, data: Dataset, *, updates: int, seed: int) -> keras.Model:
    """Trains a net on digits that stand where they stand.

    Args:
        net: The net.
        data: The data set.
        updates: Updates, rounded up to whole epochs.
        seed: Decides every draw. Keras' global seed is set.
    """
    keras.utils.set_random_seed(seed)
    recipe = card(net.model).recipe(net.recipe)
    steps = math.ceil(len(data.train) / recipe.batch_size)
    recipe = replace(recipe, epochs=math.ceil(updates / steps))
    model = create(net.model, input_shape=data.input_shape, classes=data.classes, **net.options)
    compile_model(model, recipe, steps_per_epoch=steps)
    # Plainly: to measure what XLA makes of convolutions takes longer than it saves.
    fit(
        model,
        data.train.x,
        data.train.y,
        batch_size=recipe.batch_size,
        epochs=recipe.epochs,
        seed=seed,
        jit_compile=False,
        verbose=0,
    )
    return model


def accuracies(model: keras.Model, data: Dataset, furthest: int) -> list[dict[str, Any]]:
    """Returns the accuracy on the test set, moved: `pixels`, `down`, `right` (each -1, 0 or 1 times so many)."""
    found = []
    for pixels in range(furthest + 1):
        directions = DIRECTIONS if pixels else ((0, 0),)
        moved = np.concatenate([shifted(data.test.x, pixels * down, pixels * right) for down, right in directions])
        scores = model.predict(moved, batch_size=1000, verbose=0).reshape(len(directions), len(data.test), -1)
        for (down, right), correct in zip(directions, scores.argmax(axis=-1) == data.test.y, strict=True):
            found.append({"pixels": pixels, "down": down, "right": right, "accuracy": float(correct.mean())})
    return found
