"""KerasTuner's tuner with the training of `run_trial`, and this process's part in a search."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import keras_tuner

from zoo.distribution.processes import watch_server
from zoo.errors import RunFailed
from zoo.tuning.oracles import make_oracle
from zoo.tuning.plan import Plan
from zoo.tuning.project import write_parameters
from zoo.tuning.trial import make_hypermodel, run_trial

if TYPE_CHECKING:
    from zoo.tuning.progress import TrialTable

PAUSE = 0.3  # seconds before a worker asks again for a trial
SILENCE = 15.0  # seconds without an answer of the chief after which a worker of a cluster ends
PATIENCE = 600.0  # the same before its first answer


class Tuner(keras_tuner.Tuner):
    """A tuner that trains with `zoo.training.fit` and resumes the search in its folder.

    Args:
        plan: The search.
        project: Folder of the search.
        progress: Table to keep up to date.
    """

    def __init__(self, plan: Plan, project: Path, progress: TrialTable) -> None:
        self._plan, self._project, self._progress = plan, project, progress
        oracle = make_oracle(plan, project / "oracle.json")
        super().__init__(oracle, make_hypermodel(plan), directory=str(project.parent), project_name=project.name)

    def resume(self) -> None:
        """Restores the state of a search that was interrupted.

        Raises:
            InvalidValue: The folder holds a search with other hyperparameters.
        """
        if not self._plan.space:
            parameters = {hp.name: [type(hp).__name__, hp.get_config()] for hp in self.oracle.get_space().space}
            write_parameters(self._project, parameters)
        if self.oracle.path.exists():
            self.oracle.reload()
            self.oracle.max_trials = self._plan.max_trials
        self.oracle.verbose = 0

    def run_trial(self, trial: Any, *_: Any, **__: Any) -> dict[str, float]:
        """Trains a trial and returns its objective."""
        result = run_trial(
            self.hypermodel,
            trial.hyperparameters,
            trial.trial_id,
            self._plan,
            self._project,
            worker=os.environ.get("KERASTUNER_TUNER_ID", ""),
            report=self._progress.update_epoch,
        )
        if result["status"] == "failed":
            raise keras_tuner.errors.FailedTrialError(result["error"])
        return {self._plan.objective[0]: result["objective"]}

    def pre_create_trial(self) -> None:
        """Waits before asking a cluster's chief, which may have no trial yet, for the next one."""
        if os.environ.get("KERASTUNER_TUNER_ID"):
            time.sleep(PAUSE)

    def on_trial_begin(self, trial: Any) -> None:
        """Shows the trial."""
        self._progress.update()

    def on_trial_end(self, trial: Any) -> None:
        """Reports the result to the oracle, which saves its state, and shows it."""
        self.oracle.end_trial(trial)
        self._progress.update()

    def save(self) -> None:
        """Does nothing: the oracle saves its own state, and the tuner has none."""


def run_tuner(plan: Plan, project: Path, progress: TrialTable, *, is_worker: bool) -> None:
    """Runs a search in this process; on a cluster, the part of the chief or of a worker.

    Args:
        plan: The search.
        project: Folder of the search.
        progress: Table to keep up to date.
        is_worker: Whether this process trains the trials of a chief on another machine.
    """
    tuner = Tuner(plan, project, progress)
    if not is_worker:
        tuner.resume()
        tuner.search()
        return
    address, port = os.environ["KERASTUNER_ORACLE_IP"], int(os.environ["KERASTUNER_ORACLE_PORT"])
    # KerasTuner's client would wait for an hour.
    watch_server(address, port, patience=PATIENCE, silence=SILENCE)
    try:
        tuner.search()
    except grpc.RpcError as error:
        raise RunFailed(f"The chief at {address}:{port} cannot be reached any more.") from error
