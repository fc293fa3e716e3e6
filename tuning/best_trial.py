"""Training the best trial of a search in full."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zoo.errors import InvalidValue
from zoo.training import Run
from zoo.training import train as zoo_train
from zoo.tuning.project import read_results, read_search
from zoo.tuning.results import find_best
from zoo.tuning.spaces import Space


def train(project_dir: str | Path, *, trial: int | None = None, **settings: Any) -> Run:
    """Trains a trial of a search in full as in `zoo.train`, with the seed and the data of the search.

    With the number of epochs of the trial, the run has the trial's numbers.

    Args:
        project_dir: Folder of the search.
        trial: Number of the trial. Defaults to the best.
        **settings: Other arguments of `zoo.train`, as in `epochs=100`.

    Raises:
        InvalidValue: There is no search in the folder, no such trial, or no trial that succeeded.
    """
    project = Path(project_dir)
    content = read_search(project)
    if "space" not in content:
        raise InvalidValue(f"The search in {project} is of a custom builder, which zoo.train cannot create.")
    results = {int(trial_id): result for trial_id, result in read_results(project).items()}
    if trial is None:
        best = find_best(read_results(project), tuple(content["objective"]))
        if best is None:
            raise InvalidValue(f"No trial in {project} has succeeded yet.")
        trial = int(best)
    if trial not in results:
        trials = f"0 to {max(results)}" if results else "none"
        raise InvalidValue(f"{project} has no trial {trial}; there are {trials}.")
    space = Space.from_dict(content["space"])
    recipe, options = space.apply(_draw_values(space, results[trial]["values"]))
    defaults = {"epochs": content["epochs"], "seed": content["seed"]}
    given = {name: value for name, value in settings.items() if value is not None}
    return zoo_train(space.model, content["dataset"]["name"], recipe=recipe, options=options, **{**defaults, **given})


def _draw_values(space: Space, values: dict[str, Any]) -> dict[str, Any]:
    from zoo.utils.tensorflow_import import import_tensorflow

    import_tensorflow()
    import keras_tuner

    hp = keras_tuner.HyperParameters()
    hp.values = dict(values)
    return space.draw(hp)
