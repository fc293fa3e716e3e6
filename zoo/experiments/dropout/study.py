"""When does dropout help, and what do the scaled weights approximate?

Training keeps each unit with probability p; testing uses all units, with outgoing weights multiplied by p (Keras
divides by p in training instead). This network approximates all thinned networks: with one hidden layer it is exactly
their geometric mean; with more, it predicts about as well as the average of many. Srivastava et al., «Dropout», JMLR
15, 2014. Hinton et al., arXiv:1207.0580, 2012.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Annotated, Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from scipy.special import softmax

from zoo import datasets
from zoo.datasets import Dataset, Split
from zoo.experiments.dropout.figures import plot_averages, plot_curves
from zoo.experiments.result import Result, experiment, track_cases
from zoo.loop.evaluating import compile_evaluation
from zoo.loop.steps import make_variables
from zoo.training.in_memory import train_in_memory
from zoo.utils.constraints import Count, open_probability, probability

MEASUREMENTS = 25  # of loss and accuracy during a training
AVERAGED = (1, 2, 5, 10, 20, 50, 100)  # numbers of thinned networks in an average
SMALL = {1: 10, 2: 5}  # width by depth of networks whose thinned networks can be enumerated: 2^10 each
COMPARED = 500  # test examples on which that is done


@experiment("dropout")
def run(
    dataset: str = "mnist",
    *,
    labels: Count = 1000,
    depth: Count = 2,
    width: Count = 800,
    keep_probability: Annotated[float, open_probability] = 0.5,
    input_keep_probability: Annotated[float, probability] = 0.8,
    updates: Count = 1000,
    seeds: Count = 3,
    thinned: Count = 200,
    progress: bool = True,
) -> Result:
    """Runs the experiment.

    Args:
        dataset: Name of a data set.
        labels: Number of training examples, or all if there are fewer.
        depth: Number of hidden layers.
        width: Number of units in each.
        keep_probability: Probability that dropout keeps a hidden unit.
        input_keep_probability: Probability that dropout keeps an input.
        updates: Number of updates of each network, rounded up to whole epochs.
        seeds: Number of networks with dropout, and as many without. A seed has the same examples in both.
        thinned: Number of thinned networks drawn of each network with dropout, anew for each example. Averages of the
            same number of networks have none in common.
        progress: Whether to show the progress on standard error.

    Returns:
        The summary has the final accuracy (%) and loss of each kind of network on the training and test examples,
        averaged over the seeds; `spread` is the standard deviation of the test accuracy over the seeds (NaN for a
        single one). Tables `curves`, over the training; `averages`, one row per average of thinned networks; and
        `all_thinned`, the distance between the outputs of small networks with all units and the means of all their
        thinned networks.

    Raises:
        InvalidValue: A number is out of range, or there are fewer labels than classes.
        UnknownName: Unknown data set.
        DataError: The data cannot be loaded.
    """
    full = datasets.load(dataset)
    labels = min(labels, len(full.train))
    few = [full.with_labels(labels, seed=seed) for seed in range(seeds)]
    keep = {"keep_probability": keep_probability, "input_keep_probability": input_keep_probability}
    curves, averages = [], []
    for seed, dropout in track_cases(list(product(range(seeds), (False, True))), "dropout", progress=progress):
        data, options = few[seed], keep if dropout else dict.fromkeys(keep, 1.0)
        model, curve = train_net(data, {**options, "depth": depth, "width": width}, updates=updates, seed=seed)
        curves.append(curve.assign(dropout=dropout, seed=seed))
        if dropout:
            averages += [
                average_thinned(model, split, nets=thinned).assign(split=part, seed=seed)
                for part, split in (("train", data.train), ("test", data.test))
            ]
    curve_table, average_table = (pd.concat(tables, ignore_index=True) for tables in (curves, averages))
    return Result(
        summarize(curve_table, average_table),
        {
            "curves": curve_table,
            "averages": average_table,
            "all_thinned": compare_small(few[0], keep_probability, updates=updates),
        },
        {
            "curves": plot_curves(curve_table, full.name, labels),
            "averages": plot_averages(average_table, curve_table, full.name),
        },
        {"digest": full.digest, "labels": labels},
    )


def train_net(
    data: Dataset, options: Mapping[str, Any], *, updates: int, seed: int
) -> tuple[keras.Model, pd.DataFrame]:
    """Trains a network, and measures it during the training with all its units in use.

    Args:
        data: Data set.
        options: Options of `dropout_mlp`.
        updates: Number of updates, rounded up to whole epochs.
        seed: Random seed. Keras' global seed is set.

    Returns:
        The network, and its curve: columns `update`, `split`, `loss`, `accuracy`.
    """
    meter = _Meter(data)
    model, _ = train_in_memory(
        "dropout_mlp", data.train.x, data.train.y, updates=updates, seed=seed, callbacks=[meter],
        options={"input_shape": data.input_shape, "classes": data.classes, **options},
    )  # fmt: skip
    return model, pd.DataFrame(meter.curve)


class _Meter(keras.callbacks.Callback):
    """Measures loss and accuracy on both sets after some epochs, at equal distances on a log scale."""

    def __init__(self, data: Dataset) -> None:
        super().__init__()
        self._splits = {name: (split.x, split.y) for name, split in (("train", data.train), ("test", data.test))}
        self.curve: list[dict[str, Any]] = []

    def on_train_begin(self, logs: Any = None) -> None:
        make_variables(self.model, self._splits["train"])
        self._measures = {name: compile_evaluation(self.model, arrays, 1000) for name, arrays in self._splits.items()}
        epochs = self.params["epochs"]
        self._epochs = set(np.geomspace(1, epochs, MEASUREMENTS).round().astype(int))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if epoch + 1 in self._epochs:
            update = self.params["steps"] * (epoch + 1)
            rows = ({"update": update, "split": name, **measure()} for name, measure in self._measures.items())
            self.curve.extend(rows)


def average_thinned(model: keras.Model, split: Split, *, nets: int) -> pd.DataFrame:
    """Averages the outputs of thinned networks that are drawn at random, anew for each example.

    Args:
        model: Network with dropout.
        split: Examples.
        nets: Number of thinned networks.

    Returns:
        One row per average: columns `nets`, the number of networks in it, `accuracy`, `loss`.
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
                rows.append({"nets": count, **measure(sums[count] / count, split.y)})
                sums[count] = 0.0
    return pd.DataFrame(rows)


