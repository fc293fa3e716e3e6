"""What is dropout good for where examples are few, and what do the scaled weights stand for?

In training each unit is kept with probability p; in test all are used, their outgoing weights multiplied by p
(Keras divides by p in training instead). This one net stands for all the thinned nets that there are: with
one hidden layer it is their geometric mean, exactly; with more, it predicts about as well as the average of
many. Srivastava et al., «Dropout», JMLR 15, 2014. Hinton et al., arXiv:1207.0580, 2012.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import product
from typing import TYPE_CHECKING, Annotated, Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from zoo import datasets
from zoo.experiments.dropout.figures import plot_averages, plot_curves
from zoo.experiments.pretraining.nets import following
from zoo.experiments.result import Result
from zoo.loop.evaluating import compile_evaluation
from zoo.loop.fit import fit
from zoo.loop.steps import make_variables
from zoo.models.catalogue import card, create
from zoo.recipes.compiling import compile_model
from zoo.utils.constraints import Count, check, check_all, open_probability, probability

if TYPE_CHECKING:
    from zoo.datasets import Dataset, Split

MEASURED = 25  # moments of a training at which its loss and accuracy are measured
AVERAGED = (1, 2, 5, 10, 20, 50, 100)  # thinned nets in an average
SMALL = {1: 10, 2: 5}  # by depth, the width of nets whose thinned nets can be enumerated: 2^10 each
COMPARED = 500  # test examples on which that is done


def run(
    dataset: str = "mnist",
    *,
    labels: int = 1000,
    depth: int = 2,
    width: int = 800,
    keep_probability: float = 0.5,
    input_keep_probability: float = 0.8,
    updates: int = 1000,
    seeds: int = 3,
    thinned: int = 200,
    progress: bool = True,
) -> Result:
    """Runs the experiment.

    Args:
        dataset: A data set.
        labels: Training examples; all, where the data set has fewer.
        depth: Number of hidden layers.
        width: Units in each.
        keep_probability: Probability that dropout keeps a hidden unit.
        input_keep_probability: Probability that it keeps an input.
        updates: Updates of each net, rounded up to whole epochs.
        seeds: Nets with dropout, and as many without. A seed has the same examples in both.
        thinned: Thinned nets that are drawn of each net with dropout, anew for each example. Averages of
            as many nets have none in common.
        progress: Whether to show how far it is, on standard error.

    Returns:
        The summary has the accuracy (%) and the loss of each kind of net in the end, on the training and
        on the test examples, means over the seeds; `spread` is the standard deviation of the test
        accuracy over the seeds (NaN for a single one). Tables `curves`, over the training, and `averages`,
        a row an average of thinned nets, with their figures; and `all_thinned`, of small nets, how far
        the outputs with all units are from the means of those of all thinned nets.

    Raises:
        InvalidValue: A number out of range, or fewer labels than classes.
        UnknownName: No such data set.
        DataError: The data cannot be had.
    """
    counts = check_all(Count, labels=labels, depth=depth, width=width, updates=updates, seeds=seeds, thinned=thinned)
    keep = {
        "keep_probability": check("keep_probability", keep_probability, Annotated[float, open_probability]),
        "input_keep_probability": check(
            "input_keep_probability", input_keep_probability, Annotated[float, probability]
        ),
    }
    full = datasets.load(dataset)
    counts["labels"] = min(counts["labels"], len(full.train))
    few = [full.with_labels(counts["labels"], seed=seed) for seed in range(seeds)]
    curves, averages = [], []
    for seed, dropout in following(list(product(range(seeds), (False, True))), "dropout", progress=progress):
        data, options = few[seed], keep if dropout else dict.fromkeys(keep, 1.0)
        model, curve = trained(data, {**options, "depth": depth, "width": width}, updates=updates, seed=seed)
        curves.append(curve.assign(dropout=dropout, seed=seed))
        if dropout:
            averages += [
                thinned_averages(model, split, nets=thinned).assign(split=part, seed=seed)
                for part, split in (("train", data.train), ("test", data.test))
            ]
    over_training, of_thinned = (pd.concat(tables, ignore_index=True) for tables in (curves, averages))
    return Result(
        "dropout",
        {"dataset": dataset, "digest": full.digest, **counts, **keep},
        summarise(over_training, of_thinned),
        {
            "curves": over_training,
            "averages": of_thinned,
            "all_thinned": compare_all(few[0], keep_probability, updates=updates),
        },
        {
            "curves": plot_curves(over_training, full.name, counts["labels"]),
            "averages": plot_averages(of_thinned, over_training, full.name),
        },
    )


def trained(data: Dataset, options: Mapping[str, Any], *, updates: int, seed: int) -> tuple[keras.Model, pd.DataFrame]:
    """Trains a net, and measures it along the way with all its units in use.

    Args:
        data: The data set.
        options: Options of `dropout_mlp`.
        updates: Updates, rounded up to whole epochs.
        seed: Decides every draw. Keras' global seed is set.

    Returns:
        The net, and its curve: columns `update`, `split`, `loss`, `accuracy`.
    """
    keras.utils.set_random_seed(seed)
    recipe = card("dropout_mlp").recipe()
    model = create("dropout_mlp", input_shape=data.input_shape, classes=data.classes, **options)
    steps = math.ceil(len(data.train) / recipe.batch_size)
    epochs = math.ceil(updates / steps)
    compile_model(model, recipe, steps_per_epoch=steps)
    splits = {name: (split.x, split.y) for name, split in (("train", data.train), ("test", data.test))}
    make_variables(model, splits["train"])
    measures = {name: compile_evaluation(model, arrays, 1000) for name, arrays in splits.items()}
    moments = set(np.geomspace(1, epochs, MEASURED).round().astype(int))
    curve: list[dict[str, Any]] = []

    def measure(epoch: int, logs: Any) -> None:
        if epoch + 1 in moments:
            curve.extend({"update": steps * (epoch + 1), "split": name, **each()} for name, each in measures.items())

    watcher = keras.callbacks.LambdaCallback(on_epoch_end=measure)
    fit(model, *splits["train"], batch_size=recipe.batch_size, epochs=epochs, seed=seed, callbacks=[watcher], verbose=0)
    return model, pd.DataFrame(curve)


def thinned_averages(model: keras.Model, split: Split, *, nets: int) -> pd.DataFrame:
    """Averages the outputs of thinned nets that are drawn at random, anew for each example.

    Args:
        model: A net with dropout.
        split: Examples.
        nets: How many are drawn in all.

    Returns:
        A row an average: columns `nets`, how many are in it, `accuracy`, `loss`.
    """
    thin = tf.function(lambda x: model(x, training=True))
    batches = [tf.constant(split.x[start : start + 1000]) for start in range(0, len(split), 1000)]
    sums: dict[int, Any] = {count: 0.0 for count in AVERAGED if count <= nets}
    rows = []
    for drawn in range(1, nets + 1):
        outputs = np.concatenate([thin(batch).numpy() for batch in batches])
        for count in sums:
            sums[count] = sums[count] + outputs
            if drawn % count == 0:
                rows.append({"nets": count, **judged(sums[count] / count, split.y)})
                sums[count] = 0.0
    return pd.DataFrame(rows)


def judged(outputs: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Returns the accuracy and the mean cross-entropy of probabilities, `(examples, classes)`."""
    of_label = np.maximum(outputs[np.arange(len(y)), y], keras.config.epsilon())  # as Keras bounds it
    return {"accuracy": float((outputs.argmax(axis=1) == y).mean()), "loss": float(-np.log(of_label).mean())}


