"""KerasTuner's four algorithms, with a state on disk that is whole at every moment."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.engine.trial import Trial

from zoo.errors import InvalidValue, RunFailed
from zoo.tuning.project import Algorithm
from zoo.utils.files import replacing
from zoo.utils.keras_private import set_oracle_random_state

FAILURES = 3  # from the first trial on, after which a search in which none succeeds ends
ENDLESS = 10**6  # repetitions of Hyperband: the number of trials ends it


class Kept(keras_tuner.Oracle):
    """An oracle that keeps its state, with all trials, in one file that is there whole or not at all.

    KerasTuner writes the state and every trial into files of their own, in place; between two of them, or
    within one, a killed search cannot be taken up again.
    """

    path: Path

    def save(self) -> None:
        """Writes the state."""
        content = {"oracle": self.get_state(), "trials": [trial.get_state() for trial in self.trials.values()]}
        with _deadly(), replacing(self.path) as temporary:
            temporary.write_text(json.dumps(content))

    def reload(self) -> None:
        """Reads the state; a trial that had not ended is the next to be tried again.

        Raises:
            RunFailed: The file is damaged.
        """
        try:
            content = json.loads(self.path.read_text())
            state = content["oracle"]
            self.trials = {each["trial_id"]: Trial.from_state(each) for each in content["trials"]}
            # A trial that has ended is written down before it is no longer among those that run.
            settled = {*state["retry_queue"], *state["end_order"]}
            begun = [trial for trial in state["ongoing_trials"].values() if trial not in settled]
            # It takes them from the end.
            state["retry_queue"] = [*state["retry_queue"], *sorted(begun, key=int, reverse=True)]
            state["ongoing_trials"] = {}
            self.set_state(state)
        except (ValueError, KeyError, TypeError) as error:
            raise RunFailed(f"{self.path} is damaged: {error!r}.") from error

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Returns the values of the next trial, or that there is none."""
        ended = [self.trials[each].status for each in self.end_order]
        if len(ended) >= FAILURES and set(ended) == {"FAILED"}:
            return {"status": "STOPPED", "values": None}
        with _deadly():
            return self.propose(trial_id)

    def propose(self, trial_id: str) -> dict[str, Any]:
        """Returns what the algorithm itself says."""
        return super().populate_space(trial_id)


@contextlib.contextmanager
def _deadly() -> Iterator[None]:
    """Ends a chief in which something goes wrong: KerasTuner would keep its lock, and all would wait for ever."""
    try:
        yield
    except Exception:
        if "chief" in os.environ.get("KERASTUNER_TUNER_ID", ""):
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        raise


class _Random(Kept, keras_tuner.oracles.RandomSearchOracle):
    pass


class _Hyperband(Kept, keras_tuner.oracles.HyperbandOracle):
    pass


class _Bayesian(Kept, keras_tuner.oracles.BayesianOptimizationOracle):
    def propose(self, trial_id: str) -> dict[str, Any]:
        # KerasTuner leaves this generator out of the state, and a search taken up again would draw
        # other points: here it follows from the seed and the trial.
        set_oracle_random_state(self, np.random.RandomState([self.seed, len(self.trials)]))
        from sklearn.exceptions import ConvergenceWarning
        from threadpoolctl import threadpool_limits

        with warnings.catch_warnings(), threadpool_limits(1):  # for matrices as small as these
            warnings.simplefilter("ignore", ConvergenceWarning)  # of the kernel's length, on few trials
            return super().propose(trial_id)


class _Grid(Kept):
    """Every combination in turn, the last parameter changing fastest, its default first.

    KerasTuner's own forgets where it stood when it is reloaded.
    """

    def propose(self, trial_id: str) -> dict[str, Any]:
        tried = [trial.hyperparameters.values for trial in self.trials.values()]
        for values in _combinations(self.get_space(), 0, {}):
            if values not in tried:
                return {"status": "RUNNING", "values": values}
        # A trial that runs may make new parameters known.
        return {"status": "IDLE" if self.ongoing_trials else "STOPPED", "values": None}


