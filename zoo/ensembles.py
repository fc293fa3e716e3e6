"""Several nets, trained at once and averaged: they err in different places.

Ciresan, Meier and Schmidhuber, «Multi-column deep neural networks for image classification», CVPR 2012.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

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
from zoo.utils.constraints import at_least, check

if TYPE_CHECKING:
    from zoo.datasets import Dataset


@keras.saving.register_keras_serializable("zoo")
class Ensemble(keras.Model):
    """The mean of what several models say: one model, which is saved, opened and exported as any other.

    Args:
        members: Built functional models of the same input and output shape. Where two have the same name, all are
            called member_1, member_2 ...
        name: The ensemble's name.

    Raises:
        InvalidValue: No members, or ones of different shapes, or something else than models.

    >>> import zoo
    >>> members = [zoo.create("shallow_mlp", input_shape=(4,), classes=3) for _ in range(2)]
    >>> ensemble, x = Ensemble(members), np.ones((1, 4))
    >>> bool(np.allclose(ensemble(x), (members[0](x) + members[1](x)) / 2))
    True
    """

    def __init__(self, members: Sequence[keras.Model], *, name: str = "ensemble") -> None:
        members = list(members)
        if not members:
            raise InvalidValue("An ensemble needs a member at least; got none.")
        if strange := [member for member in members if not isinstance(member, keras.Model)]:
            raise InvalidValue(f"The members of an ensemble are Keras models; got {strange[0]!r}.")
        for what in ("input_shape", "output_shape"):
            shapes = list(dict.fromkeys(getattr(member, what) for member in members))
            if len(shapes) > 1:
                raise InvalidValue(f"The members of an ensemble have one {what} in common; got {shapes}.")
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
        """The models that are averaged."""
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
    """Trains several models of the zoo at once, in the same compiled steps, and averages them.

    The loss is the sum of theirs and no weight belongs to two of them: each takes the steps that it would take alone.
    They see the same mini-batches and differ in their initial weights, in what they drop and distort, and in the
    options that vary. A member does not depend on how many come after it.

    Args:
        name: A name of `zoo.list_models()`; a classifier without pre-training.
        dataset: As in `zoo.train`; so are the others, but for these:
        members: How many.
        vary: Values of options that the members take in turn, as in `{"digit_width": (14, 20, None)}`.
        recipe: Its name, or a recipe; not one by the Levenberg-Marquardt method, which is for a single loss.
        epochs: Passes over the training set.
        batch_size: Examples in a mini-batch.
        learning_rate: The optimiser's learning rate.
        validation: What to keep for validation.
        seed: Decides every draw; each member has its own from it. Keras' global seed is set.
        options: Options of all members.
        callbacks: Keras callbacks; they see one model with an output a member.
        verbose: As in `zoo.training.fit`.

    Returns:
        The ensemble, compiled; and the history: `epoch`, and for each member `loss` and `accuracy`, with `val_` those
        of validation, in columns such as `member_1_accuracy`.

    Raises:
        UnknownName: No such model, data set, recipe or option.
        InvalidValue: A value out of range, no members, or a recipe that members cannot be trained together by.

    >>> ensemble, history = train_ensemble("shallow_mlp", "moons", members=3, epochs=2)
    >>> len(ensemble.members), len(history)
    (3, 2)
    """
    if members == 0:
        raise InvalidValue("An ensemble needs a member at least; got members=0.")
    members = check("members", members, Annotated[int, at_least(1)])
    settings = {"recipe": recipe, "epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate}
    each = [
        resolve(name, dataset, **settings, validation=validation, seed=seed, options={**(options or {}), **varied})  # type: ignore[arg-type]
        for varied in _varied(vary or {}, members)
    ]
    first = each[0]
    _check_trains_together(name, first.recipe)
    ensemble = Ensemble([_member(configuration, number) for number, configuration in enumerate(each, start=1)])
    keras.utils.set_random_seed(seed)
    together = _together(ensemble, first)
    history = fit(
        together,
        *_repeated(first, "train", members),
        batch_size=first.recipe.batch_size,
        epochs=first.recipe.epochs,
        seed=seed,
        validation_data=_repeated(first, "validation", members) if first.dataset.validation else None,
        validation_batch_size=1000,
        callbacks=callbacks,
        verbose=verbose,  # type: ignore[arg-type]
        # XLA is slow with convolutions, and to compile and measure them once a member takes a minute of its own.
        jit_compile=False if find_convolutions(together) else "auto",
    )
    compile_model(ensemble, first.recipe, steps_per_epoch=first.steps_per_epoch)
    ensemble.optimizer.build(ensemble.trainable_variables)  # as it is where a saved file is opened
    table = pd.DataFrame(history.history)
    table.insert(0, "epoch", np.arange(1, len(table) + 1))
    return ensemble, table.drop(columns=["loss", "val_loss"], errors="ignore") if members > 1 else table


def errors_by_size(ensemble: Ensemble, x: np.ndarray, y: np.ndarray) -> pd.DataFrame:
    """Returns how many of some examples ensembles of the first members get wrong, and each member alone.

    Args:
        ensemble: A trained ensemble of classifiers.
        x: Examples.
        y: Their labels.

    Returns:
        A row a size: `members`; `error`, the share that the mean of so many first members gets wrong; `last_alone`,
        that of the last of them; `best_alone` and `mean_alone` among them.
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