def summarise(curves: pd.DataFrame, averages: pd.DataFrame) -> pd.DataFrame:
    """Returns what each kind of net comes to in the end, means over the seeds, accuracies in %."""
    last = curves[curves["update"] == curves["update"].max()]
    kinds = {"without dropout": last[~last["dropout"]], "with dropout": last[last["dropout"]]}
    for count, rows in averages.groupby("nets"):
        kinds[f"mean of {count} thinned"] = rows
    summary = []
    for kind, rows in kinds.items():
        by_seed = rows.groupby(["split", "seed"])[["accuracy", "loss"]].mean()
        mean = by_seed.groupby("split").mean()
        summary.append(
            {
                "net": kind,
                "train_accuracy": 100 * mean["accuracy"]["train"],
                "test_accuracy": 100 * mean["accuracy"]["test"],
                "spread": 100 * by_seed["accuracy"]["test"].std(),
                "train_loss": mean["loss"]["train"],
                "test_loss": mean["loss"]["test"],
            }
        )
    return pd.DataFrame(summary).round(
        {"train_accuracy": 2, "test_accuracy": 2, "spread": 2, "train_loss": 4, "test_loss": 4}
    )


def compare_all(data: Dataset, keep: float, *, updates: int) -> pd.DataFrame:
    """Compares small nets with the means of all their thinned nets.

    Args:
        data: What they learn from.
        keep: Probability that a hidden unit is kept; inputs always are.
        updates: Updates of each.

    Returns:
        A row for each depth: columns `hidden_layers`, `thinned_nets`, and the largest difference, of the
        probability of any class for any example, from the `geometric_mean` and the `arithmetic_mean`.
    """
    x = data.test.x[:COMPARED]
    rows = []
    for depth, width in SMALL.items():
        options = {"depth": depth, "width": width, "keep_probability": keep, "input_keep_probability": 1.0}
        model, _ = trained(data, options, updates=updates, seed=0)
        outputs, shares = all_thinned(model.get_weights(), x, keep)
        whole = model.predict(x, verbose=0)
        means = {"geometric_mean": geometric_mean(outputs, shares), "arithmetic_mean": np.tensordot(shares, outputs, 1)}
        difference = {name: float(np.abs(whole - mean).max()) for name, mean in means.items()}
        rows.append({"hidden_layers": depth, "thinned_nets": len(shares), **difference})
    return pd.DataFrame(rows)


def all_thinned(weights: list[np.ndarray], x: np.ndarray, keep: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns the outputs of every thinned net, one for each set of hidden units that may be kept.

    Args:
        weights: The weights of a ReLU net trained by Keras: kernels and biases in turn.
        x: Examples.
        keep: Probability that a unit is kept.

    Returns:
        Outputs, `(nets, examples, classes)`, and the probability of each net, `(nets,)`.
    """
    *hidden, (v, c) = zip(weights[::2], weights[1::2], strict=True)
    sizes = [len(b) for _, b in hidden]
    kept = np.array(list(product((0, 1), repeat=sum(sizes))))
    h = x.reshape(1, len(x), -1).astype("float64")
    for (w, b), r in zip(hidden, np.split(kept, np.cumsum(sizes)[:-1], axis=1), strict=True):
        h = r[:, None] / keep * np.maximum(h @ w + b, 0)
    z = np.exp(h @ v + c - (h @ v + c).max(axis=-1, keepdims=True))
    shares = np.where(kept, keep, 1 - keep).prod(axis=1)
    return z / z.sum(axis=-1, keepdims=True), shares


def geometric_mean(outputs: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Returns the geometric mean of probabilities, scaled so that those of an example add up to one.

    Args:
        outputs: `(nets, examples, classes)`.
        shares: Weight of each net, `(nets,)`.
    """
    product = np.exp(np.tensordot(shares, np.log(outputs), 1))
    return product / product.sum(axis=-1, keepdims=True)
