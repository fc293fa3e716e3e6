"""What a search costs and brings: python -m tests.benchmarks.tuning overhead|workers|gain

overhead: the seconds that a trial takes besides the bare training of the same net, compilation aside.
workers:  twenty equal trials by one worker and by two, on a core each.
gain:     thirty trials of `deep_mlp` on the embedded digits by Hyperband, against the default recipe.
"""

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
from zoo.tuning.results import read_results

EQUAL = tuning.space("deep_mlp").with_(
    depth=4, width=100, activation="relu", initializer="he", batch_size=32, learning_rate=tuning.Range(1e-3, 2e-3)
)


class Epochs(keras.callbacks.Callback):
    """Notes when each epoch ends."""

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
                watch = Epochs()
                fit(
                    model, data.train.x, data.train.y, epochs=epochs, batch_size=32, verbose=0,
                    validation_data=(data.validation.x, data.validation.y), validation_batch_size=1000,
                    callbacks=[watch] if kind == "bare" else [GradientRecorder(), watch],
                )  # fmt: skip
                seconds[kind].append(watch.ends[-1] - watch.ends[0])
            found = time_of_trial(Path(folder, str(repeat)), epochs)
            seconds["trial"].append(found)
            print("  ".join(f"{kind} {each[-1]:.2f} s" for kind, each in seconds.items()), flush=True)
    middle = {kind: statistics.median(each) for kind, each in seconds.items()}
    for kind in ("bare", "with a recorder"):
        print(f"a trial over {kind}: {100 * (middle['trial'] / middle[kind] - 1):+.1f} % of {middle[kind]:.2f} s")


def time_of_trial(project, epochs):
    """Returns the seconds from the end of a trial's first epoch to when the next could begin."""
    from zoo.tuning import tuner as tuners

    seen = {}
    begin, end, tell = tuners.Tuner.on_trial_begin, tuners.Tuner.on_trial_end, tuners.Tuner._tell

    def told(self, epoch, total):
        seen.setdefault("first", time.perf_counter())
        tell(self, epoch, total)

    def ended(self, trial):
        end(self, trial)
        seen["end"] = time.perf_counter()

    def began(self, trial):
        seen["begin"] = time.perf_counter()
        begin(self, trial)

    tuners.Tuner._tell, tuners.Tuner.on_trial_end, tuners.Tuner.on_trial_begin = told, ended, began
    try:
        tuning.search(
            EQUAL, "digits", algorithm="random", max_trials=1, epochs=epochs, project_dir=project, progress=False
        )
    finally:
        tuners.Tuner._tell, tuners.Tuner.on_trial_end, tuners.Tuner.on_trial_begin = tell, end, begin
    return seen["end"] - seen["first"]


def workers(trials=20, epochs=100):
    """Times the same search by one worker and by two; each has one core."""
    import os

    cores = sorted(os.sched_getaffinity(0))
    for count in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            os.sched_setaffinity(0, set(cores[:count]))
            start = time.perf_counter()
            tuning.search(
                EQUAL, "digits", algorithm="random", max_trials=trials, epochs=epochs, prune=False, vanishing=None,
                workers=count, project_dir=Path(folder, "search"), progress=False,
            )  # fmt: skip
            results = read_results(Path(folder, "search")).values()
            first = min(each["began"] for each in results)
            last = max(each["began"] + each["seconds"] for each in results)
            print(
                f"{count} workers: {time.perf_counter() - start:.1f} s, first to last trial {last - first:.1f} s",
                flush=True,
            )
    os.sched_setaffinity(0, set(cores))


def gain():
    """Compares the best of thirty trials with the default recipe, on validation."""
    with tempfile.TemporaryDirectory() as folder:
        default = zoo.train("deep_mlp", "digits", run_dir=Path(folder, "default"), progress=False)
        found = tuning.search("deep_mlp", "digits", max_trials=30, project_dir=Path(folder, "search"))
        winner = tuning.train(found.folder, run_dir=Path(folder, "winner"), progress=False)
        for name, run in (("default", default), ("winner", winner)):
            accuracy = run.metrics["val_accuracy"]
            print(
                f"{name}: validation accuracy {accuracy.max():.4f} at its best epoch, {accuracy.iloc[-1]:.4f} "
                f"after the last, test {run.test['accuracy']:.4f}"
            )
        print(found.words(found.best))


if __name__ == "__main__":
    {"overhead": overhead, "workers": workers, "gain": gain}[sys.argv[1]]()
