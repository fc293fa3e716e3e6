"""All that decides a training run, resolved and checked before anything starts."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from zoo.utils.constraints import Seed, at_least, check, positive
from zoo.errors import InvalidValue
from zoo.models.origin import Origin
from zoo.recipes import Recipe
from zoo.models.catalogue import card

if TYPE_CHECKING:
    from zoo.datasets import Dataset



@dataclass(frozen=True, kw_only=True)
class Configuration:
    """What a run trains, on what and how; two equal ones give the same run.

    Args:
        model: The model's name.
        options: Every option of its builder.
        dataset: The data set.
        recipe: The recipe, with what the caller changed of it.
        seed: Decides the initial weights, the order of the examples and every other draw.
        unlabelled: Examples that the layers are pre-trained on, `(n, *input_shape)`: those of the training
            set, labelled or not, and those that were given besides.
        validation: What was asked to be kept for validation, where the data set was loaded by name.
        labels: How many labels of the training set are used, or None for all.
    """

    model: str
    options: Mapping[str, Any]
    dataset: Dataset
    recipe: Recipe
    seed: int
    unlabelled: np.ndarray
    validation: float | int | None = None
    labels: int | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Mini-batches in an epoch, the last, smaller one included."""
        return math.ceil(len(self.dataset.train) / self.recipe.batch_size)

    @property
    def origin(self) -> Origin:
        """Where the trained model comes from."""
        data, source = self.dataset, self.dataset.source
        return Origin(
            model=self.model,
            options=self.options,
            recipe=self.recipe,
            data={
                "name": source.name,
                "title": source.title,
                "origin": source.origin,
                "licence": source.licence,
                "digest": data.digest,
                "levels": source.levels,
                "validation": len(data.validation or ()),
                "class_names": list(source.class_names),
            },
            seed=self.seed,
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns the configuration as plain values, for `config.json`."""
        data, source = self.dataset, self.dataset.source
        return {
            "model": self.model,
            "options": dict(self.options),
            "dataset": {
                "name": source.name,
                "origin": source.origin,
                "licence": source.licence,
                "digest": data.digest,
                "input_shape": data.input_shape,
                "classes": data.classes,
                "examples": {name: len(split) for name, split in data.splits.items()},
            },
            "recipe": self.recipe.to_dict(),
            "steps_per_epoch": self.steps_per_epoch,
            "seed": self.seed,
            "validation": self.validation,
            "labels": self.labels,
            "unlabelled": len(self.unlabelled),
        }

    @classmethod
    def from_dict(
        cls,
        content: Mapping[str, Any],
        *,
        dataset: Dataset | None,
        epochs: int | None,
        unlabelled: np.ndarray | None = None,
    ) -> Configuration:
        """Returns the configuration that `to_dict` was called on.

        Args:
            content: What it returned.
            dataset: The data set, where it cannot be loaded by its name.
            epochs: Another number of epochs, or None for the same.
            unlabelled: The examples without labels that were given besides.

        Raises:
            InvalidValue: The data are not those that the configuration was made for.
        """
        options = {name: tuple(each) if isinstance(each, list) else each for name, each in content["options"].items()}
        known = content["dataset"]
        configuration = resolve(
            content["model"],
            known["name"] if dataset is None else dataset,
            recipe=Recipe(**content["recipe"]),
            epochs=epochs,
            batch_size=None,
            learning_rate=None,
            validation=content["validation"] if dataset is None else None,
            seed=content["seed"],
            options=options,
            labels=content["labels"],
            unlabelled=unlabelled,
        )
        if len(configuration.unlabelled) != content["unlabelled"]:
            raise InvalidValue(
                f"The run was pre-trained on {content['unlabelled']} examples; there are "
                f"{len(configuration.unlabelled)} now. Give unlabelled= as it was."
            )
        found = configuration.to_dict()["dataset"]
        if any(found[what] != known[what] for what in ("digest", "examples")):
            raise InvalidValue(
                f"The data set {known['name']} is not what the run was trained on: its digest is "
                f"{found['digest'][:16]}..., with {found['examples']}; it was {known['digest'][:16]}..., "
                f"with {known['examples']}."
            )
        return configuration


def resolve(
    name: str,
    dataset: str | Dataset,
    *,
    recipe: str | Recipe | None,
    epochs: int | None,
    batch_size: int | None,
    learning_rate: float | None,
    validation: float | int | None,
    seed: int,
    options: Mapping[str, Any],
    labels: int | None = None,
    unlabelled: np.ndarray | None = None,
    pretraining_epochs: int | None = None,
) -> Configuration:
    """Checks what `train` was asked for and fills in the rest; `train` has the arguments.

    It neither builds a model nor imports TensorFlow.
    """
    model = card(name)
    if not isinstance(recipe, Recipe):
        recipe = model.recipe(recipe)
    changes = {
        "epochs": None if epochs is None else check("epochs", epochs, Annotated[int, at_least(1)]),
        "batch_size": None if batch_size is None else check("batch_size", batch_size, Annotated[int, at_least(1)]),
        "learning_rate": (
            None if learning_rate is None else check("learning_rate", learning_rate, Annotated[float, positive])
        ),
    }
    recipe = dataclasses.replace(recipe, **{key: value for key, value in changes.items() if value is not None})
    if pretraining_epochs is not None:
        if recipe.pretraining is None:
            raise InvalidValue(f"{name}, recipe {recipe.name}, has no pre-training to give epochs to.")
        pretraining = dataclasses.replace(recipe.pretraining, epochs=pretraining_epochs)
        recipe = dataclasses.replace(recipe, pretraining=pretraining)
    if unlabelled is not None and recipe.pretraining is None:
        raise InvalidValue(f"{name}, recipe {recipe.name}, has no pre-training to use unlabelled examples in.")
    seed = check("seed", seed, Seed)
    model.resolve(options)

    data = _load(dataset, validation, seed)
    all_examples = data.train.x
    if labels is not None:
        data = data.with_labels(labels, seed=seed)
    if unlabelled is not None:
        all_examples = np.concatenate([all_examples, _checked(unlabelled, data.input_shape)])
    _check_labels(name, recipe, data)
    from_data = {"input_shape": data.input_shape, "classes": data.classes, "longest": data.longest}
    from_data = {key: value for key, value in from_data.items() if key in model.options}
    resolved = model.resolve(
        {**recipe.options, **options, **{key: from_data[key] for key in from_data if key not in options}}
    )
    for key, value in from_data.items():
        if resolved[key] != value:
            raise InvalidValue(f"{name}: {key} must be {value} for the data set {data.name}; got {resolved[key]}.")
    if recipe.weight_penalty and "l2" not in options:
        resolved["l2"] = recipe.weight_penalty / (2 * len(data.train))
    return Configuration(
        model=name,
        options=resolved,
        dataset=data,
        recipe=recipe,
        seed=seed,
        unlabelled=all_examples,
        validation=validation,
        labels=labels,
    )


def _check_labels(name: str, recipe: Recipe, data: Dataset) -> None:
    """Raises InvalidValue where examples have one label and the model learns sequences, or the other way round."""
    takes_sequences = recipe.objective.targets == "sequences"
    if takes_sequences and data.longest is None:
        raise InvalidValue(
            f"{name} learns to read sequences, as in the data set digits_sequences; {data.name} has one label an "
            f"example."
        )
    if data.longest is not None and not takes_sequences and recipe.objective.needs_labels:
        raise InvalidValue(
            f"{name} learns one label an example; {data.name} has sequences of up to {data.longest}, which depth_cnn "
            f"reads."
        )


def _checked(unlabelled: Any, shape: tuple[int, ...]) -> np.ndarray:
    unlabelled = np.asarray(unlabelled, "float32")
    if unlabelled.shape[1:] != shape or not len(unlabelled):
        raise InvalidValue(f"Unlabelled examples must have shape {shape} each; got an array of {unlabelled.shape}.")
    if not np.isfinite(unlabelled).all():
        raise InvalidValue("Unlabelled examples must be finite; some are NaN or infinite.")
    return unlabelled


def _load(dataset: str | Dataset, validation: float | int | None, seed: int) -> Dataset:
    from zoo import datasets

    if isinstance(dataset, datasets.Dataset):
        if validation is not None:
            raise InvalidValue("validation is decided when a data set is loaded; this one is loaded already.")
        return dataset
    return datasets.load(dataset, validation=validation, seed=seed)