def _combinations(space: keras_tuner.HyperParameters, number: int, values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if number == len(space.space):
        yield dict(values)
        return
    parameter = space.space[number]
    space.values = values
    if not space.is_active(parameter):
        yield from _combinations(space, number + 1, values)
        return
    for value in dict.fromkeys([parameter.default, *sorted_if_numbers(parameter.values)]):
        yield from _combinations(space, number + 1, {**values, parameter.name: value})


def sorted_if_numbers(values: Any) -> list[Any]:
    """Returns a parameter's values, numbers in order: KerasTuner has those of a range without a step as a set."""
    values = list(values)
    return sorted(values) if all(isinstance(each, (int, float)) for each in values) else values


def make_oracle(
    algorithm: Algorithm,
    *,
    objective: tuple[str, str],
    max_trials: int | None,
    epochs: int,
    seed: int,
    path: Path,
) -> Kept:
    """Makes the oracle of a search.

    Args:
        algorithm: Its name.
        objective: A metric, and whether it is to be `"min"` or `"max"`.
        max_trials: How many trials; None, for the grid alone, for all combinations.
        epochs: Of a whole training.
        seed: Decides its draws.
        path: Where its state goes.

    Raises:
        InvalidValue: Hyperband cannot halve so few trials.
    """
    options: dict[str, Any] = {
        "objective": keras_tuner.Objective(*objective),
        "seed": seed + 1,  # it takes 0 for no seed
        # Beyond it KerasTuner raises with its lock held, and the chief hangs; see `Kept.populate_space`.
        "max_consecutive_failed_trials": ENDLESS,
    }
    oracle: Kept
    if algorithm == "hyperband":
        assert max_trials is not None
        factor = reduction(max_trials, epochs)
        oracle = _Hyperband(max_epochs=epochs, factor=factor, hyperband_iterations=ENDLESS, **options)
        oracle.max_trials = max_trials
    elif algorithm == "bayesian":
        assert max_trials is not None
        oracle = _Bayesian(max_trials=max_trials, num_initial_points=max(3, max_trials // 3), **options)
    elif algorithm == "random":
        oracle = _Random(max_trials=max_trials, **options)
    else:
        oracle = _Grid(max_trials=max_trials, **options)
    oracle.path, oracle.verbose = path, 0
    return oracle


def reduction(max_trials: int, epochs: int) -> int:
    """Returns the factor of successive halving whose first bracket fits into so many trials, as near to 3 as can be.

    A bracket begins with many short trainings and gives each next round, of a third as many, three times
    the epochs (Li et al., JMLR 18, 2018, algorithm 1). With 3 itself and 30 trials no training would ever be
    whole.

    Args:
        max_trials: How many trials there are.
        epochs: Of a whole training.

    Raises:
        InvalidValue: There is none.

    >>> reduction(30, 30), reduction(100, 30)
    (4, 3)
    """
    fitting = [factor for factor in range(3, epochs + 1) if sum(_rounds(epochs, factor)) <= max_trials]
    if fitting:
        return fitting[0]
    if epochs < 3:
        raise InvalidValue(f'Hyperband needs trainings of 3 epochs or more to shorten; got {epochs}. Take "random".')
    least = min(sum(_rounds(epochs, factor)) for factor in range(3, epochs + 1))
    raise InvalidValue(
        f"Hyperband needs {least} trials or more to halve trainings of {epochs} epochs; got {max_trials}. Take "
        '"random" or "bayesian" for fewer.'
    )


def _rounds(epochs: int, factor: int) -> list[int]:
    """Returns how many trials each round of the first bracket has, as KerasTuner counts them."""
    bracket, left = -1, float(epochs)
    while left >= 1:
        bracket, left = bracket + 1, left / factor
    size = math.ceil(1 + math.log(epochs, factor)) / (bracket + 1)
    return [math.ceil(size * factor ** (bracket - number)) for number in range(bracket + 1)]
