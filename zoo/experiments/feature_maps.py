"""What does a convolutional net look for, what does it see, and how few weights does it need for that?"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pandas as pd

from zoo import datasets
from zoo.datasets.transforms import framed
from zoo.experiments.feature_maps_plots import plot_filters, plot_maps, plot_weights
from zoo.experiments.result import Result
from zoo.loop.evaluating import evaluate
from zoo.loop.fit import fit
from zoo.models.catalogue import card, create
from zoo.models.layer_table import layer_table
from zoo.recipes.compiling import compile_model
from zoo.utils.constraints import Count, check

if TYPE_CHECKING:
    from zoo.datasets import Dataset

LAYERS = ("C1", "S2", "C3", "S4")
# The lecture's letters: 16x16 pixels, a hidden layer of 100, 26 classes.
LETTERS: dict[str, Any] = {"input_shape": (16, 16, 1), "classes": 26}


def run(dataset: str = "mnist", *, epochs: int = 5, seed: int = 0, progress: bool = True) -> Result:
    """Runs the experiment.

    Args:
        dataset: A data set of grey images. They are framed to 32x32, small ones enlarged before.
        epochs: Epochs that the modern LeNet-5 is trained for.
        seed: Decides every draw. Keras' global seed is set.
        progress: Whether to show how far it is, on standard error.

    Returns:
        The summary has, layer by layer, the weights and connections of the lecture's plain net for letters and of
        convolutional ones. Table `test` has the trained net's accuracy; figures `filters` (what each map of C1 looks
        for), `maps` (what the maps of each layer make of one digit of each of three classes), and `weights`.

    Raises:
        InvalidValue: A number out of range, or a data set of no grey images.
        UnknownName: No such data set.
        DataError: The data cannot be had.
    """
    epochs = check("epochs", epochs, Count)
    data = framed(datasets.load(dataset), 32)
    model = trained(data, epochs=epochs, seed=seed, progress=progress)
    accuracy = evaluate(model, data.test.x, data.test.y)["accuracy"]
    rows = [int(np.flatnonzero(data.test.y == label)[0]) for label in range(min(3, data.classes))]
    images = data.test.x[rows]
    weights = weight_counts()
    return Result(
        "feature-maps",
        {"dataset": dataset, "digest": data.digest, "epochs": epochs, "seed": seed},
        weights,
        {"test": pd.DataFrame({"model": ["lenet5_relu"], "accuracy": [accuracy]})},
        {
            "filters": plot_filters(
                filters(model), f"lenet5_relu on {data.name}, test accuracy {100 * accuracy:.2f} %"
            ),
            "maps": plot_maps(images, maps(model, images), data.name),
            "weights": plot_weights(weights),
        },
    )


def trained(data: Dataset, *, epochs: int, seed: int, progress: bool) -> keras.Model:
    """Trains the modern LeNet-5 by its recipe, for so many epochs."""
    keras.utils.set_random_seed(seed)
    recipe = replace(card("lenet5_relu").recipe(), epochs=epochs)
    model = create("lenet5_relu", input_shape=data.input_shape, classes=data.classes)
    compile_model(model, recipe, steps_per_epoch=math.ceil(len(data.train) / recipe.batch_size))
    verbose = 2 if progress else 0
    fit(model, data.train.x, data.train.y, batch_size=recipe.batch_size, epochs=epochs, seed=seed, verbose=verbose)  # type: ignore[arg-type]
    return model


def filters(model: keras.Model) -> np.ndarray:
    """Returns the kernels of the first layer of maps, `(maps, rows, columns)`."""
    return np.moveaxis(np.asarray(model.get_layer("C1").kernel)[:, :, 0], -1, 0)


def maps(model: keras.Model, images: np.ndarray) -> dict[str, np.ndarray]:
    """Returns what each layer makes of images, by its name: `(images, rows, columns, maps)`."""
    body = keras.Model(model.input, [model.get_layer(name).output for name in LAYERS])
    return dict(zip(LAYERS, (np.asarray(each) for each in body(images)), strict=True))


def weight_counts() -> pd.DataFrame:
    """Returns weights and connections of a plain net and of convolutional ones, a row a layer that has any.

    The lecture's plain net for letters of 16x16 has 25,700 + 2,626 weights. LeNet-5 has, in a larger image, a hundred
    times the connections and twice the weights.
    """
    nets = {
        "plain, 16x16 to 26 letters": create("shallow_mlp", hidden=100, **LETTERS),
        "LeNet-5, 32x32 to 10 digits": create("lenet5"),
        "modern LeNet-5, 32x32 to 10 digits": create("lenet5_relu"),
    }
    tables = []
    for name, model in nets.items():
        table = layer_table(model)[["layer", "output", "trainable", "connections"]]
        tables.append(table[table["connections"] > 0].assign(net=name))
    together = pd.concat(tables, ignore_index=True).rename(columns={"trainable": "weights"})
    return together[["net", "layer", "output", "weights", "connections"]]
