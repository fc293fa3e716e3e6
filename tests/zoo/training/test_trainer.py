import dataclasses
import json
import re

import keras
import pandas as pd
import pytest

import zoo
from zoo import datasets
from zoo.errors import InvalidValue, RunFailed, UnknownName
from zoo.loop.acceleration import MODES
from zoo.loop.checkpoint import Checkpoint
from zoo.training import stage
from zoo.training import table_writer as tables

FILES = {
    "checkpoint.npz",
    "config.json",
    "metrics.csv",
    "gradients.csv",
    "gradient_details.csv",
    "model.keras",
    "learning_curve.png",
    "gradients.png",
    "result.json",
}


def train(folder, name="deep_mlp", dataset="moons", **arguments):
    return zoo.train(name, dataset, **{"epochs": 2, "run_dir": folder, "progress": False, **arguments})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A small run that the tests do not change."""
    return train(tmp_path_factory.mktemp("small") / "run")


def test_a_run_writes_all_its_files_and_no_others(run):
    assert {path.name for path in run.folder.iterdir()} == FILES
    assert run.status == "finished"
    for name in ("learning_curve.png", "gradients.png"):
        assert (run.folder / name).read_bytes().startswith(b"\x89PNG")


def test_the_tables_on_disk_are_those_of_the_run(run):
    pd.testing.assert_frame_equal(pd.read_csv(run.folder / "metrics.csv"), run.metrics)
    pd.testing.assert_frame_equal(pd.read_csv(run.folder / "gradients.csv"), run.gradients)
    assert run.metrics.columns.tolist() == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy"]
    assert run.metrics["epoch"].tolist() == [1, 2]
    assert run.gradients.columns.tolist() == ["epoch", "step", "layer", "variable", "l2", "mean_abs", "rms"]
    assert len(run.gradients) == 2 * len(run.model.trainable_variables)


def test_the_configuration_has_the_mode_of_the_checkpoint(run):
    mode = Checkpoint(run.folder / "checkpoint.npz").read_position().compile_mode
    assert MODES[json.loads((run.folder / "config.json").read_text())["compile_mode"]] == tuple(mode)


@pytest.mark.parametrize(("name", "mode"), [("plain", [False, False]), ("xla", [True, False])])
def test_a_run_killed_in_its_first_epoch_resumes_in_the_same_mode(run, tmp_path, name, mode):
    config = json.loads((run.folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "compile_mode": name}))
    zoo.resume(tmp_path, progress=False)
    assert Checkpoint(tmp_path / "checkpoint.npz").read_position().compile_mode == mode
    assert json.loads((tmp_path / "config.json").read_text()) == {**config, "compile_mode": name}


def test_an_unknown_mode_is_an_error(run, tmp_path):
    config = json.loads((run.folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "compile_mode": "fast"}))
    with pytest.raises(InvalidValue, match=r"compile_mode must be one of 'plain', 'xla', .*; got 'fast'"):
        zoo.resume(tmp_path, progress=False)


def test_additional_records_have_their_own_files(tmp_path):
    run = train(tmp_path / "run", record=["activations", "histograms", "tensorboard"])
    assert {path.name for path in run.folder.iterdir()} == {*FILES, "activations.csv", "histograms.csv", "tensorboard"}
    activations = pd.read_csv(run.folder / "activations.csv")
    assert activations["layer"].unique().tolist() == [*(f"hidden_{n}" for n in range(1, 5)), "output"]
    assert pd.read_csv(run.folder / "histograms.csv")["count"].sum() > 0
    assert list((run.folder / "tensorboard").glob("events.out.*"))


def test_an_unknown_record_is_an_error_before_anything_is_written(tmp_path):
    with pytest.raises(
        InvalidValue, match="record must be one of 'activations', 'histograms', 'tensorboard'; got 'all'"
    ):
        train(tmp_path / "run", record=["all"])
    assert not (tmp_path / "run").exists()


def test_the_saved_model_is_the_trained_one(run):
    model = keras.saving.load_model(run.folder / "model.keras")
    data = datasets.load("moons")
    assert model.evaluate(data.test.x, data.test.y, verbose=0, return_dict=True) == pytest.approx(dict(run.test))
    result = json.loads((run.folder / "result.json").read_text())
    assert result["status"] == "finished"
    assert result["epochs"] == 2
    assert result["test"] == dict(run.test)
    correct = (run.model.predict(data.test.x, verbose=0).argmax(axis=1) == data.test.y).mean()
    assert run.test["accuracy"] == pytest.approx(correct)


def test_the_configuration_holds_every_resolved_value(tmp_path):
    run = train(tmp_path / "run", recipe="nielsen", batch_size=7, seed=5, options={"depth": 2})
    config = json.loads((run.folder / "config.json").read_text())
    assert config["model"] == "deep_mlp"
    assert config["options"] == {
        "input_shape": [2],
        "classes": 2,
        "depth": 2,
        "width": 30,
        "activation": "sigmoid",
        "output_activation": "sigmoid",
        "initializer": "nielsen",
        "l2": 5.0 / (2 * 720),
    }
    assert config["recipe"]["batch_size"] == 7
    assert config["recipe"]["learning_rate"] == 0.1
    assert config["dataset"]["digest"] == datasets.load("moons", seed=5).digest
    assert config["dataset"]["examples"] == {"train": 720, "validation": 80, "test": 200}
    assert config["seed"] == 5
    assert config["versions"]["keras"] == keras.__version__
    recreated = zoo.create(config["model"], **config["options"])
    assert recreated.get_config() == run.model.get_config()


def test_equal_seeds_give_equal_tables(tmp_path):
    one, same, other = (train(tmp_path / str(n), "dropout_mlp", seed=seed).folder for n, seed in enumerate((1, 1, 2)))
    for name in ("metrics.csv", "gradients.csv"):
        assert (one / name).read_bytes() == (same / name).read_bytes()
        assert (one / name).read_bytes() != (other / name).read_bytes()


def test_a_loaded_data_set_and_a_changed_recipe_are_used(tmp_path):
    data = datasets.load("digits", validation=0)
    recipe = dataclasses.replace(zoo.card("shallow_mlp").recipe(), optimizer="sgd", learning_rate=0.5)
    run = train(tmp_path / "run", "shallow_mlp", data, recipe=recipe)
    assert isinstance(run.model.optimizer, keras.optimizers.SGD)
    assert run.metrics.columns.tolist() == ["epoch", "loss", "accuracy"]
    assert run.test["accuracy"] > 0.5


def test_an_existing_run_folder_is_not_changed(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InvalidValue, match=r"The run folder .* exists already; name another, or remove it."):
        train(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.large
def test_runs_without_a_folder_get_different_ones(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.strftime", lambda *_: "20150101-000000")
    assert [train(None, epochs=1).folder.name for _ in range(2)] == [
        "deep_mlp-moons-20150101-000000",
        "deep_mlp-moons-20150101-000000-2",
    ]


def test_a_folder_that_cannot_be_created_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFailed, match=r"The run folder .*/file/run cannot be created: .*file is not a folder"):
        train(tmp_path / "file" / "run")


def test_after_ctrl_c_the_run_holds_its_records(tmp_path, monkeypatch):
    class Interrupt(tables.TableWriter):
        content_with_calls = True

        def on_train_batch_end(self, batch, logs=None):
            if len(self.metrics) == 1:
                raise KeyboardInterrupt

    monkeypatch.setattr(stage, "TableWriter", Interrupt)
    run = train(tmp_path / "run", epochs=5)
    assert run.status == "interrupted"
    assert {path.name for path in run.folder.iterdir()} == FILES
    assert run.metrics["epoch"].tolist() == [1]
    assert run.gradients["epoch"].unique().tolist() == [1, 2]
    assert json.loads((run.folder / "result.json").read_text())["status"] == "interrupted"
    keras.saving.load_model(run.folder / "model.keras")


def test_ctrl_c_in_the_first_epoch_leaves_a_run(tmp_path, monkeypatch):
    class Interrupt(tables.TableWriter):
        content_with_calls = True

        def on_train_batch_begin(self, batch, logs=None):
            raise KeyboardInterrupt

    monkeypatch.setattr(stage, "TableWriter", Interrupt)
    run = train(tmp_path / "run")
    assert {path.name for path in run.folder.iterdir()} == FILES - {
        "checkpoint.npz",
        "learning_curve.png",
        "gradients.png",
    }
    assert pd.read_csv(run.folder / "metrics.csv").empty
    assert pd.read_csv(run.folder / "gradients.csv").empty


def test_a_loss_that_is_not_finite_ends_the_run_with_its_records_and_the_place(tmp_path):
    with pytest.raises(RunFailed) as error:
        train(tmp_path / "run", recipe="nielsen", learning_rate=1e30, options={"activation": "relu"}, epochs=5)
    assert "The loss became nan in epoch 1." in str(error.value)
    assert "learning rate below 1e+30" in str(error.value)
    run = error.value.run
    layer, variable = re.search(
        r"The gradient first broke at step 2, in layer (\w+) \((\w+)\)", str(error.value)
    ).groups()
    broken = run.gradients[run.gradients["l2"].isna()]
    assert (layer, variable) in set(zip(broken["layer"], broken["variable"], strict=True))
    assert run.status == "failed"
    assert {path.name for path in run.folder.iterdir()} == FILES
    assert len(run.metrics) == 1
    assert json.loads((run.folder / "result.json").read_text())["error"] in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"name": "deep_mpl"}, UnknownName, 'Did you mean "deep_mlp"'),
        ({"dataset": "moon"}, UnknownName, 'Did you mean "moons"'),
        ({"recipe": "nielson"}, UnknownName, 'Did you mean "nielsen"'),
        ({"options": {"dept": 3}}, UnknownName, 'Did you mean "depth"'),
        ({"options": {"depth": 0}}, InvalidValue, "depth must be an integer >= 1; got 0"),
        ({"options": {"width": -5}}, InvalidValue, "width must be an integer >= 1; got -5"),
        ({"options": {"classes": 3}}, InvalidValue, "classes must be 2 for the data set moons; got 3"),
        ({"options": {"input_shape": (3,)}}, InvalidValue, r"input_shape must be \(2,\) for the data set moons"),
        ({"epochs": 0}, InvalidValue, "epochs must be an integer >= 1; got 0"),
        ({"batch_size": 1.5}, InvalidValue, "batch_size must be an integer >= 1; got 1.5"),
        ({"learning_rate": 0}, InvalidValue, "learning_rate must be a number > 0; got 0"),
        ({"seed": -1}, InvalidValue, "seed must be an integer from 0 to 4294967295; got -1"),
        ({"validation": 2000}, InvalidValue, "validation must be a share"),
        ({"name": "dropout_mlp", "options": {"keep_probability": 1.5}}, InvalidValue, "> 0 and <= 1; got 1.5"),
        (
            {"dataset": datasets.load("moons"), "validation": 0.1},
            InvalidValue,
            "validation must be None for a loaded data set",
        ),
    ],
)
def test_invalid_arguments_are_errors_before_anything_is_written(tmp_path, arguments, kind, message):
    with pytest.raises(kind, match=message):
        train(tmp_path / "run", **arguments)
    assert list(tmp_path.iterdir()) == []


def test_deep_mlp_learns_the_embedded_digits_by_its_default_recipe(tmp_path):
    assert train(tmp_path / "run", "deep_mlp", "digits", epochs=None).test["accuracy"] >= 0.95


@pytest.mark.skipif(datasets.cache.find(datasets.semeion.FILE) is None, reason="SEMEION is not on this machine")
def test_shallow_mlp_learns_semeion(tmp_path):
    run = train(tmp_path / "run", "shallow_mlp", "semeion", epochs=None)
    assert run.test["accuracy"] >= 0.90
