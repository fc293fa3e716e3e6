"""What the outputs of a model mean, and the names under which they are served."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import keras
import tensorflow as tf

from zoo.exporting.graphs import Outputs
from zoo.exporting.interfaces import UNNAMED, Interface

Task = Literal["one_class", "labels", "values"]


def name_outputs(
    model: keras.Model, interface: Interface, class_names: Sequence[str] = ()
) -> tuple[str, Callable[..., Outputs]]:
    """Returns a description of the outputs of any Keras model, and the function that computes them by name.

    The only output of a model is called by what it means. `probabilities` come from a softmax or sigmoid, `logits` from
    a layer whose loss has `from_logits=True`, and `values` from every other. `classes` are the classes predicted from
    them: that of the highest value, or from a single unit, 1 where the probability exceeds 0.5. The units of several
    sigmoids are independent labels, which have no class, unless the loss or the class names say otherwise.

    Args:
        model: The model. Its loss, if it is compiled, tells probabilities from other numbers.
        interface: What the model takes and returns.
        class_names: Names of the classes, if they are known. Defaults to none.
    """
    call, outputs = interface.call, list(interface.outputs.values())
    if list(interface.outputs) != [UNNAMED]:
        return "outputs of the model", call
    units = outputs[0].shape[-1] if (outputs[0].shape.rank or 0) > 1 and outputs[0].dtype.is_floating else None
    task, is_logits = _read_loss(model)
    is_softmax, is_probability = interface.activation == "Softmax", interface.activation in ("Softmax", "Sigmoid")
    is_logits = is_logits and not is_probability
    if (is_softmax or len(class_names) == units) and (is_probability or task != "values"):
        task = "one_class"
    name = "logits" if is_logits else "probabilities" if is_probability else "scores"
    if units is not None and units > 1 and task == "one_class":
        return (
            f"{name} of the classes, and the class with the highest",
            lambda *x: add_classes(name, call(*x)[UNNAMED]),
        )
    if units == 1 and task != "values" and (is_logits or interface.activation == "Sigmoid"):
        return (
            f"{name} of class 1, and the class: 1 where its probability exceeds 0.5, or else 0",
            lambda *x: _add_binary(name, call(*x)[UNNAMED], threshold=0.0 if is_logits else 0.5),
        )
    if task != "values" and name != "scores" and units is not None:
        return f"{name} of the labels, each independent", lambda *x: {name: call(*x)[UNNAMED]}
    return "values of the outputs", lambda *x: {"values": call(*x)[UNNAMED]}


def _add_binary(name: str, y: Any, *, threshold: float) -> Outputs:
    return {name: y, "classes": tf.cast(tf.squeeze(y, -1) > threshold, tf.int64)}


def add_classes(name: str, y: Any) -> Outputs:
    """Returns outputs by name, and the class with the highest."""
    return {name: y, "classes": tf.argmax(y, axis=-1)}


def _read_loss(model: keras.Model) -> tuple[Task | None, bool]:
    """Returns what the loss of a compiled model says of its outputs, and whether they are logits; None for nothing."""
    loss = getattr(model, "loss", None)
    if isinstance(loss, (list, tuple, dict)) and len(loss) == 1:
        loss = next(iter(loss.values() if isinstance(loss, dict) else loss))
    if not isinstance(loss, (str, keras.Loss)) and not callable(loss):
        return None, False
    try:
        loss = keras.losses.get(loss) if isinstance(loss, str) else loss
    except ValueError:
        return None, False
    function = getattr(loss, "fn", loss)  # Keras' losses wrap functions
    name = getattr(function, "__name__", "").lower()
    is_logits = bool(getattr(loss, "from_logits", False))
    if name in _ONE_CLASS:
        return "one_class", is_logits
    if name in _LABELS:
        return "labels", is_logits
    return ("values" if name in _VALUES else None), is_logits


_ONE_CLASS = (
    "categorical_crossentropy", "sparse_categorical_crossentropy", "categorical_focal_crossentropy", "categorical_hinge"
)  # fmt: skip
_LABELS = ("binary_crossentropy", "binary_focal_crossentropy")
_VALUES = (
    "mean_squared_error", "mean_absolute_error", "mean_absolute_percentage_error", "mean_squared_logarithmic_error",
    "huber", "log_cosh", "poisson", "cosine_similarity",
)  # fmt: skip
