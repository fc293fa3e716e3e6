"""KerasTuner's algorithms, with their state in one file that is replaced as a whole."""

from __future__ import annotations

import contextlib
import json
import math
import os
import traceback
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.engine.trial import Trial

from zoo.distribution.processes import exit_now
from zoo.errors import InvalidValue, RunFailed
from zoo.tuning.failures import explain_disk_failure, find_disk_failure
from zoo.tuning.plan import Plan
from zoo.utils.files import replacing
from zoo.utils.keras_private import set_oracle_random_state, skip_trial_files

MAX_FAILURES = 3  # failed trials after which a search without any successful one ends
ENDLESS = 10**6  # iterations of Hyperband, which the number of trials ends


class FileOracle(keras_tuner.Oracle):
    """An oracle that keeps its state and all trials in one file.

    KerasTuner writes the state and each trial in place into files of their own. A search that is killed between two
    of them, or while one is written, cannot be resumed.
    """

    path: Path

    def save(self) -> None:
        """Writes the state."""
        content = {"oracle": self.get_state(), "trials": [trial.get_state() for trial in self.trials.values()]}
        with replacing(self.path) as temporary:
            temporary.write_text(json.dumps(content))

    def reload(self) -> None:
        """Reads the state; trials that had not ended are the next to run.

        Raises:
            RunFailed: The file is damaged.
        """
        try:
            content = json.loads(self.path.read_text())
            state = content["oracle"]
            self.trials = {trial["trial_id"]: Trial.from_state(trial) for trial in content["trials"]}
            # KerasTuner saves the state before it removes an ended trial from the ongoing ones.
            ended = {*state["retry_queue"], *state["end_order"]}
            ongoing = [trial for trial in state["ongoing_trials"].values() if trial not in ended]
            # It takes the last of the queue first.
            state["retry_queue"] = [*state["retry_queue"], *sorted(ongoing, key=int, reverse=True)]
            state["ongoing_trials"] = {}
            self.set_state(state)
        except (ValueError, KeyError, TypeError) as error:
            raise RunFailed(f"{self.path} is damaged: {error!r}.") from error

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Returns the values of the next trial, or a status that there is none."""
        ended = [self.trials[ended_id].status for ended_id in self.end_order]
        if len(ended) >= MAX_FAILURES and set(ended) == {"FAILED"}:
            return {"status": "STOPPED", "values": None}
        return self.propose(trial_id)

    def create_trial(self, tuner_id: str) -> Any:
        """Returns the next trial for a worker."""
        with self._exiting_chief():
            return super().create_trial(tuner_id)

    def update_trial(self, trial_id: str, metrics: Any, step: int = 0) -> Any:
        """Records the metrics of a trial."""
        with self._exiting_chief():
            return super().update_trial(trial_id, metrics, step=step)

    def end_trial(self, trial: Any) -> None:
        """Ends a trial."""
        with self._exiting_chief():
            super().end_trial(trial)

    def propose(self, trial_id: str) -> dict[str, Any]:
        """Returns what the algorithm proposes."""
        return super().populate_space(trial_id)

    @contextlib.contextmanager
    def _exiting_chief(self) -> Iterator[None]:
        """Ends a cluster's chief on an error: KerasTuner would keep its lock, and all workers would wait forever."""
        try:
            yield
        except Exception as error:
            if "chief" in os.environ.get("KERASTUNER_TUNER_ID", ""):
                if reason := find_disk_failure(error):
                    exit_now(explain_disk_failure(self.path.parent, reason))
                traceback.print_exc()
                exit_now()
            raise


class _Random(FileOracle, keras_tuner.oracles.RandomSearchOracle):
    pass


class _Hyperband(FileOracle, keras_tuner.oracles.HyperbandOracle):
    pass


class _Bayesian(FileOracle, keras_tuner.oracles.BayesianOptimizationOracle):
    def propose(self, trial_id: str) -> dict[str, Any]:
        # From the seed and the trial, so that a resumed search proposes the same points.
        set_oracle_random_state(self, np.random.RandomState([self.seed, len(self.trials)]))
        from sklearn.exceptions import ConvergenceWarning
        from threadpoolctl import threadpool_limits

        with warnings.catch_warnings(), threadpool_limits(1):  # faster for small matrices
            warnings.simplefilter("ignore", ConvergenceWarning)  # the kernel's length, after few trials
            return super().propose(trial_id)


