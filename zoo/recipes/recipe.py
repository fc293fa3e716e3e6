"""A recipe is data: what a published training used, as a frozen record."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from zoo.errors import InvalidValue
from zoo.recipes.objectives import OBJECTIVES, Objective
from zoo.utils.constraints import Count, below_one, check, non_negative, positive
from zoo.utils.records import Record, annotations_of

Optimizer = Literal["sgd", "adam", "levenberg_marquardt"]


@dataclass(frozen=True, kw_only=True)
class Recipe(Record):
    """How a model is trained.

    Args:
        name: Name, unique among the recipes of a model.
        summary: Description in one line.
        source: Publication. Defaults to none.
        options: Options of the builder that the recipe requires; the user's options replace them. Defaults to none.
        loss: `"sparse_categorical_crossentropy"`, on softmax outputs; `"summed_binary_crossentropy"`, the sum of the
            binary cross-entropies of all outputs; `"reconstruction_crossentropy"` and `"reconstruction_squared_error"`
            of an autoencoder, summed over its inputs; `"contrastive_divergence"` of an RBM; `"up_down"` of a
            generative deep belief network; `"maximum_a_posteriori"` of LeNet-5, on scores;
            `"sequence_crossentropy"`, of the length and the digits of a number.
        optimizer: `"sgd"`, `"adam"` or `"levenberg_marquardt"` (stochastic, diagonal).
        learning_rate: Learning rate of the optimizer.
        learning_rate_decay: `"linear"` for a learning rate that falls to 0 over the training. Defaults to `"none"`.
        learning_rate_factors: Factors of the learning rate by the first epoch in which they apply, as in
            `{3: 0.4, 6: 0.2}`. Defaults to none.
        momentum: Momentum of `"sgd"` by the first epoch in which it applies, as in `{1: 0.5, 6: 0.9}`. Defaults to
            none.
        batch_size: Number of examples in a batch. The last, smaller batch of an epoch is not dropped.
        epochs: Number of epochs.
        weight_penalty: Lambda of the L2 penalty lambda / 2n * (sum of squared weights) of the kernels, where n is the
            number of training examples. Defaults to 0.
        input_scale: Factor of the inputs, which are in [0, 1]. Defaults to 1.
        pretraining: Recipe by which each hidden layer is first trained without labels. A tuple among its options has
            one value per layer. Defaults to None.
        classifier: Recipe by which the output layer is then trained alone, before all layers are trained together.
            Defaults to None.

    Raises:
        InvalidValue: A field has the wrong type or is out of range.

    >>> import zoo
    >>> zoo.card("deep_mlp").recipe("nielsen").change(learning_rate=0.5).learning_rate
    0.5
    """

    name: str
    summary: str
    source: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    loss: str
    optimizer: Optimizer
    learning_rate: Annotated[float, positive]
    learning_rate_decay: Literal["none", "linear"] = "none"
    learning_rate_factors: Mapping[Count, Annotated[float, positive]] = field(default_factory=dict)
    momentum: Mapping[Count, Annotated[float, non_negative, below_one]] = field(default_factory=dict)
    batch_size: Count
    epochs: Count
    weight_penalty: Annotated[float, non_negative] = 0.0
    input_scale: Annotated[float, positive] = 1.0
    pretraining: Recipe | None = None
    classifier: Recipe | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check(f"{self._prefix}loss", self.loss, Literal[tuple(OBJECTIVES)])
        if self.learning_rate_factors and self.learning_rate_decay != "none":
            raise InvalidValue(f"{self._prefix}learning_rate_factors and learning_rate_decay exclude each other.")

    @property
    def _prefix(self) -> str:
        return f"recipe {self.name}: "

    @property
    def objective(self) -> Objective:
        """What the loss means."""
        return OBJECTIVES[self.loss]

    def change(self, *, pretraining_epochs: int | None = None, **fields: Any) -> Recipe:
        """Returns a copy of the recipe with other values.

        Args:
            pretraining_epochs: Number of epochs of the pre-training. Defaults to None, no change.
            **fields: Values of fields; a field whose value is None is not changed.

        Raises:
            InvalidValue: A value has the wrong type or is out of range, or the recipe has no pre-training.
        """
        if pretraining_epochs is not None:
            if self.pretraining is None:
                raise InvalidValue(f"pretraining_epochs must be None: the recipe {self.name} has no pre-training.")
            fields["pretraining"] = self.pretraining.change(epochs=pretraining_epochs)
        return dataclasses.replace(self, **{name: value for name, value in fields.items() if value is not None})

    def count_steps(self, examples: int) -> int:
        """Returns the number of batches in an epoch, the last, smaller one included."""
        return -(-examples // self.batch_size)


LEGAL = annotations_of(Recipe)
