"""The training in full of what a search found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zoo.errors import InvalidValue
from zoo.training import Run
from zoo.training import train as zoo_train
from zoo.tuning.results import best_of, read_results, read_search
from zoo.tuning.spaces import Space


def train(project_dir: str | Path, *, trial: int | None = None, **settings: Any) -> Run:
    """Trains a trial of a search in full, as `zoo.train` does it, with the search's seed and data.

    With as many epochs as the trial had, the run has the trial's numbers.

    Args:
        project_dir: The search's folder.
        trial: The trial's number; None takes the best.
        **settings: What `zoo.train` takes besides, as in `epochs=100`.

    Raises:
        InvalidValue: There is no search in the folder, no such trial, or none that succeeded.
    """
    project = Path(project_dir)
    content = read_search(project)
    if "space" not in content:
        raise InvalidValue(f"The search in {project} is of a builder of your own, which zoo train does not know.")
    results = {int(trial_id): result for trial_id, result in read_results(project).items()}
    if trial is None:
        name, direction = content["objective"]
        best = best_of(read_results(project), (name, direction))
        if best is None:
            raise InvalidValue(f"No trial in {project} has succeeded yet.")
        trial = int(best)
    if trial not in results:
        there = f"0 to {max(results)}" if results else "none"
        raise InvalidValue(f"{project} has no trial {trial}; there are {there}.")
    space = Space.from_dict(content["space"])
    recipe, options = space.apply(_values(space, results[trial]["values"]))
    fixed = {"epochs": content["epochs"], "seed": content["seed"]}
    given = {key: value for key, value in settings.items() if value is not None}
    return zoo_train(space.model, content["dataset"]["name"], recipe=recipe, options=options, **{**fixed, **given})


def _values(space: Space, values: dict[str, Any]) -> dict[str, Any]:
    from zoo.utils.tensorflow_import import import_tensorflow

    import_tensorflow()
    import keras_tuner

    hp = keras_tuner.HyperParameters()
    hp.values = dict(values)
    return space.draw(hp)
