"""What a run trains: everything that decides it, resolved and checked before anything starts."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo import datasets
from zoo.datasets import Dataset
from zoo.errors import InvalidValue
from zoo.models.catalogue import card
from zoo.models.origin import Origin
from zoo.recipes import LEGAL, Recipe
from zoo.recipes.recipe import tuples_from_lists
from zoo.utils.constraints import Seed, check


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """What a run trains, on what and how. Two equal configurations give the same run.

    Args:
        model: Name of the model.
        options: Every option of its builder.
        dataset: Data set.
        recipe: Recipe, with the caller's changes.
        seed: Random seed of the initial weights, the order of the examples and every other draw.
        unlabelled: Examples that the layers are pre-trained on, `(n, *input_shape)`: those of the training set,
            labelled or not, and those given in addition.
        validation: Requested size of the validation set, where the data set was loaded by its name. Defaults to None.
        labels: Number of labels of the training set that are used. Defaults to None, all of them.
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
        """Number of batches in an epoch, the last, smaller one included."""
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
        dataset: Dataset | None = None,
        epochs: int | None = None,
        unlabelled: np.ndarray | None = None,
    ) -> Configuration:
        """Returns the configuration that `to_dict` was called on; other keys are left alone.

        Args:
            content: What `to_dict` returned.
            dataset: Data set, where it cannot be loaded by its name.
            epochs: Number of epochs. Defaults to the same.
            unlabelled: Unlabelled examples that were given in addition.

        Raises:
            InvalidValue: A key is missing, or the data are not those that the configuration was made for.
        """
        names = ("model", "options", "dataset", "recipe", "seed", "validation", "labels", "unlabelled")
        if missing := [name for name in names if name not in content]:
            raise InvalidValue(f"A configuration must have {', '.join(names)}; {missing[0]} is missing.")
        expected = content["dataset"]
        configuration = resolve(
            content["model"],
            expected["name"] if dataset is None else dataset,
            recipe=Recipe.from_dict(content["recipe"]),
            epochs=epochs,
            validation=content["validation"] if dataset is None else None,
            seed=content["seed"],
            options=tuples_from_lists(content["options"]),
            labels=content["labels"],
            unlabelled=unlabelled,
        )
        if len(configuration.unlabelled) != content["unlabelled"]:
            raise InvalidValue(
                f"unlabelled must be the examples of before: the run was pre-trained on {content['unlabelled']} "
                f"examples; got {len(configuration.unlabelled)}."
            )
        given = configuration.to_dict()["dataset"]
        if any(given[key] != expected[key] for key in ("digest", "examples")):
            raise InvalidValue(
                f"The data set {expected['name']} is not the one that the run was trained on: its digest is "
                f"{given['digest'][:16]}..., with {given['examples']}; it was {expected['digest'][:16]}..., "
                f"with {expected['examples']}."
            )
        return configuration


def resolve(
    name: str,
    dataset: str | Dataset,
    *,
    recipe: str | Recipe | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    validation: float | int | None = None,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
    labels: int | None = None,
    unlabelled: np.ndarray | None = None,
    pretraining_epochs: int | None = None,
) -> Configuration:
    """Checks the arguments of `zoo.train`, which documents them, and fills in the rest.

    It neither builds a model nor imports TensorFlow.
    """
    model, options = card(name), options or {}
    recipe = recipe if isinstance(recipe, Recipe) else model.recipe(recipe)
    recipe = _change_recipe(recipe, epochs=epochs, batch_size=batch_size, learning_rate=learning_rate)
    if recipe.pretraining is None and (pretraining_epochs is not None or unlabelled is not None):
        argument = "unlabelled" if pretraining_epochs is None else "pretraining_epochs"
        raise InvalidValue(f"{argument} must be None: {name}, recipe {recipe.name}, has no pre-training.")
    if recipe.pretraining is not None and pretraining_epochs is not None:
        pretraining = dataclasses.replace(recipe.pretraining, epochs=pretraining_epochs)
        recipe = dataclasses.replace(recipe, pretraining=pretraining)
    seed = check("seed", seed, Seed)
    model.resolve(options)  # a misspelt option is told before data are loaded
    data = _load(dataset, validation, seed)
    examples = data.train.x
    if labels is not None:
        data = data.with_labels(labels, seed=seed)
    if unlabelled is not None:
        examples = np.concatenate([examples, _check_unlabelled(unlabelled, data.input_shape)])
    _check_labels(name, recipe, data)
    return Configuration(
        model=name,
        options=_resolve_options(name, recipe, options, data),
        dataset=data,
        recipe=recipe,
        seed=seed,
        unlabelled=examples,
        validation=validation,
        labels=labels,
    )


def _change_recipe(recipe: Recipe, **changes: Any) -> Recipe:
    given = {name: check(name, value, LEGAL[name]) for name, value in changes.items() if value is not None}
    return dataclasses.replace(recipe, **given)


def _resolve_options(name: str, recipe: Recipe, options: Mapping[str, Any], data: Dataset) -> dict[str, Any]:
    """Returns every option of the builder: the caller's, then the recipe's, then those that the data decide."""
    model = card(name)
    from_data = {"input_shape": data.input_shape, "classes": data.classes, "longest": data.longest}
    from_data = {key: value for key, value in from_data.items() if key in model.options}
    resolved = model.resolve({**recipe.options, **from_data, **options})
    for key, value in from_data.items():
        if resolved[key] != value:
            raise InvalidValue(f"{name}: {key} must be {value} for the data set {data.name}; got {resolved[key]}.")
    if recipe.weight_penalty and "l2" not in options:
        resolved["l2"] = recipe.weight_penalty / (2 * len(data.train))
    return resolved


def _check_labels(name: str, recipe: Recipe, data: Dataset) -> None:
    """Raises InvalidValue if the model learns sequences and the data have single labels, or the other way round."""
    takes_sequences = recipe.objective.targets == "sequences"
    if takes_sequences and data.longest is None:
        raise InvalidValue(
            f"{name} learns sequences, as in the data set digits_sequences; {data.name} has one label per example."
        )
    if data.longest is not None and not takes_sequences and recipe.objective.needs_labels:
        raise InvalidValue(
            f"{name} learns one label per example; {data.name} has sequences of up to {data.longest} digits. "
            "depth_cnn reads them."
        )


def _check_unlabelled(unlabelled: Any, shape: tuple[int, ...]) -> np.ndarray:
    unlabelled = np.asarray(unlabelled, "float32")
    if unlabelled.shape[1:] != shape or not len(unlabelled):
        raise InvalidValue(f"unlabelled must have shape (n, {', '.join(map(str, shape))}); got {unlabelled.shape}.")
    if not np.isfinite(unlabelled).all():
        raise InvalidValue("unlabelled must be finite; got NaN or infinite values.")
    return unlabelled


def _load(dataset: str | Dataset, validation: float | int | None, seed: int) -> Dataset:
    if not isinstance(dataset, Dataset):
        return datasets.load(dataset, validation=validation, seed=seed)
    if validation is not None:
        raise InvalidValue("validation must be None for a data set that is loaded already; give it to datasets.load.")
    return dataset
