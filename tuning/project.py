"""What a search is asked for, resolved and checked before anything starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from zoo import datasets
from zoo.errors import InvalidValue
from zoo.tuning.spaces import Space, space
from zoo.utils.constraints import Seed, at_least, check, positive

if TYPE_CHECKING:
    from zoo.tuning.hypermodel import HyperModel

Algorithm = Literal["hyperband", "bayesian", "random", "grid"]
MAXIMISED = ("accuracy", "likelihood", "gradient_ratio", "auc", "precision", "recall")
MINIMISED = ("loss", "error", "reconstruction")


@dataclass(frozen=True, eq=False)
class Plan:
    """A search, resolved and checked before anything starts.

    Args:
        name: What is searched for.
        data: The data set.
        space: What is varied of a model of the zoo.
        own: In its place, a builder of the user's own.
        algorithm: What proposes the trials.
        max_trials: How many; None for all of a grid.
        objective: A metric, and `"min"` or `"max"`.
        epochs: Of a whole training.
        seed: Decides every draw.
        vanishing: The first layer's gradient over the last one's, below which a training ends.
        prune: Whether one ends that is worse than the median.
        arguments: What `make_plan` was given, for another process to make it again.
    """

    name: str
    data: Any
    space: Space | None
    own: HyperModel | None
    algorithm: Algorithm
    max_trials: int | None
    objective: tuple[str, str]
    epochs: int
    seed: int
    vanishing: float | None
    prune: bool
    arguments: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Returns it as plain values, for `search.json`."""
        content: dict[str, Any] = {
            "model": self.name,
            "dataset": {"name": self.data.name, "digest": self.data.digest},
            "objective": list(self.objective),
        }
        for name in ("algorithm", "max_trials", "epochs", "seed", "vanishing", "prune"):
            content[name] = getattr(self, name)
        return {**content, **({"space": self.space.to_dict()} if self.space else {})}


def make_plan(
    model: Any, dataset: Any, algorithm: Any, max_trials: Any, objective: Any, epochs: Any, recipe: Any, seed: Any,
    vanishing: Any, prune: Any,
) -> Plan:  # fmt: skip
    """Checks what `search` was asked for and fills in the rest; it has the arguments."""
    arguments = dict(locals())
    algorithm = check("algorithm", algorithm, Algorithm)
    max_trials = check("max_trials", max_trials, Annotated[int, at_least(1)] | None)
    epochs = check("epochs", epochs, Annotated[int, at_least(1)] | None)
    seed = check("seed", seed, Seed)
    space_, own = None, None
    if isinstance(model, (str, Space)):
        space_ = space(model, recipe=recipe) if isinstance(model, str) else model
        if isinstance(model, Space) and recipe is not None:
            raise InvalidValue("A space has its recipe already; leave out recipe=.")
        name, epochs = space_.model, epochs or space_.recipe.epochs
    else:
        own = _own(model)
        name, epochs = str(own.name), epochs or 20
    data = dataset if isinstance(dataset, datasets.Dataset) else datasets.load(dataset, seed=seed)
    if max_trials is None and algorithm != "grid":
        max_trials = 30
    return Plan(
        name=name,
        data=data,
        space=space_,
        own=own.on(data, seed=seed) if own else None,
        algorithm=algorithm,
        max_trials=max_trials,
        objective=_objective(objective, space_, has_validation=data.validation is not None),
        epochs=epochs,
        seed=seed,
        vanishing=check("vanishing", vanishing, Annotated[float, positive] | None),
        prune=check("prune", prune, bool) and algorithm != "hyperband",
        arguments=arguments,
    )


def _own(model: Any) -> HyperModel:
    """Returns a builder of the user's own in the one form that a search takes."""
    import keras_tuner

    from zoo.tuning.hypermodel import HyperModel

    if isinstance(model, HyperModel):
        return model
    build = model.build if isinstance(model, keras_tuner.HyperModel) else model
    if not callable(build):
        raise InvalidValue(f"model must be a model's name, a Space, a HyperModel or a function of hp; got {model!r}.")
    return HyperModel(build)


def _objective(given: Any, space_: Space | None, *, has_validation: bool) -> tuple[str, str]:
    if given is None:
        given = space_.recipe.objective.headline if space_ else "accuracy"
        given = f"val_{given}" if has_validation else given
    if isinstance(given, str):
        known = {"max": MAXIMISED, "min": MINIMISED}
        direction = next((way for way, words in known.items() if any(word in given for word in words)), None)
        if direction is None:
            raise InvalidValue(
                f'Whether {given} is to be large or small is not plain: give objective=("{given}", "max") or "min"; '
                f"on the command line, max:{given} or min:{given}."
            )
        given = (given, direction)
    name, direction = given
    if direction not in ("min", "max"):
        raise InvalidValue(f'An objective is to be "min" or "max"; got {direction!r} for {name}.')
    if name.startswith("val_") and not has_validation:
        raise InvalidValue(f"The objective {name} needs a validation set, and the data have none.")
    return str(name), str(direction)
