import json

import numpy as np
import pytest

import zoo
from zoo.errors import InvalidValue, UnknownName, UnsafeFile
from zoo.models.origin import origin_of
from zoo.runs.opening import open_model


@pytest.fixture
def run(tmp_path):
    """The files of a run folder that are read."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model": "shallow_mlp", "recipe": {}}))
    zoo.save(zoo.create("shallow_mlp", input_shape=(4,), hidden=3, classes=2), folder / "model.keras")
    (folder / "result.json").write_text(json.dumps({"test": {"accuracy": 0.75}}))
    return folder


def test_the_model_of_a_run_has_its_test_metrics(run):
    model = open_model(run)
    assert model.input_shape == (None, 4)
    assert origin_of(model).test == {"accuracy": 0.75}


def test_a_file_holds_the_model_of_the_run(run):
    x = np.ones((1, 4))
    np.testing.assert_array_equal(open_model(run / "model.keras")(x), open_model(run)(x))


def test_a_name_has_its_first_weights_or_the_named_ones():
    assert origin_of(open_model("shallow_mlp")).data["name"] == "mnist"
    assert origin_of(open_model("shallow_mlp", weights="semeion")).data["name"] == "semeion"


def test_the_error_for_a_run_without_a_model_says_how_to_continue_it(run):
    (run / "model.keras").unlink()
    with pytest.raises(InvalidValue, match=r"has no model.keras yet; zoo train --resume .*run continues it"):
        open_model(run)


def test_a_file_that_is_not_a_model_is_an_error(run):
    with pytest.raises(UnsafeFile, match="not a complete .keras archive"):
        open_model(run / "config.json")


def test_the_error_for_a_missing_target_says_what_it_could_have_been(run, tmp_path):
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
