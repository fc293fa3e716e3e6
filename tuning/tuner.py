"""KerasTuner's tuner with the training of `run_trial`, and this process's part in a search."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import keras
import keras_tuner
import numpy as np

from zoo.distribution.processes import watch_server
from zoo.errors import RunFailed, ZooError
from zoo.loop.steps import make_variables
from zoo.tuning.builders import HyperModel
from zoo.tuning.execution import make_hypermodel
from zoo.tuning.failures import InvalidSearch, describe_failure, is_out_of_memory, make_objective_error
from zoo.tuning.oracles import make_oracle, report_result
from zoo.tuning.plan import Plan
from zoo.tuning.project import write_parameters
from zoo.tuning.trial import fail_trial, run_trial

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
        hypermodel = _Declaration(plan)
        super().__init__(oracle, hypermodel, directory=str(project.parent), project_name=project.name)

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

    def run_trials(self) -> None:
        """Trains the trials of the oracle, one after another, until it has no more."""
        worker = os.environ.get("KERASTUNER_TUNER_ID", "")
        while (trial := self._ask(wait=bool(worker))).status != "STOPPED":
            if trial.status != "RUNNING":
                continue
            self._progress.update()
            try:
                result = run_trial(
                    trial.hyperparameters, trial.trial_id, self._plan, self._project, worker=worker,
                    report=self._progress.update_epoch,
                )  # fmt: skip
            except InvalidSearch as error:
                if not worker:
                    raise
                result = fail_trial(self._project, trial.trial_id, str(error))  # the chief must hear of it
            report_result(self.oracle, trial, result)
            self._progress.update()

    def save(self) -> None:
        """Does nothing: the oracle saves its own state, and the tuner has none."""

    def _ask(self, *, wait: bool) -> Any:
        """Asks the oracle for a trial, a cluster's after a pause, since it may have none yet."""
        if wait:
            time.sleep(PAUSE)
        return self.oracle.create_trial(self.tuner_id)


class _Declaration(keras_tuner.HyperModel):
    """What KerasTuner builds once to find the hyperparameters; it shows too which metrics there will be.

    Args:
        plan: The search.
    """

    def __init__(self, plan: Plan) -> None:
        self._hypermodel, self._objective = make_hypermodel(plan, plan.seed), plan.objective[0]
        super().__init__(name=self._hypermodel.name)
        has_fit = isinstance(self._hypermodel, HyperModel) and self._hypermodel.has_fit
        self._is_checked = has_fit or bool(plan.callbacks)  # which may add metrics

    def declare_hyperparameters(self, hp: keras_tuner.HyperParameters) -> None:
        self._hypermodel.declare_hyperparameters(hp)

    def build(self, hp: keras_tuner.HyperParameters) -> Any:
        try:
            model = self._hypermodel.build(hp)
        except ZooError:
            raise
        except Exception as error:
            if is_out_of_memory(error):
                return None  # with other values it may fit
            raise RunFailed(f"The builder {self.name} failed: {describe_failure(error)}") from error
        if not self._is_checked:
            self._is_checked = True
            self._check_objective(model, hp)
        return model

    def _check_objective(self, model: keras.Model, hp: keras_tuner.HyperParameters) -> None:
        """Checks that the model has the objective, if it is a metric of the validation set, on one example of it.

        Raises:
            InvalidSearch: The model does not have it.
        """
        if not self._objective.startswith("val_"):
            return
        try:
            batch = tuple(np.asarray(part) for part in self._hypermodel.first_example(hp))
            make_variables(model, batch)
            metrics = model.test_step(batch)
        except Exception:  # the first trial reports it
            return
        if self._objective.removeprefix("val_") not in metrics:
            raise make_objective_error(self._objective, [*metrics, *(f"val_{name}" for name in metrics)])


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
        if os.environ.get("KERASTUNER_TUNER_ID"):
            tuner.search()  # the chief serves the workers
        else:
            tuner.run_trials()
        return
    address, port = os.environ["KERASTUNER_ORACLE_IP"], int(os.environ["KERASTUNER_ORACLE_PORT"])
    # KerasTuner's client would wait for an hour.
    watch_server(address, port, patience=PATIENCE, silence=SILENCE)
    try:
        tuner.run_trials()
    except grpc.RpcError as error:
        raise RunFailed(f"The chief at {address}:{port} cannot be reached any more.") from error
