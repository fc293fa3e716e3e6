import numpy as np
import pytest

import zoo
from zoo import experiments
from zoo.errors import InvalidValue
from zoo.experiments import feature_maps
from zoo.experiments.feature_maps import plot_weights


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    return experiments.run("feature-maps", "digits", run_dir=folder, epochs=1, progress=False)


def test_it_writes_its_tables_and_figures(outcome):
    _, folder = outcome
    names = ["config.json", "filters.png", "maps.png", "summary.csv", "test.csv", "weights.png"]
    assert sorted(path.name for path in folder.iterdir()) == names


def test_numbers_of_weights_are_those_of_the_lecture_and_of_the_paper(outcome):
    by_net = {net: rows.set_index("layer") for net, rows in outcome[0].summary.groupby("net")}
    plain, lenet5 = by_net["plain, 16x16 to 26 letters"], by_net["LeNet-5, 32x32 to 10 digits"]
    assert plain["weights"].to_dict() == {"hidden_1": 25_700, "output": 2_626}
    assert (lenet5["weights"].sum(), lenet5["connections"].sum()) == (60_000, 340_908)


def test_filters_are_the_kernels_and_maps_their_outputs():
    model = zoo.create("lenet5_relu")
    _, bias = model.get_layer("C1").get_weights()
    filters = feature_maps.read_filters(model)
    assert filters.shape == (6, 5, 5)
    images = np.random.default_rng(0).uniform(size=(2, 28, 28, 1)).astype("float32")
    maps = feature_maps.compute_maps(model, images)
    assert {name: values.shape[1:] for name, values in maps.items()} == {
        "C1": (28, 28, 6), "S2": (14, 14, 6), "C3": (10, 10, 16), "S4": (5, 5, 16),
    }  # fmt: skip
    padded = np.pad(images[0, :, :, 0], 2)
    expected = max(0, (padded[3:8, 9:14] * filters[4]).sum() + bias[4])
    assert maps["C1"][0, 3, 9, 4] == pytest.approx(expected, abs=1e-5)
    pooled = maps["C1"][:, :28, :28].reshape(2, 14, 2, 14, 2, 6).max(axis=(2, 4))
    np.testing.assert_array_equal(maps["S2"], pooled)


def test_epochs_below_1_are_refused():
    with pytest.raises(InvalidValue, match="epochs must be an integer >= 1; got 0"):
        feature_maps.run("digits", epochs=0)


def test_a_layer_without_weights_has_a_zero_and_titles_fit_their_panels():
    figure = plot_weights(feature_maps.count_weights())
    figure.draw_without_rendering()
    zeros = {
        net: [text.get_text() for text in axes.texts].count("0") for axes, net in zip(figure.axes, "plm", strict=True)
    }
    assert zeros == {"p": 0, "l": 1, "m": 2}
    for axes in figure.axes:
        title, panel = axes.title.get_window_extent(), axes.get_window_extent()
        assert panel.x0 <= title.x0 < title.x1 <= panel.x1
