"""What a loss means: one `Objective` per loss.

A new loss is a new entry of `OBJECTIVES`; no other code compares names of losses.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from zoo.errors import InvalidValue

if TYPE_CHECKING:
    import keras
    import numpy as np

Targets = Literal["labels", "one_hot", "sequences", "inputs", "none"]


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What a loss means for a training.

    Args:
        loss: Name of the Keras loss, or a function that returns it. Defaults to None: the model computes its own.
        metric: Function that returns the Keras metric shown beside the loss. Defaults to None.
        targets: What the model is fitted to: class labels, one-hot labels, the labels of a sequence, its own inputs,
            or nothing. Defaults to `"labels"`.
        is_summed: Whether the loss is summed over the outputs; Keras' losses are means. Defaults to False.
        headline: Metric that a model is judged by. Defaults to `"accuracy"`.
        is_bounded: Whether the inputs must be in [0, 1]. Defaults to False.
        learner: Model that pre-trains a layer by this loss. Defaults to None.
        trains_together: Whether the members of an ensemble can be trained by the sum of their losses. Defaults to
            False.
    """

    loss: str | Callable[[], Any] | None = None
    metric: Callable[[], keras.Metric] | None = None
    targets: Targets = "labels"
    is_summed: bool = False
    headline: str = "accuracy"
    is_bounded: bool = False
    learner: Literal["rbm", "denoising_autoencoder"] | None = None
    trains_together: bool = False

    @property
    def needs_labels(self) -> bool:
        """Whether the targets are labels; else the model is judged by how well it reconstructs its inputs."""
        return self.targets not in ("inputs", "none")

    def compile_options(self, outputs: int) -> dict[str, Any]:
        """Returns the loss and metrics as `keras.Model.compile` takes them.

        A summed loss is Keras' mean times the number of outputs, so that a saved model opens without this package.

        Args:
            outputs: Number of outputs per example.
        """
        options: dict[str, Any] = {}
        if self.loss:
            options["loss"] = self.loss() if callable(self.loss) else self.loss
        if self.is_summed:
            options["loss_weights"] = [float(outputs)]
        if self.metric:
            options["metrics"] = [self.metric()]
        return options

    def make_targets(self, x: np.ndarray, y: np.ndarray | None, *, classes: int) -> np.ndarray | None:
        """Returns the targets of examples.

        Args:
            x: Examples, `(n, ...)`.
            y: Labels, `(n,)`, for sequences `(n, 1 + longest)`; None for an objective that needs none.
            classes: Number of classes.

        Raises:
            InvalidValue: An input is outside [0, 1] and the objective is bounded.
        """
        if self.is_bounded and not (x.min() >= 0 and x.max() <= 1):
            raise InvalidValue(
                "Inputs must be in [0, 1] for the cross-entropy of a reconstruction; got values from "
                f"{x.min():g} to {x.max():g}. Scale them, or use a recipe with the squared error."
            )
        if self.targets == "one_hot":
            import keras

            return keras.utils.to_categorical(y, classes)
        return {"inputs": x, "none": None}.get(self.targets, y)


def _lazy(path: str, **options: Any) -> Callable[[], Any]:
    """Returns a function that imports a class by its path, as in `"zoo.losses:SequenceCrossentropy"`, and calls it."""
    return lambda: pkgutil.resolve_name(path)(**options)


_accuracy = _lazy("keras.metrics:SparseCategoricalAccuracy", name="accuracy")
_squared_error = _lazy("keras.metrics:MeanSquaredError", name="squared_error")  # of a pixel, whatever the loss

OBJECTIVES: dict[str, Objective] = {
    "sparse_categorical_crossentropy": Objective(
        loss="sparse_categorical_crossentropy", metric=_accuracy, trains_together=True
    ),
    "summed_binary_crossentropy": Objective(
        loss="binary_crossentropy",
        metric=_lazy("keras.metrics:CategoricalAccuracy", name="accuracy"),
        targets="one_hot",
        is_summed=True,
        trains_together=True,
    ),
    "maximum_a_posteriori": Objective(
        loss=_lazy("zoo.losses:MaximumAPosteriori"), metric=_accuracy, trains_together=True
    ),
    "sequence_crossentropy": Objective(
        loss=_lazy("zoo.losses:SequenceCrossentropy"),
        metric=_lazy("zoo.metrics:SequenceAccuracy", name="accuracy"),
        targets="sequences",
    ),
    "reconstruction_crossentropy": Objective(
        loss="binary_crossentropy",
        metric=_squared_error,
        targets="inputs",
        is_summed=True,
        headline="squared_error",
        is_bounded=True,
        learner="denoising_autoencoder",
    ),
    "reconstruction_squared_error": Objective(
        loss="mean_squared_error",
        metric=_squared_error,
        targets="inputs",
        is_summed=True,
        headline="squared_error",
        learner="denoising_autoencoder",
    ),
    "contrastive_divergence": Objective(targets="none", headline="pseudo_log_likelihood", learner="rbm"),
    "up_down": Objective(metric=_accuracy),
}
