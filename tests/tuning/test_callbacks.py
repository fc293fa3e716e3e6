"""Callbacks and several trainings of a trial."""

import json
import statistics
import threading

import keras
import keras_tuner
import numpy as np
import pandas as pd
import pytest

import zoo
from zoo import datasets, tuning
from zoo.errors import InvalidValue
from zoo.tuning.callbacks import BestWeights, check_callbacks, copy_callbacks, describe_callbacks
from zoo.tuning.pruning import is_worse_than_median
from zoo.tuning.spaces import Choice
from zoo.tuning.summary import average

MOONS = datasets.load("moons")
FIXED = {"hidden": 5, "activation": "relu", "initializer": "he", "batch_size": 64}
SPACE = tuning.space("shallow_mlp").with_(**FIXED, learning_rate=Choice([0.01, 0.05]))


def search(folder, space=SPACE, **settings):
    settings = {"algorithm": "grid", "epochs": 3, "progress": False, **settings}
    return tuning.search(space, MOONS, project_dir=folder, **settings)


class Stop(keras.callbacks.Callback):
    """Ends a training after its second epoch, and notes the number of epochs that this copy has seen."""

    def __init__(self):
        super().__init__()
        self.epochs = 0

    def on_epoch_end(self, epoch, logs=None):
        self.epochs += 1
        logs["seen"] = self.epochs
        self.model.stop_training = self.epochs == 2


def test_each_training_has_its_own_copy_of_the_callbacks_which_may_add_the_objective(tmp_path):
    stop = Stop()
    frame = search(tmp_path / "search", callbacks=stop, objective=("seen", "max")).frame
    assert frame["epochs"].tolist() == [2, 2]
    assert frame["objective"].tolist() == [2.0, 2.0]
    assert stop.epochs == 0


def test_files_of_callbacks_have_a_folder_for_each_training(tmp_path):
    callbacks = [
        keras.callbacks.CSVLogger(tmp_path / "logs" / "log.csv"),
        keras.callbacks.ModelCheckpoint(str(tmp_path / "models" / "{epoch}.keras")),
        keras.callbacks.TensorBoard(tmp_path / "board"),
    ]
    result = search(tmp_path / "search", SPACE.with_(learning_rate=0.01), callbacks=callbacks, epochs=2)
    rows = pd.read_csv(tmp_path / "logs" / "0000" / "execution0" / "log.csv")
    assert rows["val_accuracy"].max() == pytest.approx(result.frame["objective"][0])
    names = {path.name for path in (tmp_path / "models" / "0000" / "execution0").iterdir()}
    assert names == {"1.keras", "2.keras"}
    events = list((tmp_path / "board" / "0000" / "execution0").rglob("events*"))  # as KerasTuner lays them out
    assert {path.parent.name for path in events} == {"execution0", "train", "validation"}


def test_tensorboard_shows_the_hyperparameters(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import plugin_data_pb2

    (board, hparams) = copy_callbacks((keras.callbacks.TensorBoard(tmp_path),), {"units": 3}, "02", 1)
    assert board.log_dir == str(tmp_path / "02" / "execution1")
    hparams.on_train_begin()
    hparams.on_train_end()
    events = EventAccumulator(board.log_dir).Reload()
    content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    values = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    assert values["units"].number_value == 3


@pytest.mark.large
@pytest.mark.filterwarnings("ignore")
def test_the_objective_is_the_mean_of_the_trainings_each_with_its_own_seed(tmp_path):
    space = SPACE.with_(learning_rate=0.01)
    result = search(tmp_path / "search", space, executions_per_trial=2, prune=False)
    runs = [
        zoo.train("shallow_mlp", MOONS, epochs=3, batch_size=64, learning_rate=0.01, seed=seed, progress=False,
                  options={"hidden": 5, "activation": "relu", "initializer": "he"}, run_dir=tmp_path / str(seed))
        for seed in (0, 1)
    ]  # fmt: skip
    best = [run.metrics["val_accuracy"].max() for run in runs]
    assert best[0] != best[1]
    assert result.frame["objective"][0] == pytest.approx(statistics.fmean(best))
    content = json.loads((result.folder / "trial_0000" / "result.json").read_text())
    assert content["executions"] == pytest.approx(best)
    model = tuning.load_model(result.folder)  # that of the better training
    accuracy = (model.predict(MOONS.validation.x, verbose=0).argmax(1) == MOONS.validation.y).mean()
    assert accuracy == pytest.approx(max(best))


@pytest.mark.filterwarnings("ignore")
def test_the_mean_is_that_of_kerastuner(tmp_path):
    class Drawn(keras_tuner.HyperModel):
        """Returns 0.2, 0.6, 0.2, 0.6 ... whatever the model."""

        def __init__(self):
            super().__init__()
            self.values = []

        def build(self, hp):
            hp.Choice("units", [2, 4])
            return keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])

        def fit(self, hp, model, *args, **kwargs):
            self.values.append(0.6 if len(self.values) % 2 else 0.2)
            return {"score": self.values[-1], "loss": 1.0}

    objective = keras_tuner.Objective("score", "max")
    tuner = keras_tuner.GridSearch(Drawn(), objective=objective, executions_per_trial=2, directory=tmp_path)
    tuner.search(MOONS.train.x, MOONS.train.y, verbose=0)
    expected = [trial.score for trial in tuner.oracle.trials.values()]
    frame = search(tmp_path / "search", Drawn(), objective=objective, executions_per_trial=2).frame
    assert frame["objective"].tolist() == pytest.approx(expected)
    assert frame["objective"].tolist() == pytest.approx([0.4, 0.4])


