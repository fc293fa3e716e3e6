"""A recipe is data: what a published training run used, as a frozen value."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Any, Literal

from zoo.constraints import at_least, check, non_negative, positive

Loss = Literal["sparse_categorical_crossentropy", "summed_binary_crossentropy"]
Optimizer = Literal["sgd", "adam"]
_LEGAL = {
    "loss": Loss,
    "optimizer": Optimizer,
    "learning_rate": Annotated[float, positive],
    "batch_size": Annotated[int, at_least(1)],
    "epochs": Annotated[int, at_least(1)],
    "weight_penalty": Annotated[float, non_negative],
    "input_scale": Annotated[float, positive],
}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a model is trained.

    Args:
        name: The recipe's name, unique within a model's card.
        summary: What it is, in a line.
        source: Where it was published.
        options: The builder options that it presupposes; the user's own come on top.
        loss: `"sparse_categorical_crossentropy"` on softmax outputs, or
            `"summed_binary_crossentropy"`: the binary cross-entropies of all outputs, added up.
        optimizer: `"sgd"` or `"adam"`.
        learning_rate: The optimiser's learning rate.
        batch_size: Examples in a mini-batch. The last, smaller one is not dropped.
        epochs: Passes over the training set.
        weight_penalty: The lambda of an L2 term lambda / 2n * (sum of squared weights), with n the
            number of training examples. It applies to kernels, never to biases.
        input_scale: What the inputs, in [0, 1], are multiplied by.

    Raises:
        InvalidValue: A field of the wrong type or out of range.

    >>> from dataclasses import replace
    >>> import zoo
    >>> replace(zoo.card("deep_mlp").recipe("nielsen"), learning_rate=0.5).learning_rate
    0.5
    """

    name: str
    summary: str
    source: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    loss: Loss
    optimizer: Optimizer
    learning_rate: float
    batch_size: int
    epochs: int
    weight_penalty: float = 0.0
    input_scale: float = 1.0

    def __post_init__(self) -> None:
        for each in dataclasses.fields(self):
            if each.name not in ("name", "options", "source", "summary"):
                checked = check(f"{self.name}: {each.name}", getattr(self, each.name), _LEGAL[each.name])
                object.__setattr__(self, each.name, checked)
        object.__setattr__(self, "options", MappingProxyType(dict(self.options)))
