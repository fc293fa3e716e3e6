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
    from zoo.tuning.builders import HyperModel
    from zoo.tuning.callbacks import Callbacks

Algorithm = Literal["hyperband", "bayesian", "random", "grid"]
SETTINGS: dict[str, Any] = {
    "algorithm": Algorithm,
    "max_trials": Count | None,
    "epochs": Count | None,
    "seed": Seed,
    "vanishing": Annotated[float, positive] | None,
    "prune": bool,
    "executions_per_trial": Count,
}
RATIO = "gradient_ratio"  # of the first layer's to the last layer's, a metric of every training with records
METRICS = {
    "max": ("accuracy", "likelihood", RATIO, "auc", "precision", "recall"),
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
        executions_per_trial: Number of trainings of a trial, whose objectives are averaged.
        callbacks: Callbacks, which are copied for each training.
        passes_epochs: Whether a hypermodel's own `fit` is passed the number of epochs. Defaults to True.
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
    executions_per_trial: int
    callbacks: Callbacks
    passes_epochs: bool = True

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
        from zoo.tuning.callbacks import describe_callbacks

        return {
            "model": self.name,
            "dataset": {
                "name": self.dataset.name,
                "digest": self.dataset.digest,
                "loaded": dict(self.dataset.loaded),
            },
            "objective": list(self.objective),
            **{name: getattr(self, name) for name in SETTINGS},
            "callbacks": describe_callbacks(self.callbacks),
            **({"space": self.space.to_dict()} if self.space else {}),
        }


def make_plan(
    model: str | Space | HyperModel | Callable[..., Any],
    dataset: str | Dataset,
    *,
    objective: Any = None,
    recipe: str | Recipe | None = None,
    executions_per_trial: int = 1,
    callbacks: Any = (),
    **settings: Any,
) -> Plan:
    """Checks the arguments of `search` and returns the plan.

    Args:
        model: As in `search`.
        dataset: As in `search`.
        objective: As in `search`.
        recipe: As in `search`.
        executions_per_trial: As in `search`.
        callbacks: As in `search`.
        **settings: A value for each other name of `SETTINGS`.
    """
    settings["executions_per_trial"] = executions_per_trial
    settings = {name: check(name, settings[name], annotation) for name, annotation in SETTINGS.items()}
    own_data = getattr(model, "dataset", None)
    model = make_space(model, recipe) if isinstance(model, (str, Space)) else _make_hypermodel(model, recipe, settings)
    if settings["algorithm"] == "hyperband":
        settings["prune"] = False  # it has its own rule
    passes_epochs = isinstance(model, Space) or _passes_epochs(model, settings)
    settings["epochs"] = settings["epochs"] or (model.recipe.epochs if isinstance(model, Space) else 20)
    if settings["max_trials"] is None and settings["algorithm"] != "grid":
        settings["max_trials"] = 30
    if callbacks:
        from zoo.tuning.callbacks import check_callbacks

        callbacks = check_callbacks(callbacks)
    if not isinstance(dataset, datasets.Dataset):
        dataset = datasets.load(dataset, seed=settings["seed"])
    if isinstance(own_data, datasets.Dataset) and own_data.digest != dataset.digest:
        raise InvalidValue(f"dataset must be that of the hypermodel, {own_data.name}; got {dataset.name}.")
    has_validation = dataset.validation is not None
    if objective is None:
        headline = model.recipe.objective.headline if isinstance(model, Space) else "accuracy"
        objective = f"val_{headline}" if has_validation else headline
    objective = _check_objective(objective, has_validation)
    return Plan(
        model=model, dataset=dataset, objective=objective, callbacks=tuple(callbacks), passes_epochs=passes_epochs,
        **settings,
    )  # fmt: skip


def _make_hypermodel(model: Any, recipe: Any, settings: dict[str, Any]) -> Space | HyperModel:
    """Returns the search space of a model of the zoo, or a custom builder. Sets the epochs of a hypermodel."""
    import keras_tuner

    from zoo.tuning.builders import HyperModel
    from zoo.tuning.hypermodels import ZooHyperModel

    if recipe is not None:
        raise InvalidValue(f"recipe must be None unless model is the name of a model; got {recipe!r}.")
    if type(model) is ZooHyperModel:
        for name in ("epochs", "seed"):
            value = getattr(model, name)
            if value and settings[name] not in (None, value):
                raise InvalidValue(f"{name} must be that of the hypermodel, {value}; got {settings[name]}.")
        settings["epochs"] = settings["epochs"] or model.epochs
        return model.space
    if type(model) is HyperModel:
        return model
    if not callable(model) and not isinstance(model, keras_tuner.HyperModel):
        raise InvalidValue(f"model must be a model's name, a Space, a HyperModel or a function of hp; got {model!r}.")
    return HyperModel(model)


def _passes_epochs(model: HyperModel, settings: dict[str, Any]) -> bool:
    """Returns whether a hypermodel's own `fit` is passed the number of epochs: if it is given, or asked for."""
    if settings["algorithm"] == "hyperband":
        model.check_fit("epochs", "initial_epoch")
    elif settings["epochs"] is not None:
        model.check_fit("epochs")
    else:
        return not model.has_fit or model.names_in_fit("epochs")
    return True


def _check_objective(objective: Any, has_validation: bool) -> tuple[str, str]:
    if hasattr(objective, "direction") and not hasattr(objective, "objectives"):  # keras_tuner.Objective
        objective = (objective.name, objective.direction)
    is_pair = isinstance(objective, (tuple, list)) and len(objective) == 2 and isinstance(objective[0], str)
    if not isinstance(objective, str) and not is_pair:
        raise InvalidValue(f'objective must be a metric, or a metric and "min" or "max"; got {objective!r}.')
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
