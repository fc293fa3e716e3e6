"""A recipe is data: what a published training run used, as a frozen value."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Any, Literal

from zoo.errors import InvalidValue
from zoo.recipes.objectives import OBJECTIVES, Objective
from zoo.utils.constraints import at_least, below_one, check, non_negative, positive

Optimizer = Literal["sgd", "adam", "levenberg_marquardt"]
LEGAL = {
    "optimizer": Optimizer,
    "learning_rate": Annotated[float, positive],
    "batch_size": Annotated[int, at_least(1)],
    "epochs": Annotated[int, at_least(1)],
    "learning_rate_decay": Literal["none", "linear"],
    "weight_penalty": Annotated[float, non_negative],
    "input_scale": Annotated[float, positive],
}
_LEGAL_BY_EPOCH = {
    "learning_rate_factors": Annotated[float, positive],
    "momentum": Annotated[float, non_negative, below_one],
}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a model is trained.

    Args:
        name: The recipe's name, unique within a model's card.
        summary: What it is, in a line.
        source: Where it was published.
        options: The builder options that it presupposes; the user's own come on top.
        loss: `"sparse_categorical_crossentropy"` on softmax outputs;
            `"summed_binary_crossentropy"`: the binary cross-entropies of all outputs, added up; an
            auto-encoder's `"reconstruction_crossentropy"` and `"reconstruction_squared_error"`, added
            up over the inputs; `"contrastive_divergence"`, an RBM's own; `"up_down"`, a generative deep belief
            network's; `"maximum_a_posteriori"`, LeNet-5's, on scores; `"sequence_crossentropy"`, of a whole number's
            length and digits.
        optimizer: `"sgd"`, `"adam"` or `"levenberg_marquardt"`, the stochastic diagonal one.
        learning_rate: The optimiser's learning rate.
        learning_rate_decay: `"linear"` lets it fall to 0 over the training; `"none"` leaves it.
        learning_rate_factors: What the learning rate is multiplied by, by the epoch from which it holds, as in
            `{3: 0.4, 6: 0.2}`; empty for none.
        momentum: Of `"sgd"`, by the epoch from which it holds: `{1: 0.5, 6: 0.9}`; empty for none.
        batch_size: Examples in a mini-batch. The last, smaller one is not dropped.
        epochs: Passes over the training set.
        weight_penalty: The lambda of an L2 term lambda / 2n * (sum of squared weights), with n the
            number of training examples. It applies to kernels, never to biases.
        input_scale: What the inputs, in [0, 1], are multiplied by.
        pretraining: How each hidden layer is trained without labels first; None for no such stage. Among
            its options, a tuple has a value for each layer.
        classifier: How the output layer is then trained, the hidden ones being frozen, before all are
            trained together; None for no such stage.

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
    loss: str
    optimizer: Optimizer
    learning_rate: float
    learning_rate_decay: Literal["none", "linear"] = "none"
    learning_rate_factors: Mapping[int, float] = field(default_factory=dict)
    momentum: Mapping[int, float] = field(default_factory=dict)
    batch_size: int
    epochs: int
    weight_penalty: float = 0.0
    input_scale: float = 1.0
    pretraining: Recipe | None = None
    classifier: Recipe | None = None

    def __post_init__(self) -> None:
        def keep(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        for name, legal in {"loss": Literal[tuple(OBJECTIVES)], **LEGAL}.items():
            keep(name, check(f"{self.name}: {name}", getattr(self, name), legal))
        keep("options", MappingProxyType(tuples_from_lists(self.options)))
        for name, legal in _LEGAL_BY_EPOCH.items():
            by_epoch = {
                check(f"{self.name}: an epoch of {name}", int(epoch), Annotated[int, at_least(1)]): check(
                    f"{self.name}: {name}", value, legal
                )
                for epoch, value in getattr(self, name).items()
            }
            keep(name, MappingProxyType(dict(sorted(by_epoch.items()))))
        if self.learning_rate_factors and self.learning_rate_decay != "none":
            raise InvalidValue(f"{self.name}: learning_rate_factors and learning_rate_decay exclude each other.")
        for name in ("pretraining", "classifier"):
            if isinstance(content := getattr(self, name), Mapping):
                keep(name, Recipe.from_dict(content))

    @property
    def objective(self) -> Objective:
        """What the loss means."""
        return OBJECTIVES[self.loss]

    def to_dict(self) -> dict[str, Any]:
        """Returns the recipe as plain values; `from_dict` makes it again."""

        def plain(value: Any) -> Any:
            if isinstance(value, Recipe):
                return value.to_dict()
            return dict(value) if isinstance(value, Mapping) else value

        return {each.name: plain(getattr(self, each.name)) for each in dataclasses.fields(self)}

    @classmethod
    def from_dict(cls, content: Any) -> Recipe:
        """Makes a recipe from the values of `to_dict`.

        Raises:
            InvalidValue: A field is missing or unknown, or has the wrong type or value.
        """
        if not isinstance(content, Mapping):
            raise InvalidValue(f"recipe must be a dict; got {type(content).__name__}.")
        fields = [field.name for field in dataclasses.fields(cls)]
        if unknown := sorted(set(content) - set(fields)):
            raise InvalidValue(f"recipe must have no fields but {', '.join(fields)}; got {unknown[0]!r}.")
        required = {field.name for field in dataclasses.fields(cls) if field.default is field.default_factory}
        if missing := sorted(required - set(content)):
            raise InvalidValue(f"recipe must have {', '.join(sorted(required))}; {missing[0]!r} is missing.")
        try:
            return cls(**content)
        except (TypeError, AttributeError, ValueError) as error:
            raise InvalidValue(f"Invalid recipe: {error}") from error


def tuples_from_lists(options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns options with tuples where JSON has lists."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}
