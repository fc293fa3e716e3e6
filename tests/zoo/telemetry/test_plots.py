import pandas as pd
import pytest

from zoo.errors import InvalidValue, UnknownName
from zoo.telemetry import plot_gradients, plot_heatmap, plot_profile


@pytest.fixture
def frame():
    return pd.DataFrame(
        [
            {
                "epoch": e,
                "step": 10 * e,
                "layer": layer,
                "variable": v,
                "l2": 2.0**-e,
                "mean_abs": 0.1,
                "rms": 0.0 if e == 2 else 0.5,
            }
            for e in (1, 2, 3)
            for layer in ("hidden", "output")
            for v in ("kernel", "bias")
        ]
    )


def test_one_line_per_layer_on_a_log_scale(frame):
    (axes,) = plot_gradients(frame).axes
    assert axes.get_yscale() == "log"
    assert [line.get_label() for line in axes.lines] == ["hidden", "output"]
    assert axes.get_xlabel() == "epoch"
    assert "root mean square" in axes.get_ylabel()


def test_lines_differ_in_more_than_color(frame):
    (axes,) = plot_gradients(frame).axes
    assert len({(line.get_marker(), line.get_linestyle()) for line in axes.lines}) == 2


def test_a_gradient_of_zero_leaves_a_gap(frame):
    (axes,) = plot_gradients(frame).axes
    assert pd.isna(axes.lines[0].get_ydata()[1])


def get_notes(figure):
    return [text.get_text() for text in figure.axes[0].texts if text.get_text()]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_training_that_broke_is_plotted_until_then_with_a_note(frame, value):
    broken = frame.assign(rms=frame["rms"].where(frame["epoch"] < 3, value))
    figure = plot_gradients(broken)
    assert get_notes(figure) == get_notes(plot_profile(broken)) == ["NaN or infinite, first in epoch 3"]
    assert figure.axes[0].lines[0].get_ydata()[0] == 0.5
    assert get_notes(plot_gradients(frame)) == []


@pytest.mark.parametrize("plot", [plot_gradients, plot_profile, plot_heatmap])
def test_records_without_finite_sizes_keep_their_layers_and_epochs(frame, plot):
    blank = frame.assign(rms=float("nan"))
    (axes, *_) = plot(blank).axes
    plot(blank).draw_without_rendering()
    labels = [tick.get_text() for tick in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    assert {"1", "2", "3"} <= set(labels) or {"hidden", "output"} <= set(labels)
    if plot is not plot_heatmap:
        assert get_notes(plot(blank)) == ["NaN or infinite, first in epoch 1"]
        assert get_notes(plot(frame.assign(rms=0.0))) == ["every gradient is exactly 0"]


def test_the_last_epoch_has_a_marker(frame):
    many = pd.concat([frame[frame["epoch"] == 1].assign(epoch=epoch) for epoch in range(1, 31)])
    (axes,) = plot_gradients(many).axes
    assert axes.lines[0].get_markevery()[-1] == 29


def test_records_of_single_updates_are_plotted_over_updates(frame):
    (axes,) = plot_gradients(frame.assign(epoch=1), statistic="l2", variable="bias").axes
    assert axes.get_xlabel() == "update"
    assert axes.lines[0].get_xdata().tolist() == [10, 20, 30]
    assert axes.lines[0].get_ydata().tolist() == [0.5, 0.25, 0.125]


def test_biases_are_plotted_if_every_layer_has_one(frame):
    (axes,) = plot_gradients(frame.assign(rms=[1.0 if v == "bias" else 2.0 for v in frame["variable"]])).axes
    assert axes.lines[0].get_ydata().tolist() == [1, 1, 1]
    assert "each layer's bias" in axes.get_ylabel()
    some = frame[(frame["layer"] != "hidden") | (frame["variable"] != "bias")]
    (axes,) = plot_gradients(some.assign(rms=[1.0 if v == "bias" else 2.0 for v in some["variable"]])).axes
    assert [line.get_ydata().tolist() for line in axes.lines] == [[2, 2, 2], [2, 2, 2]]
    assert "each layer's weights" in axes.get_ylabel()


def test_profile_has_the_first_a_middle_and_the_last_record_by_layer(frame):
    (axes,) = plot_profile(frame, statistic="l2").axes
    assert [line.get_label() for line in axes.lines] == ["epoch 1", "epoch 2", "epoch 3"]
    assert [line.get_ydata().tolist() for line in axes.lines] == [[0.5, 0.5], [0.25, 0.25], [0.125, 0.125]]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["hidden", "output"]
    assert axes.get_yscale() == "log"


def test_heat_map_has_a_row_per_layer_and_a_column_per_record(frame):
    axes, colorbar = plot_heatmap(frame).axes
    (mesh,) = axes.collections
    assert mesh.get_array().shape == (2, 3)
    assert mesh.get_array().mask.tolist() == [[False, True, False]] * 2  # exactly zero is left out
    assert [label.get_text() for label in axes.get_yticklabels()] == ["hidden", "output"]
    assert "root mean square" in colorbar.get_ylabel()


@pytest.mark.parametrize("plot", [plot_profile, plot_heatmap])
def test_one_record_of_one_layer_is_plotted(frame, plot):
    assert plot(frame[(frame["layer"] == "output") & (frame["epoch"] == 1)]).axes
    assert plot(frame[frame["epoch"] == 2]).axes  # zeros alone


def test_invalid_arguments_are_rejected(frame):
    with pytest.raises(InvalidValue, match="at least one record; got an empty frame"):
        plot_gradients(frame.iloc[:0])
    with pytest.raises(InvalidValue, match="statistic must be one of"):
        plot_gradients(frame, statistic="l1")
    with pytest.raises(UnknownName, match='Did you mean "kernel"'):
        plot_gradients(frame, variable="kernal")