def measure(outputs: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Returns the accuracy and the mean cross-entropy of probabilities, `(examples, classes)`."""
    of_label = np.maximum(outputs[np.arange(len(y)), y], keras.config.epsilon())  # as Keras bounds it
    return {"accuracy": float((outputs.argmax(axis=1) == y).mean()), "loss": float(-np.log(of_label).mean())}


def summarize(curves: pd.DataFrame, averages: pd.DataFrame) -> pd.DataFrame:
    """Returns the final accuracies (%) and losses of each kind of network, averaged over the seeds."""
    last = curves[curves["update"] == curves["update"].max()]
    nets = pd.concat(
        [
            last.assign(net=np.where(last["dropout"], "with dropout", "without dropout")),
            averages.assign(net=[f"mean of {count} thinned" for count in averages["nets"]]),
        ]
    )
    by_seed = nets.groupby(["net", "split", "seed"])[["accuracy", "loss"]].mean()
    mean = by_seed.groupby(["net", "split"]).mean().unstack().loc[nets["net"].unique()]
    accuracies = {
        "train_accuracy": 100 * mean["accuracy", "train"],
        "test_accuracy": 100 * mean["accuracy", "test"],
        "spread": 100 * by_seed["accuracy"].unstack("split")["test"].groupby("net").std(),
    }
    losses = {"train_loss": mean["loss", "train"], "test_loss": mean["loss", "test"]}
    summary = pd.DataFrame({**accuracies, **losses}, index=mean.index)
    return summary.round({**dict.fromkeys(accuracies, 2), **dict.fromkeys(losses, 4)}).reset_index()


def compare_small(data: Dataset, keep: float, *, updates: int) -> pd.DataFrame:
    """Compares small networks with the means of all their thinned networks.

    Args:
        data: Data set to train on.
        keep: Probability that a hidden unit is kept; inputs always are.
        updates: Number of updates of each.

    Returns:
        One row per depth: columns `hidden_layers`, `thinned_nets`, and the largest difference, over classes and
        examples, between the probabilities and the `geometric_mean` and `arithmetic_mean`.
    """
    x = data.test.x[:COMPARED]
    rows = []
    for depth, width in SMALL.items():
        options = {"depth": depth, "width": width, "keep_probability": keep, "input_keep_probability": 1.0}
        model, _ = train_net(data, options, updates=updates, seed=0)
        outputs, shares = enumerate_thinned(model.get_weights(), x, keep)
        full = model.predict(x, verbose=0)
        means = {"geometric_mean": geometric_mean(outputs, shares), "arithmetic_mean": np.tensordot(shares, outputs, 1)}
        difference = {name: float(np.abs(full - mean).max()) for name, mean in means.items()}
        rows.append({"hidden_layers": depth, "thinned_nets": len(shares), **difference})
    return pd.DataFrame(rows)


def enumerate_thinned(weights: list[np.ndarray], x: np.ndarray, keep: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns the outputs of every thinned network, one per set of hidden units that may be kept.

    Args:
        weights: Weights of a ReLU network trained by Keras: kernels and biases in turn.
        x: Examples.
        keep: Probability that a unit is kept.

    Returns:
        Outputs, `(nets, examples, classes)`, and the probability of each network, `(nets,)`.
    """
    *hidden, (v, c) = zip(weights[::2], weights[1::2], strict=True)
    sizes = [len(b) for _, b in hidden]
    masks = np.array(list(product((0, 1), repeat=sum(sizes))))
    h = x.reshape(1, len(x), -1).astype("float64")
    for (w, b), r in zip(hidden, np.split(masks, np.cumsum(sizes)[:-1], axis=1), strict=True):
        h = r[:, None] / keep * np.maximum(h @ w + b, 0)
    return softmax(h @ v + c, axis=-1), np.where(masks, keep, 1 - keep).prod(axis=1)


def geometric_mean(outputs: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Returns the geometric mean of probabilities, scaled so that those of an example sum to 1.

    Args:
        outputs: Probabilities, `(nets, examples, classes)`.
        shares: Weight of each network, `(nets,)`.
    """
    return softmax(np.tensordot(shares, np.log(outputs), 1), axis=-1)
