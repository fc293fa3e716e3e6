"""Weights of a run become pre-trained weights, with a card that describes them as they are stored."""

import numpy as np
import pytest

import zoo
from zoo.errors import InvalidValue
from zoo.evaluation import evaluate
from zoo.models import weights
from zoo.models.origin import origin_of
from zoo.reproduction.weights import make


@pytest.fixture
def run(tmp_path):
    options = {"hidden": 5}
    return zoo.train(
        "shallow_mlp", "moons", options=options, epochs=2, seed=3, run_dir=tmp_path / "run", progress=False
    )


def test_created_model_has_the_rounded_weights_and_the_metrics_of_the_card(run, tmp_path, monkeypatch):
    card_file = make(run.folder, tmp_path)
    assert card_file == tmp_path / "shallow_mlp-moons.json"
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    (card,) = weights.list_weights()
    assert card.command == "zoo train shallow_mlp --dataset moons --seed 3 --epochs 2 --set hidden=5"
    model = zoo.create("shallow_mlp", weights="moons")
    for stored, trained in zip(model.get_weights(), run.model.get_weights(), strict=True):
        np.testing.assert_array_equal(stored, trained.astype("float16"))
    assert card.metrics == {name: value._asdict() for name, value in evaluate(model).metrics.items()}
    assert origin_of(model).test == {"accuracy": card.metrics["accuracy"]["value"]}
    assert card.parameters == model.count_params()


def test_an_unfinished_run_raises(run, tmp_path):
    (run.folder / "result.json").unlink()
    with pytest.raises(InvalidValue, match="run must be finished; .* is "):
        make(run.folder, tmp_path)
    assert not list(tmp_path.glob("*.npz"))
