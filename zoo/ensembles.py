"""Ensembles: several networks, trained together and averaged, because their errors differ.

Ciresan, Meier and Schmidhuber, «Multi-column deep neural networks for image classification», CVPR 2012.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pandas as pd

from zoo.errors import InvalidValue
from zoo.loop.convolutions import find_convolutions
from zoo.loop.fit import fit
from zoo.models.catalogue import create
from zoo.recipes import Recipe
from zoo.recipes.compiling import compile_model, prepare
from zoo.runs.configuration import Configuration, resolve
from zoo.utils.constraints import Count, check

if TYPE_CHECKING:
    from zoo.datasets import Dataset


@keras.saving.register_keras_serializable("zoo")
class Ensemble(keras.Model):
    """The mean of several models, as one model that is saved, opened and exported like any other.

    Args:
        members: Built functional models with the same input and output shape. If two have the same name, all are
            renamed to member_1, member_2 and so on.
        name: Name of the ensemble. Defaults to `"ensemble"`.

    Raises:
        InvalidValue: There are no members, their shapes differ, or they are not models.

    >>> import zoo
    >>> members = [zoo.create("shallow_mlp", input_shape=(4,), classes=3) for _ in range(2)]
    >>> ensemble, x = Ensemble(members), np.ones((1, 4))
    >>> bool(np.allclose(ensemble(x), (members[0](x) + members[1](x)) / 2))
    True
    """

    def __init__(self, members: Sequence[keras.Model], *, name: str = "ensemble") -> None:
        members = list(members)
        if not members or not all(isinstance(member, keras.Model) for member in members):
            raise InvalidValue(f"members must be Keras models, one or more; got {members}.")
        for attribute in ("input_shape", "output_shape"):
            shapes = list(dict.fromkeys(getattr(member, attribute) for member in members))
            if len(shapes) > 1:
                raise InvalidValue(f"members must have the same {attribute}; got {shapes}.")
        if len({member.name for member in members}) < len(members):
            for number, member in enumerate(members, start=1):
                member.name = f"member_{number}"
        inputs = keras.Input(members[0].input_shape[1:], name="input")
        outputs = [member(inputs) for member in members]
        mean = outputs[0] if len(outputs) == 1 else keras.layers.Average(name="mean")(outputs)
        super().__init__(inputs, mean, name=name)
        self._members = members

    @property
    def members(self) -> tuple[keras.Model, ...]:
        """Models that are averaged."""
        return tuple(self._members)

    def get_config(self) -> dict[str, Any]:
        members = [keras.saving.serialize_keras_object(member) for member in self._members]
        return {"members": members, "name": self.name}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Any = None) -> Ensemble:
        members = [keras.saving.deserialize_keras_object(member, custom_objects) for member in config["members"]]
        return cls(members, name=config["name"])


def train_ensemble(
    name: str,
    dataset: str | Dataset = "digits",
    *,
    members: int = 5,
    vary: Mapping[str, Sequence[Any]] | None = None,
    recipe: str | Recipe | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    validation: float | int | None = None,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int = 0,
) -> tuple[Ensemble, pd.DataFrame]:
    """Trains several models of the zoo together, in the same compiled steps, and averages them.

    The loss is the sum of the members' losses, and members share no weights: each takes the steps that it would take
    alone. Members see the same batches. They differ in their initial weights, in what they drop and distort, and in the
    options that vary. A member does not depend on the number of members.

    Args:
        name: Name of a model, one of `zoo.list_models()`: a classifier without pre-training.
        dataset: Data set, as in `zoo.train`.
        members: Number of members. Defaults to 5.
        vary: Values of options that the members take in turn, as in `{"digit_width": (14, 20, None)}`.
        recipe: Name of a recipe of the model, or a recipe. Its optimizer must not be the Levenberg-Marquardt method,
            which is for a single loss. Defaults to the model's first.
        epochs: Number of epochs. Defaults to the recipe's.
        batch_size: Number of examples in a batch. Defaults to the recipe's.
        learning_rate: Learning rate. Defaults to the recipe's.
        validation: Size of the validation set, as in `datasets.load`.
        seed: Random seed, from which every member gets its own. Sets Keras' global seed. Defaults to 0.
        options: Options of all members.
        callbacks: Keras callbacks. Their model has one output per member.
        verbose: Verbosity, as in `zoo.training.fit`. Defaults to 0.

    Returns:
        The compiled ensemble; and the history: `epoch`, and `loss` and `accuracy` of each member in columns such as
        `member_1_accuracy`, those of the validation set with the prefix `val_`.

    Raises:
        UnknownName: Unknown model, data set, recipe or option.
        InvalidValue: A value is out of range, or the recipe cannot train members together.

    >>> ensemble, history = train_ensemble("shallow_mlp", "moons", members=3, epochs=2)
    >>> len(ensemble.members), len(history)
    (3, 2)
    """
    members, vary, options = check("members", members, Count), vary or {}, options or {}
    for option, values in vary.items():
        if isinstance(values, str) or not len(values):
            raise InvalidValue(f"vary must have values for each option, as in (14, 20); {option} has {values!r}.")
    configurations = [
        resolve(
            name, dataset, recipe=recipe, epochs=epochs, batch_size=batch_size, learning_rate=learning_rate,
            validation=validation, seed=seed,
            options={**options, **{option: values[number % len(values)] for option, values in vary.items()}},
        )
        for number in range(members)
    ]  # fmt: skip
    first = configurations[0]
    _check_recipe(name, first.recipe)
    ensemble = Ensemble([create_member(member, number) for number, member in enumerate(configurations, start=1)])
    keras.utils.set_random_seed(seed)
    trainer = make_trainer(ensemble, first)
    history = fit(
        trainer,
        *repeat_targets(first, "train", members),
        batch_size=first.recipe.batch_size,
        epochs=first.recipe.epochs,
        seed=seed,
        validation_data=repeat_targets(first, "validation", members) if first.dataset.validation else None,
        validation_batch_size=1000,
        callbacks=callbacks,
        verbose=verbose,  # type: ignore[arg-type]
        # XLA is slow with convolutions, and compiling and measuring those of every member takes a minute.
        jit_compile=False if find_convolutions(trainer) else "auto",
    )
    compile_model(ensemble, first.recipe, steps_per_epoch=first.steps_per_epoch)
    ensemble.optimizer.build(ensemble.trainable_variables)  # as in an opened file
    table = pd.DataFrame(history.history)
    table.insert(0, "epoch", np.arange(1, len(table) + 1))
    return ensemble, table.drop(columns=["loss", "val_loss"], errors="ignore") if members > 1 else table


def errors_by_size(ensemble: Ensemble, x: np.ndarray, y: np.ndarray) -> pd.DataFrame:
    """Returns the error of ensembles of the first 1, 2, 3 and more members, and of single members.

    Args:
        ensemble: Trained ensemble of classifiers.
        x: Examples.
        y: Labels.

    Returns:
        One row per size: `members`; `error`, the share of examples that the mean of the first members classifies
        incorrectly; `last_alone`, the error of the last of these members; `best_alone` and `mean_alone`, the lowest and
        the mean error among them.
    """
    outputs = np.stack([member.predict(x, batch_size=1000, verbose=0) for member in ensemble.members])
    alone = (outputs.argmax(axis=-1) != y).mean(axis=1)
    sizes = np.arange(1, len(outputs) + 1)
    averaged = np.cumsum(outputs, axis=0).argmax(axis=-1)
    return pd.DataFrame(
        {
            "members": sizes,
            "error": (averaged != y).mean(axis=1),
            "last_alone": alone,
            "best_alone": np.minimum.accumulate(alone),
            "mean_alone": np.cumsum(alone) / sizes,
        }
    )


def create_member(configuration: Configuration, number: int) -> keras.Model:
    """Returns a member with initial weights from the seed and its number; sets Keras' global seed."""
    keras.utils.set_random_seed(int(np.random.SeedSequence([configuration.seed, number]).generate_state(1)[0]))
    model = create(configuration.model, **configuration.options)
    model.name = f"member_{number}"
    return model


