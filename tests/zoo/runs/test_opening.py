import json

import numpy as np
import pytest

import zoo
from zoo.errors import InvalidValue, UnknownName, UnsafeFile
from zoo.models.origin import origin_of
from zoo.runs.opening import open_model


@pytest.fixture
def run(tmp_path):
    """What is read of a run's folder."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model": "shallow_mlp", "recipe": {}}))
    zoo.save(zoo.create("shallow_mlp", input_shape=(4,), hidden=3, classes=2), folder / "model.keras")
    (folder / "result.json").write_text(json.dumps({"test": {"accuracy": 0.75}}))
    return folder


def test_a_run_opens_with_what_it_reached_on_the_test_set(run):
    model = open_model(run)
    assert model.input_shape == (None, 4)
    assert origin_of(model).test == {"accuracy": 0.75}


def test_a_file_opens(run):
    x = np.ones((1, 4))
    np.testing.assert_array_equal(open_model(run / "model.keras")(x), open_model(run)(x))


def test_a_name_opens_with_its_first_weights_or_those_that_are_named():
    assert origin_of(open_model("shallow_mlp")).data["name"] == "mnist"
    assert origin_of(open_model("shallow_mlp", weights="semeion")).data["name"] == "semeion"


def test_a_run_without_a_model_yet_can_be_continued(run):
    (run / "model.keras").unlink()
    with pytest.raises(InvalidValue, match=r"has no model.keras yet; zoo train --resume .*run continues it"):
        open_model(run)


def test_a_file_that_is_no_model_is_refused(run):
    with pytest.raises(UnsafeFile, match="is no whole .keras archive"):
        open_model(run / "config.json")


def test_what_is_not_there_is_said_as_what_it_was_meant_for(run, tmp_path):
    with pytest.raises(UnknownName, match='Did you mean "lenet5"'):
        open_model("lenet6")
    for path in (tmp_path, tmp_path / "other", "other.keras", "runs/other"):
        with pytest.raises(InvalidValue, match=f"There is no model file or run {path}"):
            open_model(path)
    with pytest.raises(InvalidValue, match="nielsen_cnn has no pre-trained weights; train it"):
        open_model("nielsen_cnn")
    with pytest.raises(UnknownName, match='Did you mean "mnist"'):
        open_model("lenet5", weights="minst")
    with pytest.raises(InvalidValue, match="weights='mnist' must come with the name of a model; .*run has weights"):
        open_model(run, weights="mnist")
