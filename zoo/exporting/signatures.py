"""The functions of an exported model. They take numbers as in the data set, or as in training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import tensorflow as tf

from zoo.exporting.families import decoder, family_functions, find_layer, sample_dbn, sample_rbm
from zoo.exporting.graphs import Outputs
from zoo.exporting.interfaces import UNNAMED, Interface, inspect_model
from zoo.exporting.predictions import add_classes, name_outputs
from zoo.models.boltzmann_machine import BoltzmannMachine
from zoo.models.deep_belief_network import DeepBeliefNetwork
from zoo.models.origin import origin_of

SCALAR = tf.TensorSpec([], tf.int32)


@dataclass(frozen=True)
class Signature:
    """A function of an exported model.

    Args:
        description: What it returns, in one line.
        inputs: Specifications of its inputs, in order.
        call: The function, which returns named tensors.
    """

    description: str
    inputs: Mapping[str, tf.TensorSpec]
    call: Callable[..., Outputs]


def signatures(
    model: keras.Model,
    *,
    levels: int,
    scale: float,
    dtype: str = "uint8",
    class_names: Sequence[str] = (),
    interface: Interface | None = None,
) -> dict[str, Signature]:
    """Returns the signatures of a model by name.

    Args:
        model: A built Keras model.
        levels: Number by which the raw numbers of the data set are divided; 1 for a model that takes them as they are.
        scale: Factor by which the recipe of the model multiplies its inputs.
        dtype: Type of the raw numbers. Defaults to `"uint8"`.
        class_names: Names of the classes, if they are known. Defaults to none.
        interface: What the model takes and returns, if it has been inspected already. Defaults to None.
    """
    interface = interface or inspect_model(model)
    is_known = origin_of(model) is not None or isinstance(model, BoltzmannMachine | DeepBeliefNetwork)
    description, predict = (_known_outputs if is_known else _any_outputs)(model, interface, class_names)
    numbers = interface.inputs
    name, *others = numbers
    if others:
        return {"serve": Signature(description, numbers, predict)}

    def rescale(x: Any) -> Any:
        return x * scale if scale != 1 else x

    def from_numbers(description: str, function: Callable[[Any], Outputs]) -> Signature:
        return Signature(description, numbers, lambda x: function(rescale(x)))

    result = {"serve": from_numbers(description, predict)}
    if levels != 1:
        kind = f"{dtype} from 0 to {levels}" if tf.as_dtype(dtype).is_integer else f"numbers from 0 to {levels}"
        raw = tf.TensorSpec(numbers[name].shape, dtype, name)
        result["serve"] = Signature(
            f"{description}, from {name} as in the data set, {kind}",
            {name: raw},
            lambda x: predict(rescale(tf.cast(x, numbers[name].dtype) / levels)),
        )
    if levels != 1 or (is_known and interface.takes_images):
        result["serve_float"] = from_numbers(
            f"{description}, from {name} {'in [0, 1]' if levels != 1 else 'as in training'}", predict
        )
    if (members := members_of(model)) or is_known:
        result |= {key: from_numbers(*entry) for key, entry in family_functions(model, name, members).items()}
    return result | (_inverse_signatures(model, name, numbers) if is_known else {})


def _any_outputs(model: keras.Model, interface: Interface, class_names: Sequence[str]) -> tuple[str, Any]:
    members = members_of(model)
    if members and origin_of(members[0]):
        return _known_outputs(model, interface, class_names)
    if members:  # the mean of probabilities is a probability
        interface = replace(interface, activation=inspect_model(members[0]).activation)
    return name_outputs(model, interface, class_names)


def members_of(model: keras.Model) -> list[keras.Model]:
    """Returns the models whose mean a model is; none for a model that is no ensemble."""
    members = getattr(model, "members", ())
    is_ensemble = isinstance(members, Sequence) and all(isinstance(member, keras.Model) for member in members)
    return list(members) if is_ensemble else []


def _known_outputs(model: keras.Model, interface: Interface, _: Sequence[str]) -> tuple[str, Any]:
    """Returns a description of the outputs of a model of the zoo, and the function that computes them."""

    def compute(*x: Any) -> Any:
        return interface.call(*x)[UNNAMED]

    if isinstance(model, BoltzmannMachine):
        return "probabilities of the hidden units", lambda *x: {"hidden": compute(*x)}
    if find_layer(model, "code") is not None:
        return "reconstructed images", lambda *x: {"reconstruction": compute(*x)}
    outputs = "scores" if find_layer(model, "scores") is not None else "probabilities"
    return f"{outputs} of the classes, and the class with the highest", lambda *x: add_classes(outputs, compute(*x))


def _inverse_signatures(model: keras.Model, name: str, numbers: Mapping[str, tf.TensorSpec]) -> dict[str, Signature]:
    """Returns the signatures that make images: from codes, from other images by sampling, or from classes."""
    if isinstance(model, BoltzmannMachine):
        description = "images after Gibbs sampling from the given images, and the means from which they were drawn"
        return {"sample": Signature(description, {**numbers, "steps": SCALAR, "seed": SCALAR}, sample_rbm(model, name))}
    if isinstance(model, DeepBeliefNetwork):
        inputs = {"classes": tf.TensorSpec([None], tf.int32, "classes"), "steps": SCALAR, "seed": SCALAR}
        description = "images of the given classes, after Gibbs sampling in the top RBM"
        return {"sample": Signature(description, inputs, sample_dbn(model, name))}
    if (code := find_layer(model, "code")) is not None:
        decode = decoder(model, code)
        codes = {"code": tf.TensorSpec([None, *code.output.shape[1:]], tf.float32, "code")}
        return {"decode": Signature("images reconstructed from codes", codes, lambda x: {name: decode(x)})}
    return {}
