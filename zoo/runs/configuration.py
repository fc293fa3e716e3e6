"""What a run trains: everything that decides the result, resolved and checked before anything starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from zoo import datasets
from zoo.datasets import Dataset
from zoo.errors import InvalidValue, unknown
from zoo.models.catalogue import card
from zoo.models.origin import Origin
from zoo.models.weights import weights_card
from zoo.recipes import Recipe
from zoo.utils.constraints import Count, Seed, check, non_negative
from zoo.utils.records import check_keys

_OPTIONAL = ("weights", "freeze", "class_weight", "patience")
_SOURCE_FIELDS = ("name", "title", "origin", "licence", "levels", "class_names")


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """What a run trains. Equal configurations give the same result.

    Args:
        model: Name of the model.
        options: Every option of its builder.
        dataset: Data set.
        recipe: Recipe, with the changes that the user made.
        seed: Random seed of the initial weights, of the order of the examples and of every other draw.
        unlabelled: Examples that the layers are pre-trained on, `(n, *input_shape)`: those of the training set with
            or without labels, and the additional ones.
        validation: Requested size of the validation set, if the data set was loaded by its name. Defaults to None.
        labels: Number of labelled training examples. Defaults to None, all of them.
        weights: Name of the pre-trained weights that the training begins with. Defaults to None.
        freeze: Whether only the output layer is trained. Defaults to False.
        class_weight: Weight of each class by its name. Defaults to None.
        patience: Number of epochs without a lower validation loss after which the training ends, with the best
            weights. Defaults to None, never.
    """

    model: str
    options: Mapping[str, Any]
    dataset: Dataset
    recipe: Recipe
    seed: int
    unlabelled: np.ndarray
    validation: float | int | None = None
    labels: int | None = None
    weights: str | None = None
    freeze: bool = False
    class_weight: Mapping[str, float] | None = None
    patience: int | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Number of batches in an epoch, the last, smaller one included."""
        return self.recipe.count_steps(len(self.dataset.train))

    @property
    def origin(self) -> Origin:
        """Where the trained model comes from."""
        data = {name: getattr(self.dataset.source, name) for name in _SOURCE_FIELDS} | self._loading
        data |= {"digest": self.dataset.digest, "validation": len(self.dataset.validation or ())}
        data["test_digest"] = self.dataset.test.digest
        return Origin(model=self.model, options=self.options, recipe=self.recipe, data=data, seed=self.seed)

    @property
    def _loading(self) -> dict[str, Any]:
        columns = {"columns": list(self.dataset.source.columns)} if self.dataset.source.columns else {}
        return {"loaded": dict(self.dataset.loaded), **columns}

    def to_dict(self) -> dict[str, Any]:
        """Returns the configuration as plain values, for `config.json`."""
        data, source = self.dataset, self.dataset.source
        return {
            "model": self.model,
            "options": dict(self.options),
            "dataset": {
                "name": source.name,
                **self._loading,
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
            **{name: getattr(self, name) for name in _OPTIONAL if getattr(self, name)},
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
        """Returns the configuration that `to_dict` was called on; other keys are ignored.

        Args:
            content: Content of `config.json`.
            dataset: Data set, if it cannot be loaded by its name.
            epochs: Number of epochs. Defaults to that of the configuration.
            unlabelled: Additional unlabelled examples.

        Raises:
            InvalidValue: A key is missing, or the data are not those of the configuration.
        """
        required = ("model", "options", "dataset", "recipe", "seed", "validation", "labels", "unlabelled")
        check_keys("A configuration", content, required)
        expected = content["dataset"]
        validation = content["validation"] if dataset is None else None
        if dataset is None and "loaded" in expected:
            loaded = check("loaded", expected["loaded"], Mapping[str, Any])
            if not loaded:
                raise InvalidValue(f"dataset must be given: {expected['name']} was not loaded by a name or a path.")
            dataset, validation = datasets.load(**loaded), None
        configuration = resolve(
            content["model"],
            expected["name"] if dataset is None else dataset,
            recipe=Recipe.from_dict(content["recipe"]),
            validation=validation,
            seed=content["seed"],
            options=check("options", content["options"], Mapping[str, Any]),
            labels=content["labels"],
            unlabelled=unlabelled,
            epochs=epochs,
            **{name: content[name] for name in _OPTIONAL if name in content},
        )
        actual = configuration.to_dict()["dataset"]
        if any(actual[key] != expected[key] for key in ("digest", "examples")):
            raise InvalidValue(
                f"The data set {expected['name']} is not the one that the run was trained on: its digest is "
                f"{actual['digest'][:16]}..., with {actual['examples']}; it was {expected['digest'][:16]}..., "
                f"with {expected['examples']}."
            )
        if len(configuration.unlabelled) != content["unlabelled"]:
            raise InvalidValue(
                f"unlabelled must be the same examples as before: the run was pre-trained on {content['unlabelled']} "
                f"examples; got {len(configuration.unlabelled)}."
            )
        return configuration


def resolve(
    name: str,
    dataset: str | Path | Dataset,
    *,
    recipe: str | Recipe | None = None,
    validation: float | int | None = None,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
    labels: int | None = None,
    unlabelled: np.ndarray | None = None,
    weights: str | None = None,
    freeze: bool = False,
    class_weight: Literal["balanced"] | Mapping[str, float] | None = None,
    patience: int | None = None,
    **changes: Any,
) -> Configuration:
    """Checks the arguments of `zoo.train`, which documents them, and completes them.

    It neither builds a model nor imports TensorFlow. The `changes` are those of `Recipe.change`.
    """
    model, options = card(name), options or {}
    recipe = (recipe if isinstance(recipe, Recipe) else model.recipe(recipe)).change(**changes)
    if recipe.pretraining is None and unlabelled is not None:
        raise InvalidValue(f"unlabelled must be None: the recipe {recipe.name} has no pre-training.")
    seed = check("seed", seed, Seed)
    if weights is not None:
        of_weights = _get_options_of(name, weights, recipe)
        for option, value in recipe.options.items():
            if of_weights.get(option, value) != value and option not in options:
                found = of_weights[option]
                raise InvalidValue(
                    f"The weights {weights} must have {option}={value}, as the recipe {recipe.name} needs; they have "
                    f"{found}."
                )
        options = {**of_weights, **options}
    elif check("freeze", freeze, bool):
        raise InvalidValue("freeze must be False without weights: the body would stay as it was drawn.")
    model.resolve(options)  # an unknown option is reported before the data are loaded
    data = _load(dataset, validation, seed)
    examples = data.train.x
    if labels is not None:
        data = data.with_labels(labels, seed=seed)
    if unlabelled is not None:
        examples = np.concatenate([examples, _check_unlabelled(unlabelled, data.input_shape)])
    _check_labels(name, recipe, data)
    if check("patience", patience, Count | None) and data.validation is None:
        raise InvalidValue("patience must be None without a validation set, whose loss it watches.")
    return Configuration(
        model=name,
        options=_resolve_options(name, recipe, options, data),
        dataset=data,
        recipe=recipe,
        seed=seed,
        unlabelled=examples,
        validation=validation,
        labels=labels,
        weights=weights,
        freeze=freeze,
        class_weight=_weight_classes(class_weight, recipe, data),
        patience=patience,
    )


def _get_options_of(name: str, weights: str, recipe: Recipe) -> dict[str, Any]:
    """Returns the options that pre-trained weights require, but for those that the data determine."""
    if recipe.pretraining is not None:
        raise InvalidValue(f"weights must be None for the recipe {recipe.name}, which has pre-training of its own.")
    trained = weights_card(name, weights).origin
    if trained.recipe and trained.recipe.input_scale != recipe.input_scale:
        raise InvalidValue(
            f"The recipe must scale its inputs by {trained.recipe.input_scale:g}, as for the weights {weights}; "
            f"{recipe.name} scales them by {recipe.input_scale:g}."
        )
    return {option: value for option, value in trained.options.items() if option not in ("classes", "longest", "l2")}


def _weight_classes(class_weight: Any, recipe: Recipe, data: Dataset) -> dict[str, float] | None:
    """Returns the weight of each class by its name; `"balanced"` weighs each class alike, as in scikit-learn."""
    if class_weight is None:
        return None
    if data.longest is not None or not recipe.objective.needs_labels:
        raise InvalidValue(f"class_weight must be None for the recipe {recipe.name}, which has no classes to weigh.")
    names = data.source.class_names
    if class_weight == "balanced":
        counts = data.class_counts["train"]
        return {name: len(data.train) / (len(names) * int(count)) for name, count in zip(names, counts, strict=True)}
    weights = check("class_weight", class_weight, Mapping[str, Annotated[float, non_negative]])
    for name in weights:
        if name not in names:
            raise unknown("class", name, names, of=data.name)
    return {name: float(weights.get(name, 1)) for name in names}


def _resolve_options(name: str, recipe: Recipe, options: Mapping[str, Any], data: Dataset) -> dict[str, Any]:
    """Returns every option of the builder: those of the user, of the recipe, and those that the data determine."""
    model = card(name)
    from_data = {"input_shape": data.input_shape, "classes": data.classes, "longest": data.longest}
    from_data = {key: value for key, value in from_data.items() if key in model.options}
    resolved = model.resolve({**recipe.options, **from_data, **options})
    for key, value in from_data.items():
        if resolved[key] != value:
            raise InvalidValue(f"{name}: {key} must be {value} for the data set {data.name}; got {resolved[key]}.")
    model.check(resolved)
    if recipe.weight_penalty and "l2" not in options:
        resolved["l2"] = recipe.weight_penalty / (2 * len(data.train))
    return resolved


def _check_labels(name: str, recipe: Recipe, data: Dataset) -> None:
    """Checks that the labels are sequences if the model learns sequences, and single labels otherwise."""
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


def _load(dataset: str | Path | Dataset, validation: float | int | None, seed: int) -> Dataset:
    if not isinstance(dataset, (str, Path, Dataset)):
        raise InvalidValue(
            f"dataset must be a name, a path or a data set, such as datasets.from_arrays(x, y); got "
            f"{type(dataset).__name__}."
        )
    if not isinstance(dataset, Dataset):
        return datasets.load(dataset, validation=validation, seed=seed)
    if validation is not None:
        raise InvalidValue("validation must be None for a loaded data set; pass it to datasets.load.")
    return dataset