def _varied(vary: Mapping[str, Sequence[Any]], members: int) -> list[dict[str, Any]]:
    for option, values in vary.items():
        if isinstance(values, str) or not len(values):
            raise InvalidValue(f"vary gives each option some values, as in (14, 20); {option} has {values!r}.")
    return [{option: values[number % len(values)] for option, values in vary.items()} for number in range(members)]


def _check_trains_together(name: str, recipe: Recipe) -> None:
    if recipe.pretraining is not None:
        raise InvalidValue(f"{name}, recipe {recipe.name}, has pre-training, which an ensemble does not do.")
    if not recipe.objective.trains_together or recipe.optimizer == "levenberg_marquardt":
        raise InvalidValue(
            f"{name}, recipe {recipe.name}, cannot train the members of an ensemble together: they learn a label an "
            f"example, by gradient descent or Adam; this has the loss {recipe.loss} and {recipe.optimizer}."
        )


def _member(configuration: Configuration, number: int) -> keras.Model:
    own = int(np.random.SeedSequence([configuration.seed, number]).generate_state(1)[0])
    keras.utils.set_random_seed(own)
    model = create(configuration.model, **configuration.options)
    model.name = f"member_{number}"
    return model


def _together(ensemble: Ensemble, first: Configuration) -> keras.Model:
    """Returns a model with an output for each member, compiled to train them all."""
    members = ensemble.members
    compile_model(ensemble, first.recipe, steps_per_epoch=first.steps_per_epoch)
    inputs = keras.Input(members[0].input_shape[1:], name="input")
    outputs = [member(inputs) for member in members]
    together = keras.Model(inputs, outputs, name=f"{first.model}_ensemble")
    # What the recipe makes of the mean, which has a member's shape, it makes of each member.
    of_member = first.recipe.objective.compile_options(math.prod(members[0].output_shape[1:]))
    together.compile(
        ensemble.optimizer,
        loss=[of_member["loss"]] * len(members),
        loss_weights=of_member.get("loss_weights", [1.0]) * len(members),
        metrics=[first.recipe.objective.compile_options(1)["metrics"] for _ in members],
        jit_compile=False,
    )
    return together


def _repeated(first: Configuration, split: str, members: int) -> tuple[Any, Any]:
    part = first.dataset.splits[split]
    x, y = prepare(first.recipe, part.x, part.y, classes=first.dataset.classes)
    return x, [y] * members
