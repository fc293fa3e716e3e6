import json
import math

import numpy as np
import pandas as pd
import pytest

import zoo
from zoo.errors import InvalidValue, RunFailed
from zoo.models.origin import origin_of


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return zoo.train("shallow_mlp", "moons", epochs=2, run_dir=tmp_path_factory.mktemp("runs") / "run", progress=False)


@pytest.fixture(scope="module")
def opened(trained):
    return zoo.open_run(trained.folder)


def test_an_opened_run_equals_the_trained_one(trained, opened):
    for name in ("name", "status", "folder", "test", "division", "error"):
        assert getattr(opened, name) == getattr(trained, name)
    assert opened.seconds == pytest.approx(trained.seconds, abs=1e-3)
    pd.testing.assert_frame_equal(opened.metrics, trained.metrics)
    pd.testing.assert_frame_equal(opened.gradients, trained.gradients)


def test_the_model_has_the_weights_and_the_origin(trained, opened):
    for ours, theirs in zip(opened.model.get_weights(), trained.model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert origin_of(opened.model).to_dict() == origin_of(trained.model).to_dict()


def test_the_configuration_is_that_of_the_training(opened):
    assert json.loads(json.dumps(opened.configuration.to_dict()["options"])) == opened.config["options"]
    assert opened.configuration.recipe.epochs == 2
    assert "tensorflow" in opened.config["versions"]


def test_tables_and_figures(opened):
    assert set(opened.tables) == {"metrics", "gradients", "gradient_details"}
    assert set(opened.figures) == {"learning_curve", "gradients"}


def test_the_repr_is_short(opened):
    assert len(repr(opened)) < 300


@pytest.mark.large
def test_a_pretrained_run_has_its_stages(tmp_path):
    run = zoo.train("dbn", epochs=1, pretraining_epochs=1, run_dir=tmp_path / "run", progress=False,
                    options={"width": 4, "depth": 2}, recipe="hinton")  # fmt: skip
    opened = zoo.open_run(run.folder)
    assert [stage.name for stage in opened.stages] == [stage.name for stage in run.stages]
    for ours, theirs in zip(opened.stages, run.stages, strict=True):
        assert (ours.status, ours.folder) == (theirs.status, theirs.folder)
        pd.testing.assert_frame_equal(ours.metrics, theirs.metrics)


def test_a_killed_run_is_unfinished(trained, tmp_path):
    folder = tmp_path / "killed"
    folder.mkdir()
    for name in ("config.json", "metrics.csv", "gradients.csv"):
        (folder / name).write_bytes((trained.folder / name).read_bytes())
    run = zoo.open_run(folder)
    assert (run.status, dict(run.test)) == ("unfinished", {})
    assert math.isnan(run.seconds)
    assert len(run.metrics) == 2
    with pytest.raises(InvalidValue, match=r"has no model\.keras yet"):
        run.model  # noqa: B018


def test_a_folder_without_a_run_is_an_error(tmp_path):
    with pytest.raises(InvalidValue, match="There is no run in .*: it has no config.json"):
        zoo.open_run(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"experiment": "shift"}))
    with pytest.raises(InvalidValue, match="There is no run of zoo.train in"):
        zoo.open_run(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(RunFailed, match="is damaged"):
        zoo.open_run(tmp_path)