def test_results_are_averaged_name_by_name():
    results = [
        {"objective": 0.5, "best_epoch": 2, "history": [0.25, 0.5], "metrics": {"loss": 1.0}},
        {"objective": 1.0, "best_epoch": 1, "history": [0.75], "metrics": {"loss": 2.0}},
    ]
    assert average(results) == {"objective": 0.75, "best_epoch": 1, "history": [0.5], "metrics": {"loss": 1.5}}


class Unlike(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        ("EarlyStopping", "callbacks must be a sequence of Keras callbacks; got 'EarlyStopping'."),
        ([print], "callbacks must be a sequence of Keras callbacks; got <built-in function print> in it."),
        ([keras.callbacks.BackupAndRestore("backup")], "callbacks must not have BackupAndRestore"),
        ([Unlike()], "callbacks must be copied for each trial, and copy.deepcopy of Unlike fails: cannot pickle"),
    ],
)
def test_callbacks_that_a_search_cannot_honor_are_refused(tmp_path, callbacks, message):
    with pytest.raises(InvalidValue) as error:
        search(tmp_path / "search", callbacks=callbacks)
    assert message in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_search_with_other_callbacks_or_executions_is_another_search(tmp_path):
    one = {"algorithm": "random", "max_trials": 1, "epochs": 1}
    first = search(tmp_path / "search", callbacks=[keras.callbacks.EarlyStopping(patience=3)], **one)
    again = tuning.search(
        SPACE, MOONS, project_dir=first.folder, callbacks=[keras.callbacks.EarlyStopping(patience=3)], **one,
        progress=False,
    )  # fmt: skip
    assert again.frame.equals(first.frame)
    with pytest.raises(InvalidValue, match=r"callbacks was .*'patience': 3.*, is now .*'patience': 5"):
        search(tmp_path / "search", callbacks=[keras.callbacks.EarlyStopping(patience=5)], **one)
    with pytest.raises(InvalidValue, match="executions_per_trial was 1, is now 2"):
        search(tmp_path / "search", callbacks=check_callbacks(keras.callbacks.EarlyStopping(patience=3)),
               executions_per_trial=2, **one)  # fmt: skip
    with pytest.raises(InvalidValue, match=r"callbacks was .*EarlyStopping.*, is now \[\]"):
        search(tmp_path / "search", **one)


def test_a_callback_of_one_s_own_is_known_by_its_class():
    assert describe_callbacks((Stop(),)) == [{"class": "Stop"}]


def test_the_weights_of_the_best_epoch_are_kept():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    best = BestWeights(lambda logs: logs["score"], maximize=True)
    best.set_model(model)
    for epoch, score in enumerate([np.nan, 0.5, 0.9, np.inf, 0.9, 0.1]):
        model.set_weights([np.full((1, 1), epoch)])
        best.on_epoch_end(epoch, {"score": score})
    assert best.weights[0].item() == 2
    assert best.value == 0.9


def test_epochs_without_a_finite_objective_do_not_count_for_the_median():
    nan = float("nan")
    others = [[0.4, nan], [nan, 0.8], [nan, nan]]  # means of 0.4 and 0.8
    assert is_worse_than_median([nan, 0.5], others, maximize=True)
    assert not is_worse_than_median([nan, 0.7], others, maximize=True)
    assert not is_worse_than_median([nan, nan], others, maximize=True)
