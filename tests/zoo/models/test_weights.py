import shlex

import numpy as np
import pytest

import zoo
from zoo.errors import DataError, InvalidValue, UnknownName
from zoo.evaluation import evaluate
from zoo.models import weights as presets
from zoo.models.origin import origin_of

CARDS = presets.list_weights()


@pytest.mark.parametrize("card", CARDS, ids=lambda card: f"{card.model}-{card.name}")
def test_weights_determine_the_options_of_the_model(card):
    model = zoo.create(card.model, weights=card.name)
    assert sum(int(np.prod(weight.shape)) for weight in model.weights) == card.parameters
    assert origin_of(model).data["name"] == card.name
    assert shlex.split(card.command)[:3] == ["zoo", "train", card.model]
    assert all(metric["low"] <= metric["value"] <= metric["high"] for metric in card.metrics.values())


def test_accuracy_equals_that_of_the_card():
    card = presets.weights_card("lenet5", "mnist")
    try:
        result = evaluate(zoo.create("lenet5", weights="mnist"))
    except DataError:
        pytest.skip("MNIST is not here")
    assert result.metrics["accuracy"].value == card.metrics["accuracy"]["value"]


def test_total_size_is_small():
    assert sum(card.path.stat().st_size for card in CARDS) < 5.5e6


def test_options_must_equal_those_of_the_weights():
    assert zoo.create("deep_mlp", weights="mnist", depth=4).name == "deep_mlp"
    with pytest.raises(InvalidValue, match="deep_mlp: depth must be 4 with weights='mnist'; got 2"):
        zoo.create("deep_mlp", weights="mnist", depth=2)
    with pytest.raises(UnknownName, match='Did you mean "mnist"'):
        zoo.create("deep_mlp", weights="minst")


def test_damaged_file_raises(tmp_path, monkeypatch):
    for path in presets.FOLDER.glob("deep_mlp-semeion.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(presets, "FOLDER", tmp_path)
    (tmp_path / "deep_mlp-semeion.npz").write_bytes(b"rubbish")
    with pytest.raises(DataError, match="is damaged: its digest differs"):
        zoo.create("deep_mlp", weights="semeion")
