"""The models of a search, read from its folder: each trial's, with the weights of its best epoch."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import InvalidValue, RunFailed
from zoo.models.origin import origin_of
from zoo.runs.folder import RunFolder
from zoo.tuning.project import read_results, read_search, trial_folder
from zoo.tuning.results import find_best
from zoo.utils.files import replacing
from zoo.utils.tensorflow_import import import_tensorflow

if TYPE_CHECKING:
    import keras
    import keras_tuner

    from zoo.tuning.builders import HyperModel

MODEL, WEIGHTS, BUILD = "model.keras", "model.weights.h5", "build.json"


def load_model(
    project_dir: str | Path, model: HyperModel | Callable[..., Any] | None = None, *, trial: int | None = None
) -> keras.Model:
    """Loads the model of a trial with the weights of its best epoch, also in another process than the search.

    Args:
        project_dir: Folder of the search.
        model: For a search of a custom builder, the builder; the model is compiled as the builder compiles it. A model
            of the zoo is not compiled, as in `zoo.load`. Defaults to None.
        trial: Number of the trial. Defaults to the best.

    Raises:
        InvalidValue: There is no search in the folder, no such trial or no model of it, or `model` is missing.
        RunFailed: The builder builds another model than that of the trial.

    >>> import tempfile, tuning
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     narrow = tuning.space("shallow_mlp").with_(hidden=5, batch_size=64)
    ...     few = {"algorithm": "random", "max_trials": 1, "epochs": 2}
    ...     result = tuning.search(narrow, "moons", **few, project_dir=f"{folder}/search", progress=False)
    ...     load_model(result.folder).count_params()
    27
    """
    project = Path(project_dir)
    content = read_search(project)
    import_tensorflow()
    is_of_zoo = "space" in content
    if (model is None) != is_of_zoo:
        kind = "a model of the zoo" if is_of_zoo else f"the custom builder {content['model']}"
        raise InvalidValue(
            f"model must be {'None' if is_of_zoo else 'its builder'}: the search in {project} is of {kind}."
        )
    folder = find_trial(project, trial)
    if model is None:
        import zoo

        return zoo.load(folder.path / MODEL)
    from zoo.tuning.builders import HyperModel

    builder = model if type(model) is HyperModel else HyperModel(model)
    built = builder.build(load_hyperparameters(project, trial=trial))
    load_weights(built, folder)
    return built


def load_hyperparameters(project_dir: str | Path, *, trial: int | None = None) -> keras_tuner.HyperParameters:
    """Loads the hyperparameters of a trial, as KerasTuner's `hp`.

    Args:
        project_dir: Folder of the search.
        trial: Number of the trial. Defaults to the best.

    Raises:
        InvalidValue: There is no search in the folder or no such trial.
    """
    import_tensorflow()
    import keras_tuner

    project = Path(project_dir)
    read_search(project)
    number = int(find_trial(project, trial).path.name.removeprefix("trial_"))
    trials = RunFolder(project).read_json("oracle.json")["trials"]
    states = {int(state["trial_id"]): state for state in trials}
    return keras_tuner.HyperParameters.from_config(states[number]["hyperparameters"])


def find_trial(project: Path, trial: int | None) -> RunFolder:
    """Returns the folder of a trial that has succeeded.

    Args:
        project: Folder of the search.
        trial: Number of the trial, or None for the best.

    Raises:
        InvalidValue: There is no such trial, or it failed or has not ended.
    """
    results = read_results(project)
    objective = tuple(read_search(project)["objective"])
    trial_id = find_best(results, objective) if trial is None else None
    if trial is None and trial_id is None:
        raise InvalidValue(f"No trial in {project} has succeeded yet.")
    if trial is not None:
        trial_id = next((name for name in results if int(name) == trial), None)
        if trial_id is None:
            trials = f"0 to {max(map(int, results))}" if results else "none"
            raise InvalidValue(f"{project} has no trial {trial}; there are {trials}.")
        if "objective" not in results[trial_id]:
            state = "failed" if "status" in results[trial_id] else "has not ended"
            raise InvalidValue(f"Trial {trial} in {project} {state}; it has no model.")
    return trial_folder(project, str(trial_id))


def write_model(folder: RunFolder, model: keras.Model) -> None:
    """Writes the model of a trial: a model of the zoo as a whole, and of another one its weights, if it has any."""
    if not model.built:
        return
    if origin_of(model):
        folder.write_model(MODEL, model)
        return
    folder.write_json(BUILD, json.loads(json.dumps(model.get_build_config() or {})))
    with replacing(folder.path / WEIGHTS) as temporary:
        model.save_weights(temporary)


def load_weights(model: keras.Model, folder: RunFolder) -> None:
    """Loads the weights of a trial into a model with its hyperparameters.

    Raises:
        InvalidValue: The trial has no model.
        RunFailed: They are the weights of another model.
    """
    path = next((folder.path / name for name in (MODEL, WEIGHTS) if (folder.path / name).is_file()), None)
    if path is None:
        raise InvalidValue(f"{folder.path} has no model: its training, or an earlier version of the zoo, made none.")
    if not model.built and (config := folder.read_json(BUILD)):
        model.build_from_config(config)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Skipping variable loading for optimizer")  # the model is not to go on
            model.load_weights(path)
    except (ValueError, KeyError, OSError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise RunFailed(f"The weights in {path} do not fit the model {model.name}: {reason}") from error
