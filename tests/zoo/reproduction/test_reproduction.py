from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import zoo
from zoo import datasets, reproduction
from zoo.errors import InvalidValue, UnknownName


@pytest.fixture
def results(tmp_path):
    """A table with one small row without our results."""
    table = reproduction.read().head(1).assign(
        row="moons", model="shallow_mlp", data="moons", recipe="modern", options="hidden=5", seeds="0 1",
        metric="accuracy", published="100.00", ours="", ours_by_seed="", short_by="", minutes="",
    )  # fmt: skip
    table.to_csv(tmp_path / "results.csv", index=False)
    return tmp_path / "results.csv"


def test_a_row_is_trained_for_each_seed_and_filled_in(results, tmp_path):
    table = reproduction.reproduce("moons", results=results, runs=tmp_path / "runs", progress=False)
    accuracies = [
        100 * zoo.resume(tmp_path / "runs" / f"moons-{seed}", progress=False).test["accuracy"] for seed in (0, 1)
    ]
    row = table.iloc[0]
    assert row["ours_by_seed"] == " ".join(f"{value:.2f}" for value in accuracies)
    assert row["ours"] == f"{sum(accuracies) / 2:.2f}"
    assert row["short_by"] == (f"{100 - sum(accuracies) / 2:.2f}" if sum(accuracies) < 200 else "")
    pd.testing.assert_frame_equal(reproduction.read(results), table)


@pytest.mark.large
def test_the_likelihood_of_an_rbm_is_estimated(tmp_path):
    table = reproduction.read().head(1).assign(
        row="rbm", model="rbm", data="digits", recipe="density", options="hidden=8 epochs=2", seeds="1", validation="",
        metric="test_log_likelihood", published="-30.00", ours="", ours_by_seed="", short_by="", minutes="",
    )  # fmt: skip
    table.to_csv(tmp_path / "results.csv", index=False)
    row = reproduction.reproduce("rbm", results=tmp_path / "results.csv", runs=tmp_path, progress=False).iloc[0]
    rbm = zoo.load(tmp_path / "rbm-1" / "model.keras").rbm
    digits, draw = datasets.load("digits"), np.random.default_rng(1)
    _, test = (split.x.reshape(-1, 64) > draw.random((len(split), 64)) for split in (digits.train, digits.test))
    test = test.astype("float32")
    exact = float(np.mean(rbm.log_likelihood(test, rbm.log_partition(method="exact"))))
    assert float(row["ours"]) == pytest.approx(exact, abs=0.5)
    assert row["short_by"] == (f"{-30 - float(row['ours']):.2f}" if float(row["ours"]) < -30 else "")


def test_an_unknown_row_and_another_table_are_refused(results, tmp_path):
    with pytest.raises(UnknownName, match='Did you mean "moons"'):
        reproduction.reproduce("moon", results=results)
    (tmp_path / "other.csv").write_text("a,b\n")
    with pytest.raises(InvalidValue, match="is not a table of results"):
        reproduction.read(tmp_path / "other.csv")


@pytest.mark.parametrize("row", reproduction.read().to_dict("records"), ids=lambda row: row["row"])
def test_every_row_can_be_trained(row):
    card = zoo.card(row["model"])
    settings = reproduction.settings_of(row)
    assert replace(card.recipe(row["recipe"]), **{name: settings[name] for name in settings if name != "options"})
    card.resolve(settings["options"])
    assert float(row["published"])
    if row["ours"]:
        by_seed = [float(value) for value in row["ours_by_seed"].split()]
        assert len(by_seed) == len(row["seeds"].split())
        assert float(row["ours"]) == pytest.approx(sum(by_seed) / len(by_seed), abs=0.0051)
        short = float(row["published"]) - float(row["ours"])
        assert row["short_by"] == (f"{short:.2f}" if short > reproduction.margin(row) else "")


def test_the_documentation_shows_the_table():
    page = (Path(__file__).parents[3] / "docs" / "results.md").read_text(encoding="utf-8")
    assert reproduction.markdown(reproduction.read()) in page
