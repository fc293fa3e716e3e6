import math

import pytest

from zoo.errors import InvalidValue, RunFailed
from zoo.tuning.figures import plot_objective, plot_parameters
from zoo.tuning.project import read_results, read_search
from zoo.tuning.results import find_best, tabulate

RESULTS = {
    "0": {
        "values": {"depth": 1, "kind": "a", "tuner/epochs": 3}, "status": "finished", "objective": 0.5, "best_epoch": 2,
        "epochs": 3, "seconds": 1.5, "parameters": 10, "metrics": {"val_accuracy": 0.5, "loss": 1.0}, "note": "",
        "gradient_start": {"hidden_1": 0.1, "output": 0.2}, "gradient_end": {"hidden_1": 0.01, "output": 0.02},
    },
    "1": {"values": {"depth": 2, "kind": "b"}, "status": "failed", "error": "a bug", "seconds": 0.1},
    "2": {
        "values": {"depth": 2, "kind": "b", "more": 0.1}, "status": "pruned", "objective": 0.7, "best_epoch": 1,
        "epochs": 1, "seconds": 1.5, "parameters": 20, "metrics": {"val_accuracy": 0.7, "loss": 0.8}, "note": "worse",
        "gradient_start": {"hidden_1": 0.1, "hidden_2": 0.3, "output": 0.2},
        "gradient_end": {"hidden_1": 0.1, "hidden_2": 0.3, "output": 0.2},
    },
    "3": {"values": {"depth": 1, "kind": "a"}},
}  # fmt: skip


def test_each_trial_is_a_row():
    frame = tabulate(RESULTS)
    assert frame["status"].tolist() == ["finished", "failed", "pruned", "running"]
    assert frame["error"].tolist() == ["", "a bug", "", ""]
    assert frame["parameters"].isna().tolist() == [False, True, False, True]
    assert math.isnan(frame["more"][0])
    assert not [name for name in frame if name.startswith("tuner/")]
    sizes = [name for name in frame if name.startswith("gradient_start/")]
    assert sizes == ["gradient_start/hidden_1", "gradient_start/hidden_2", "gradient_start/output"]
    assert tabulate({}).empty


def test_a_hyperparameter_with_the_name_of_a_metric_or_of_another_column_is_marked():
    results = {"0": {**RESULTS["0"], "values": {"loss": "mse", "epochs": 7, "depth": 1}}, "1": RESULTS["1"]}
    row = tabulate(results).iloc[0]
    assert (row["hp/loss"], row["loss"]) == ("mse", 1.0)
    assert (row["hp/epochs"], row["epochs"]) == (7, 3)
    assert row["depth"] == 1


def test_the_best_is_the_first_of_equals_in_the_right_direction():
    assert find_best(RESULTS, ("val_accuracy", "max")) == "2"
    assert find_best(RESULTS, ("val_loss", "min")) == "0"
    assert find_best({**RESULTS, "4": RESULTS["2"]}, ("val_accuracy", "max")) == "2"
    assert find_best({"1": RESULTS["1"]}, ("val_accuracy", "max")) is None


def test_the_objective_is_plotted_with_the_best_so_far():
    (axes,) = plot_objective(tabulate(RESULTS), ("val_accuracy", "max")).axes
    lines = {line.get_label(): line for line in axes.lines}
    assert lines["best so far"].get_ydata().tolist() == [0.5, 0.7]
    assert lines["failed"].get_xdata().tolist() == [1]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("trial", "val_accuracy")


def test_each_parameter_has_axes():
    figure = plot_parameters(tabulate(RESULTS), ("val_accuracy", "max"), {"depth": False, "kind": False, "more": True})
    shown = {axes.get_xlabel(): axes for axes in figure.axes if axes.get_visible()}
    assert set(shown) == {"depth", "kind", "more"}
    assert shown["more"].get_xscale() == "log"
    assert [tick.get_text() for tick in shown["kind"].get_xticklabels()] == ["a", "b"]


def test_batch_sizes_are_on_a_log_scale_with_a_tick_each():
    sizes = (8, 16, 32, 64, 128)
    trials = {str(n): {**RESULTS["0"], "values": {"batch_size": size}} for n, size in enumerate(sizes)}
    (axes,) = plot_parameters(tabulate(trials), ("val_accuracy", "max"), {"batch_size": False}).axes
    axes.figure.draw_without_rendering()
    assert axes.get_xscale() == "log"
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["8", "16", "32", "64", "128"]


def test_points_are_transparent():
    (axes,) = plot_parameters(tabulate(RESULTS), ("val_accuracy", "max"), {"depth": False}).axes
    assert all(line.get_alpha() < 0.5 for line in axes.lines)


def test_a_missing_or_damaged_search_is_reported(tmp_path):
    with pytest.raises(InvalidValue, match="There is no search in"):
        read_search(tmp_path)
    (tmp_path / "search.json").write_text("{")
    with pytest.raises(RunFailed, match="is damaged"):
        read_search(tmp_path)
    (tmp_path / "trial_0").mkdir()
    assert read_results(tmp_path) == {}
    (tmp_path / "trial_0" / "result.json").write_text("{")
    with pytest.raises(RunFailed, match="is damaged"):
        read_results(tmp_path)
