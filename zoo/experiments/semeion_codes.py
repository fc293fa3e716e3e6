"""What do two numbers keep of a digit? The codes of an auto-encoder, beside two principal components.

The lecture's auto-encoder of SEMEION, deeper: Hinton and Salakhutdinov, «Reducing the dimensionality of data
with neural networks», Science 313, 2006, figure 3, draw the same comparison for MNIST.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import replace
from typing import NamedTuple

import keras
import numpy as np
import pandas as pd

from zoo import datasets
from zoo.experiments.result import Result
from zoo.experiments.semeion_codes_plots import plot_codes
from zoo.loop.fit import fit
from zoo.models.catalogue import create
from zoo.models.families.autoencoder import SQUARED
from zoo.recipes.compiling import compile_model, prepare
from zoo.training.progress_bar import ProgressBar
from zoo.utils.constraints import Count, Seed, check

RECIPE = replace(SQUARED, batch_size=32)
NEIGHBOURS = 9


class Codes(NamedTuple):
    """What a method makes of examples.

    Args:
        codes: `(examples, 2)`.
        reconstructions: `(examples, pixels)`.
    """

    codes: np.ndarray
    reconstructions: np.ndarray


def run(
    dataset: str = "semeion",
    *,
    hidden: tuple[int, ...] = (256, 64),
    updates: int = 8000,
    seed: int = 0,
    progress: bool = True,
) -> Result:
    """Runs the experiment.

    Args:
        dataset: A data set with inputs in [0, 1].
        hidden: Units of the encoder's layers below the code; the decoder mirrors them.
        updates: Updates of the auto-encoder, rounded up to whole epochs.
        seed: Decides its initial weights, its noise and the order of the examples.
        progress: Whether to show how far it is, on standard error.

    Returns:
        The table `codes`, a row a test example and method, and its figure. Both methods learn from the
        training examples alone, without labels. The summary has each one's squared error, summed over the
        pixels, on both sets, and how many test examples the majority of the 9 nearest training examples
        in the plane gets right; and the same with all pixels for codes.

    Raises:
        InvalidValue: A number out of range.
        UnknownName: No such data set.
        DataError: The data cannot be had.
    """
    hidden = check("hidden", hidden, tuple[int, ...])
    updates, seed = check("updates", updates, Count), check("seed", seed, Seed)
    data = datasets.load(dataset)
    train, test = (split.x.reshape(len(split), -1) for split in (data.train, data.test))
    methods = {
        "two principal components": principal_components(train, test),
        "auto-encoder, two units": autoencoder(
            train, test, hidden=hidden, updates=updates, seed=seed, progress=progress
        ),
    }
    pixels = (Codes(train, train), Codes(test, test))
    codes = pd.concat(
        [
            pd.DataFrame({"method": name, "digit": data.test.y, "x": found.codes[:, 0], "y": found.codes[:, 1]})
            for name, (_, found) in methods.items()
        ],
        ignore_index=True,
    )
    summary = pd.DataFrame(
        [
            {
                "codes": name,
                "train_error": squared_error(train, of_train),
                "test_error": squared_error(test, of_test),
                "nearest_neighbours": 100 * neighbours_accuracy(of_train, data.train.y, of_test, data.test.y),
            }
            for name, (of_train, of_test) in {**methods, f"all {train.shape[1]} pixels": pixels}.items()
        ]
    ).round(2)
    return Result(
        "semeion-codes",
        {"dataset": dataset, "digest": data.digest, "hidden": hidden, "updates": updates, "seed": seed},
        summary,
        {"codes": codes},
        {"codes": plot_codes(codes, summary, data.source.class_names, data.name)},
    )


def principal_components(train: np.ndarray, test: np.ndarray) -> tuple[Codes, Codes]:
    """Returns what the first two principal components of the training examples make of both sets."""
    from sklearn.decomposition import PCA

    components = PCA(2, svd_solver="full").fit(train)

    def of(x: np.ndarray) -> Codes:
        codes = components.transform(x)
        return Codes(codes, components.inverse_transform(codes))

    return of(train), of(test)


def autoencoder(
    train: np.ndarray, test: np.ndarray, *, hidden: tuple[int, ...], updates: int, seed: int, progress: bool = False
) -> tuple[Codes, Codes]:
    """Trains a denoising auto-encoder with two linear code units and returns what it makes of both sets.

    The noise is for so few examples: without it, the net soon learns them by heart.

    Args:
        train: Examples to learn from, `(examples, pixels)`.
        test: Others.
        hidden: Units of the encoder's layers below the code.
        updates: Updates, rounded up to whole epochs.
        seed: Decides every draw. Keras' global seed is set.
        progress: Whether to show how far it is.
    """
    keras.utils.set_random_seed(seed)
    model = create(
        "denoising_autoencoder",
        input_shape=train.shape[1:],
        hidden=(*hidden, 2),
        activation="tanh",
        code_activation="linear",
    )
    steps = math.ceil(len(train) / RECIPE.batch_size)
    epochs = math.ceil(updates / steps)
    compile_model(model, RECIPE, steps_per_epoch=steps)
    with contextlib.ExitStack() as stack:
        bar = ProgressBar(epochs=epochs, steps_per_epoch=steps, label="auto-encoder") if progress else None
        fit(
            model,
            *prepare(RECIPE, train, None, classes=0),
            batch_size=RECIPE.batch_size,
            epochs=epochs,
            seed=seed,
            callbacks=[stack.enter_context(bar)] if bar else None,
            verbose=0,
        )
    both = keras.Model(model.input, [model.get_layer("code").output, model.output])
    of_train, of_test = (Codes(*both.predict(x, batch_size=1000, verbose=0)) for x in (train, test))
    return of_train, of_test


def squared_error(x: np.ndarray, found: Codes) -> float:
    """Returns the squared error of the reconstructions, summed over the pixels, mean over the examples."""
    return float(np.square(x - found.reconstructions).sum(axis=1).mean())


def neighbours_accuracy(of_train: Codes, y_train: np.ndarray, of_test: Codes, y_test: np.ndarray) -> float:
    """Returns the share of test examples whose nearest training examples have mostly their label."""
    from sklearn.neighbors import KNeighborsClassifier

    return float(KNeighborsClassifier(NEIGHBOURS).fit(of_train.codes, y_train).score(of_test.codes, y_test))
