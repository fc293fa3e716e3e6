"""A search, resolved and checked before anything starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from zoo import datasets
from zoo.errors import InvalidValue
from zoo.recipes import Recipe
from zoo.tuning.spaces import Space, make_space
from zoo.utils.constraints import Count, Seed, check, positive

if TYPE_CHECKING:
    from zoo.datasets import Dataset
    from zoo.tuning.hypermodels import HyperModel

Algorithm = Literal["hyperband", "bayesian", "random", "grid"]
SETTINGS: dict[str, Any] = {
    "algorithm": Algorithm,
    "max_trials": Count | None,
    "epochs": Count | None,
    "seed": Seed,
    "vanishing": Annotated[float, positive] | None,
    "prune": bool,
}
METRICS = {
    "max": ("accuracy", "likelihood", "gradient_ratio", "auc", "precision", "recall"),
    "min": ("loss", "error", "reconstruction"),
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Plan:
    """A search, resolved and checked.

    Args:
        model: Search space of a model of the zoo, or a custom builder.
        dataset: Dataset.
        objective: Metric and `"min"` or `"max"`.
        algorithm: Algorithm that proposes the trials.
        max_trials: Number of trials, or None for all combinations of a grid.
        epochs: Number of epochs of a full training.
        seed: Random seed of the search and of each training.
        vanishing: Ratio of the first layer's gradient to the last layer's below which a training ends, or None.
        prune: Whether a training that is worse than the median ends.
    """

    model: Space | HyperModel
    dataset: Dataset
    objective: tuple[str, str]
    algorithm: Algorithm
    max_trials: int | None
    epochs: int
    seed: int
    vanishing: float | None
    prune: bool

    @property
    def name(self) -> str:
        """Name of the model or the builder."""
        return self.model.model if isinstance(self.model, Space) else str(self.model.name)

    @property
    def space(self) -> Space | None:
        """Search space of a model of the zoo, or None for a custom builder."""
        return self.model if isinstance(self.model, Space) else None

    def to_dict(self) -> dict[str, Any]:
        """Returns the plan as plain values, for `search.json`."""
        return {
            "model": self.name,
            "dataset": {"name": self.dataset.name, "digest": self.dataset.digest},
            "objective": list(self.objective),
            **{name: getattr(self, name) for name in SETTINGS},
            **({"space": self.space.to_dict()} if self.space else {}),
        }


def make_plan(
    model: str | Space | HyperModel | Callable[..., Any],
    dataset: str | Dataset,
    *,
    objective: str | tuple[str, str] | None = None,
    recipe: str | Recipe | None = None,
    **settings: Any,
) -> Plan:
    """Checks the arguments of `search` and returns the plan.

    Args:
        model: As in `search`.
        dataset: As in `search`.
        objective: As in `search`.
        recipe: As in `search`.
        **settings: A value for each name of `SETTINGS`.
    """
    settings = {name: check(name, settings[name], annotation) for name, annotation in SETTINGS.items()}
    model = make_space(model, recipe) if isinstance(model, (str, Space)) else _make_hypermodel(model)
    settings["epochs"] = settings["epochs"] or (model.recipe.epochs if isinstance(model, Space) else 20)
    if settings["algorithm"] == "hyperband":
        settings["prune"] = False  # it has its own rule
    if settings["max_trials"] is None and settings["algorithm"] != "grid":
        settings["max_trials"] = 30
    if not isinstance(dataset, datasets.Dataset):
        dataset = datasets.load(dataset, seed=settings["seed"])
    has_validation = dataset.validation is not None
    if objective is None:
        headline = model.recipe.objective.headline if isinstance(model, Space) else "accuracy"
        objective = f"val_{headline}" if has_validation else headline
    return Plan(model=model, dataset=dataset, objective=_check_objective(objective, has_validation), **settings)


def _make_hypermodel(model: Any) -> Space | HyperModel:
    import keras_tuner

    from zoo.tuning.hypermodels import HyperModel, ZooHyperModel

    if isinstance(model, ZooHyperModel):
        return model.space
    if isinstance(model, HyperModel):
        return model
    build = model.build if isinstance(model, keras_tuner.HyperModel) else model
    if not callable(build):
        raise InvalidValue(f"model must be a model's name, a Space, a HyperModel or a function of hp; got {model!r}.")
    return HyperModel(build)


def _check_objective(objective: str | tuple[str, str], has_validation: bool) -> tuple[str, str]:
    if isinstance(objective, str):
        directions = [way for way, metrics in METRICS.items() if any(metric in objective for metric in metrics)]
        if not directions:
            raise InvalidValue(
                f'Cannot infer the direction of {objective}; pass objective=("{objective}", "max") or '
                f'("{objective}", "min"); on the command line, max:{objective} or min:{objective}.'
            )
        objective = (objective, directions[0])
    name, direction = objective
    if direction not in ("min", "max"):
        raise InvalidValue(f'The direction of the objective {name} must be "min" or "max"; got {direction!r}.')
    if name.startswith("val_") and not has_validation:
        raise InvalidValue(f"The objective {name} needs a validation set; the dataset has none.")
    return str(name), str(direction)
