import pytest
from matplotlib.figure import Figure

from zoo.utils.plotting import epoch_axis, log_axis


@pytest.fixture
def axes():
    return Figure().subplots()


@pytest.mark.parametrize(
    ("epochs", "ticks"),
    [
        ([1], [1]),
        ([1, 2, 3], [1, 2, 3]),
        (range(1, 31), [1, 5, 10, 15, 20, 25, 30]),
        ([10, 20], [10, 12, 14, 16, 18, 20]),
    ],
)
def test_epoch_ticks_are_integers_and_start_at_the_first(axes, epochs, ticks):
    epoch_axis(axes, epochs)
    assert axes.get_xticks().tolist() == ticks
    assert epochs[0] - 1 < axes.get_xlim()[0] < epochs[0]


@pytest.mark.parametrize(("low", "high"), [(0.06, 0.064), (0.06, 0.5), (0.03, 0.9), (0.5, 0.5), (1e-7, 1e-1)])
def test_a_log_axis_has_at_least_three_labelled_ticks(axes, low, high):
    axes.plot([1, 2], [low, high])
    log_axis(axes, low, high)
    axes.figure.draw_without_rendering()
    bottom, top = axes.get_ylim()
    labels = [tick.label1.get_text() for tick in axes.yaxis.get_major_ticks() if bottom <= tick.get_loc() <= top]
    assert len([label for label in labels if label]) >= 3
    assert axes.get_yscale() == "log"
