import numpy as np
import pytest

from zoo import experiments
from zoo.errors import InvalidValue
from zoo.experiments.hidden_space import nets
from zoo.experiments.hidden_space import study as hidden_space
from zoo.experiments.hidden_space.figures import plot_problem

QUICK = {"restarts": 2, "updates": 40, "progress": False}


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(hidden_space, "PLANE", {"xor": 2, "moons": 3})
        patched.setattr(hidden_space, "UNITS", (2, 4))
        yield experiments.run("hidden-space", "digits", run_dir=tmp_path_factory.mktemp("runs") / "run", **QUICK)


def stages(hidden=2, inputs=2, classes=2):
    random = np.random.default_rng(0)
    return nets.Stages(*(random.normal(size=shape) for shape in ((inputs, hidden), hidden, (hidden, classes), classes)))


def test_it_writes_its_tables_and_one_figure_per_problem(outcome):
    _, folder = outcome
    assert sorted(path.name for path in folder.iterdir()) == [
        "codes.csv", "config.json", "digits.png", "lines.csv", "moons.png", "nets.csv", "summary.csv", "xor.png",
    ]  # fmt: skip


def test_the_best_of_its_restarts_is_shown(outcome):
    nets, summary = outcome[0].tables["nets"], outcome[0].summary
    assert len(nets) == 2 * len(summary) == 2 * 4
    least = nets.groupby(["dataset", "hidden"])["train_loss"].min()
    for row in summary.itertuples():
        assert row.train_loss == pytest.approx(least[row.dataset, row.hidden], abs=1e-4)


def test_every_example_has_its_code(outcome):
    codes = outcome[0].tables["codes"]
    assert codes["split"].value_counts().to_dict() == {"train": 1294, "test": 359}
    assert codes[["u1", "u2"]].to_numpy().min() > 0
    assert codes[["u1", "u2"]].to_numpy().max() < 1


def test_two_stages_equal_the_net():
    import keras

    import zoo

    keras.utils.set_random_seed(0)
    model = zoo.create(
        "shallow_mlp", input_shape=(2,), classes=3, hidden=4, activation="sigmoid", initializer="nielsen"
    )
    x = np.random.default_rng(0).normal(size=(6, 2)).astype("float32")
    two = nets.Stages(*model.get_weights())
    z = np.exp(two.scores(two.hidden(x)))
    np.testing.assert_allclose(z / z.sum(axis=1, keepdims=True), model(x), rtol=1e-4)


def test_seen_edge_on_points_keep_their_distance_from_the_border():
    two, u = stages(hidden=5), np.random.default_rng(1).uniform(size=(40, 5))
    seen = two.edge_on(u)
    scores = two.scores(u)
    np.testing.assert_array_equal(seen[:, 0] > 0, scores[:, 1] > scores[:, 0])
    normal = two.v[:, 1] - two.v[:, 0]
    np.testing.assert_allclose(seen[:, 0] * np.linalg.norm(normal), scores[:, 1] - scores[:, 0])
    # Moved along the border, a point keeps its distance.
    along = np.linalg.svd(normal[None])[2][1]
    np.testing.assert_allclose(two.edge_on(u + 0.3 * along)[:, 0], seen[:, 0], atol=1e-12)


@pytest.mark.parametrize(
    ("x", "y", "share"),
    [
        ([[0, 0], [1, 1], [0, 1], [1, 0]], [0, 0, 1, 1], 0.75),  # exclusive or
        ([[0, 0], [1, 0], [2, 0], [3, 0.1]], [1, 1, 0, 0], 1.0),
        ([[0, 0], [1, 0], [2, 0]], [1, 0, 1], 2 / 3),
    ],
)
def test_the_best_line_is_found(x, y, share):
    assert hidden_space.best_line(np.array(x, float), np.array(y)) == pytest.approx(share)


@pytest.mark.parametrize(("setting", "value"), [("hidden", 1), ("restarts", 0), ("updates", 0)])
def test_a_setting_out_of_range_is_refused(setting, value):
    with pytest.raises(InvalidValue, match=f"{setting} must be an integer >="):
        hidden_space.run("xor", **{**QUICK, setting: value})


def test_a_line_outside_the_picture_is_counted():
    from zoo.datasets import Split

    points = Split(np.random.default_rng(0).uniform(-1, 1, size=(20, 2)), np.arange(20) % 2)
    near = stages(hidden=3)
    far = near._replace(b=np.array([0, 0, 1e3]))

    def title(of):
        net = nets.Net("xor", 3, 0, 0.1, 1.0, 1.0, of)
        return plot_problem(points, net, 75, 5).get_suptitle()

    assert "3 sigmoid hidden units (1 of their lines outside), the best of 5 networks" in title(far)
    assert "outside" not in title(near._replace(b=np.zeros(3)))


def test_titles_distinguish_the_best_net_from_all_nets(outcome):
    figure = outcome[0].figures["digits"]
    assert "of the best of 2 networks" in figure.get_suptitle()
    assert "the mean of 2" in figure.axes[2].get_title()


def test_a_fitted_line_and_the_best_line_have_different_names(outcome):
    assert {"regression_on_inputs", "regression_on_hidden"} < set(outcome[0].summary)
    assert outcome[0].tables["lines"].columns.tolist() == ["dataset", "best_line_for_test"]
