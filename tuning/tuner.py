"""KerasTuner's tuner, with our training inside a trial and our files for its state."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras_tuner

from zoo.tuning.hypermodel import ZooModel
from zoo.tuning.oracles import Kept, make_oracle
from zoo.tuning.trial import Trainable, run_trial

if TYPE_CHECKING:
    from zoo.tuning.live_table import LiveTable
    from zoo.tuning.project import Plan

PAUSE = 0.3  # seconds before a worker asks again for a trial, when there was none yet


class Tuner(keras_tuner.Tuner):
    """A tuner that trains a trial with `zoo.training.fit`, and never clears its folder.

    Args:
        plan: The search.
        project: Its folder.
        oracle: What proposes the trials.
        hypermodel: What is trained.
    """

    def __init__(self, plan: Plan, project: Path, oracle: Kept, hypermodel: keras_tuner.HyperModel) -> None:
        self._plan, self._project = plan, project
        self._trainable: Any = hypermodel
        self._was_idle = False
        self.live: LiveTable | None = None
        super().__init__(oracle, hypermodel, directory=str(project.parent), project_name=project.name)

    def parameters(self) -> dict[str, Any]:
        """Returns what KerasTuner knows of each parameter, to compare two searches by."""
        return {each.name: [type(each).__name__, each.get_config()] for each in self.oracle.get_space().space}

    def begin(self, max_trials: int | None) -> None:
        """Takes up the state of the search, if there is one."""
        if self.oracle.path.exists():
            self.oracle.reload()
            self.oracle.max_trials = max_trials
        self.oracle.verbose = 0

    def run_trial(self, trial: Any, *_: Any, **__: Any) -> dict[str, float]:
        """Trains a trial and returns its metrics at the best epoch."""
        trainable: Trainable = self._trainable
        result = run_trial(
            trainable,
            trial.hyperparameters,
            trial.trial_id,
            project=self._project,
            objective=self._plan.objective,
            epochs=self._plan.epochs,
            seed=self._plan.seed,
            vanishing=self._plan.vanishing,
            prune=self._plan.prune,
            worker=os.environ.get("KERASTUNER_TUNER_ID", ""),
            tell=self._tell,
        )
        return {self._plan.objective[0]: result["objective"]}

    def pre_create_trial(self) -> None:
        """Lets a worker wait a moment where there was no trial for it."""
        if self._was_idle:
            time.sleep(PAUSE)
        self._was_idle = True

    def on_trial_begin(self, trial: Any) -> None:
        """Shows the trial."""
        self._was_idle = False
        self._look()

    def on_trial_end(self, trial: Any) -> None:
        """Tells the oracle, which writes its state, and shows the result."""
        self.oracle.end_trial(trial)
        self._look()

    def save(self) -> None:
        """Does nothing: the oracle writes its own state, and the tuner has none."""

    def _look(self) -> None:
        if self.live:
            self.live.update()

    def _tell(self, epoch: int, epochs: int) -> None:
        if self.live:
            self.live.tell(epoch, epochs)


def make_tuner(plan: Plan, project: Path) -> Tuner:
    """Makes the tuner of a search; in a cluster, the chief's or a worker's."""
    hypermodel: keras_tuner.HyperModel
    if plan.space:
        hypermodel = ZooModel(plan.space, plan.data, epochs=plan.epochs, seed=plan.seed)
    else:
        assert plan.own is not None
        hypermodel = plan.own
    oracle = make_oracle(
        plan.algorithm,
        objective=plan.objective,
        max_trials=plan.max_trials,
        epochs=plan.epochs,
        seed=plan.seed,
        path=project / "oracle.json",
    )
    return Tuner(plan, project, oracle, hypermodel)