class _Grid(FileOracle):
    """Every combination of values, the last parameter changing fastest, its default first.

    KerasTuner's own oracle does not save its position.
    """

    def propose(self, trial_id: str) -> dict[str, Any]:
        tried = [trial.hyperparameters.values for trial in self.trials.values()]
        for values in _combine(self.get_space(), 0, {}):
            if values not in tried:
                return {"status": "RUNNING", "values": values}
        # A running trial may add parameters.
        return {"status": "IDLE" if self.ongoing_trials else "STOPPED", "values": None}


def _combine(space: keras_tuner.HyperParameters, index: int, values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yields the combinations of the parameters from `index` on with the values of those before."""
    if index == len(space.space):
        yield dict(values)
        return
    parameter = space.space[index]
    space.values = values
    if not space.is_active(parameter):
        yield from _combine(space, index + 1, values)
        return
    options = list(parameter.values)
    if all(isinstance(value, (int, float)) for value in options):
        options.sort()  # KerasTuner has the values of a range without a step as a set
    for value in dict.fromkeys([parameter.default, *options]):
        yield from _combine(space, index + 1, {**values, parameter.name: value})


def make_oracle(plan: Plan, path: Path) -> FileOracle:
    """Creates the oracle of a search.

    Args:
        plan: The search.
        path: File of its state.

    Raises:
        InvalidValue: There are too few trials for Hyperband.
    """
    options: dict[str, Any] = {
        "objective": keras_tuner.Objective(*plan.objective),
        "seed": plan.seed + 1,  # 0 would be no seed
        # Beyond this number KerasTuner raises with its lock held and the chief hangs; see `MAX_FAILURES`.
        "max_consecutive_failed_trials": ENDLESS,
    }
    oracle: FileOracle
    if plan.algorithm == "grid":
        oracle = _Grid(max_trials=plan.max_trials, **options)
    elif plan.algorithm == "random":
        oracle = _Random(max_trials=plan.max_trials, **options)
    else:
        assert plan.max_trials is not None
        if plan.algorithm == "hyperband":
            factor = choose_factor(plan.max_trials, plan.epochs)
            oracle = _Hyperband(max_epochs=plan.epochs, factor=factor, hyperband_iterations=ENDLESS, **options)
            oracle.max_trials = plan.max_trials
        else:
            initial = max(3, plan.max_trials // 3)
            oracle = _Bayesian(max_trials=plan.max_trials, num_initial_points=initial, **options)
    oracle.path, oracle.verbose = path, 0
    skip_trial_files(oracle)
    return oracle


def report_result(oracle: Any, trial: Trial, result: Mapping[str, Any]) -> None:
    """Ends a trial with its result.

    Args:
        oracle: Oracle of the search, or a cluster's client of it.
        trial: The trial.
        result: Content of its `result.json`.
    """
    if "hyperparameters" in result:
        trial.hyperparameters = keras_tuner.HyperParameters.from_config(result["hyperparameters"])
    if result["status"] == "failed":
        trial.status, trial.message = "FAILED", result["error"]
    else:
        oracle.update_trial(trial.trial_id, {oracle.objective.name: result["objective"]})
        trial.status = "COMPLETED"
    oracle.end_trial(trial)


def choose_factor(max_trials: int, epochs: int) -> int:
    """Returns the factor of successive halving, as near to 3 as possible, whose first bracket fits into the trials.

    A bracket starts with many short trainings and gives each next round, with a third of them, three times the epochs
    (Li et al., JMLR 18, 2018, algorithm 1). With a factor of 3 and 30 trials, no training would ever be full.

    Args:
        max_trials: Number of trials.
        epochs: Number of epochs of a full training.

    Raises:
        InvalidValue: No factor fits.

    >>> choose_factor(30, 30), choose_factor(100, 30)
    (4, 3)
    """
    if epochs < 3:
        raise InvalidValue(f'Hyperband needs trainings of 3 epochs or more to shorten; got {epochs}. Use "random".')
    sizes = {factor: sum(_count_trials(epochs, factor)) for factor in range(3, epochs + 1)}
    for factor, size in sizes.items():
        if size <= max_trials:
            return factor
    raise InvalidValue(
        f"Hyperband needs {min(sizes.values())} trials or more to halve trainings of {epochs} epochs; got "
        f'{max_trials}. Use "random" or "bayesian" for fewer.'
    )


def _count_trials(epochs: int, factor: int) -> list[int]:
    """Returns the number of trials in each round of the first bracket, as KerasTuner counts them."""
    bracket, left = -1, float(epochs)
    while left >= 1:
        bracket, left = bracket + 1, left / factor
    size = math.ceil(1 + math.log(epochs, factor)) / (bracket + 1)
    return [math.ceil(size * factor ** (bracket - number)) for number in range(bracket + 1)]
