"""Evaluation of trained models: `evaluate(model, "mnist")` returns metrics, `write` writes tables and figures."""

from __future__ import annotations

from pathlib import Path

from zoo.evaluation.evaluator import Evaluation, evaluate
from zoo.evaluation.measures import Interval, calibration, mean_interval, wilson

__all__ = ["Evaluation", "Interval", "calibration", "evaluate", "mean_interval", "wilson", "write"]


def write(evaluation: Evaluation, path: str | Path | None = None) -> Path:
    """Writes an evaluation: the metrics as `evaluation.json`, tables as CSV and figures as PNG.

    Args:
        evaluation: Result of `evaluate`.
        path: Folder, which must not exist. Defaults to `runs/evaluation-NAME-DATASET-DATE-TIME`.

    Raises:
        InvalidValue: The folder exists.
        RunFailed: It cannot be written.
    """
    from zoo.evaluation.figures import plot_confusion, plot_reliability, plot_worst
    from zoo.runs.folder import RunFolder, versions

    folder = RunFolder.create(path, name=f"evaluation-{evaluation.model}-{evaluation.dataset}")
    content = {
        "model": evaluation.model,
        "dataset": evaluation.dataset,
        "digest": evaluation.data.digest,
        "metrics": {name: interval._asdict() for name, interval in evaluation.metrics.items()},
        "calibration_error": evaluation.calibration_error,
        "versions": versions(),
    }
    folder.write_json("evaluation.json", content)
    if len(evaluation.confusion):
        folder.write_table("confusion.csv", evaluation.confusion.reset_index())
        folder.write_figure("confusion.png", plot_confusion(evaluation))
    if len(evaluation.calibration):
        folder.write_table("calibration.csv", evaluation.calibration)
        folder.write_figure("reliability.png", plot_reliability(evaluation))
    if (figure := plot_worst(evaluation)) is not None:
        folder.write_figure("worst.png", figure)
    return folder.path
