"""Costs and gains of a search: python -m tests.benchmarks.tuning overhead|workers|gain

overhead: seconds of a trial in addition to the bare training of the same model, without compilation.
workers:  twenty equal trials by one worker and by two, with one core each.
gain:     thirty trials of `deep_mlp` on the embedded digits by Hyperband, against the default recipe.
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import keras

import zoo
from zoo import datasets, tuning
from zoo.recipes.compiling import compile_model
from zoo.telemetry import GradientRecorder
from zoo.training import fit
from zoo.tuning.project import read_results

EQUAL = tuning.space("deep_mlp").with_(
    depth=4, width=100, activation="relu", initializer="he", batch_size=32, learning_rate=tuning.Range(1e-3, 2e-3)
)


class EpochTimes(keras.callbacks.Callback):
    """Records when each epoch ends."""

    def __init__(self):
        super().__init__()
        self.ends = []

    def on_epoch_end(self, epoch, logs=None):
        self.ends.append(time.perf_counter())


def overhead(repeats=3, epochs=100):
    """Alternates bare trainings, with and without a recorder, and trials; seconds after the first epoch."""
    data = datasets.load("digits")
    seconds = {"bare": [], "with a recorder": [], "trial": []}
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(repeats):
            for kind in ("bare", "with a recorder"):
                keras.utils.clear_session()
                keras.utils.set_random_seed(0)
                model = zoo.create("deep_mlp", input_shape=(8, 8, 1), width=100)
                compile_model(model, zoo.card("deep_mlp").recipe(), steps_per_epoch=41)
                times = EpochTimes()
                fit(
                    model, data.train.x, data.train.y, epochs=epochs, batch_size=32, verbose=0,
                    validation_data=(data.validation.x, data.validation.y), validation_batch_size=1000,
                    callbacks=[times] if kind == "bare" else [GradientRecorder(), times],
                )  # fmt: skip
                seconds[kind].append(times.ends[-1] - times.ends[0])
            seconds["trial"].append(time_trial(Path(folder, str(repeat)), epochs))
            print("  ".join(f"{kind} {values[-1]:.2f} s" for kind, values in seconds.items()), flush=True)
    medians = {kind: statistics.median(values) for kind, values in seconds.items()}
    for kind in ("bare", "with a recorder"):
        print(f"a trial over {kind}: {100 * (medians['trial'] / medians[kind] - 1):+.1f} % of {medians[kind]:.2f} s")


def time_trial(project, epochs):
    """Returns the seconds from the end of a trial's first epoch to when the next trial could begin."""
    from zoo.tuning import tuner
    from zoo.tuning.progress import TrialTable

    times = {}
    end, report = tuner.report_result, TrialTable.update_epoch

    def report_first(self, epoch, total):
        times.setdefault("first", time.perf_counter())
        report(self, epoch, total)

    def end_trial(oracle, trial, result):
        end(oracle, trial, result)
        times["end"] = time.perf_counter()

    TrialTable.update_epoch, tuner.report_result = report_first, end_trial
    try:
        tuning.search(
            EQUAL, "digits", algorithm="random", max_trials=1, epochs=epochs, project_dir=project, progress=False
        )
    finally:
        TrialTable.update_epoch, tuner.report_result = report, end
    return times["end"] - times["first"]


def workers(trials=20, epochs=100):
    """Times the same search by one worker and by two, with one core each."""
    cores = sorted(os.sched_getaffinity(0))
    for count in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            os.sched_setaffinity(0, set(cores[:count]))
            start = time.perf_counter()
            tuning.search(
                EQUAL, "digits", algorithm="random", max_trials=trials, epochs=epochs, prune=False, vanishing=None,
                workers=count, project_dir=Path(folder, "search"), progress=False,
            )  # fmt: skip
            seconds = time.perf_counter() - start
            results = read_results(Path(folder, "search")).values()
            first = min(result["began"] for result in results)
            last = max(result["began"] + result["seconds"] for result in results)
            print(f"{count} workers: {seconds:.1f} s, first to last trial {last - first:.1f} s", flush=True)
    os.sched_setaffinity(0, set(cores))


def gain():
    """Compares the best of thirty trials with the default recipe, on the validation set."""
    with tempfile.TemporaryDirectory() as folder:
        default = zoo.train("deep_mlp", "digits", run_dir=Path(folder, "default"), progress=False)
        result = tuning.search("deep_mlp", "digits", max_trials=30, project_dir=Path(folder, "search"))
        best = tuning.train(result.folder, run_dir=Path(folder, "best"), progress=False)
        for name, run in (("default", default), ("best", best)):
            accuracy = run.metrics["val_accuracy"]
            print(
                f"{name}: validation accuracy {accuracy.max():.4f} at its best epoch, {accuracy.iloc[-1]:.4f} "
                f"after the last, test {run.test['accuracy']:.4f}"
            )
        print(result.words(result.best))


if __name__ == "__main__":
    {"overhead": overhead, "workers": workers, "gain": gain}[sys.argv[1]]()