def make_trainer(ensemble: Ensemble, configuration: Configuration) -> keras.Model:
    """Returns a model with one output per member, compiled to train all of them."""
    members, objective = ensemble.members, configuration.recipe.objective
    compile_model(ensemble, configuration.recipe, steps_per_epoch=configuration.steps_per_epoch)
    inputs = keras.Input(members[0].input_shape[1:], name="input")
    trainer = keras.Model(inputs, [member(inputs) for member in members], name=f"{configuration.model}_ensemble")
    options = [objective.compile_options(math.prod(member.output_shape[1:])) for member in members]
    trainer.compile(
        ensemble.optimizer,
        loss=[option["loss"] for option in options],
        loss_weights=[option.get("loss_weights", [1.0])[0] for option in options],
        metrics=[option["metrics"] for option in options],
        jit_compile=False,
    )
    return trainer


def repeat_targets(configuration: Configuration, split: str, members: int) -> tuple[Any, list[Any]]:
    """Returns the inputs of a split, and its targets once per member."""
    examples = configuration.dataset.splits[split]
    x, y = prepare(configuration.recipe, examples.x, examples.y, classes=configuration.dataset.classes)
    return x, [y] * members


def _check_recipe(name: str, recipe: Recipe) -> None:
    """Raises InvalidValue if a recipe cannot train members together."""
    reason = None
    if recipe.pretraining is not None:
        reason = "it has pre-training"
    elif not recipe.objective.trains_together:
        reason = f"its loss must be of one label per example; it is {recipe.loss}"
    elif recipe.optimizer == "levenberg_marquardt":
        reason = "its optimizer must be sgd or adam; it is levenberg_marquardt"
    if reason:
        raise InvalidValue(f"{name} cannot be trained as an ensemble by the recipe {recipe.name}: {reason}.")
