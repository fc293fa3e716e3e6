import keras
import numpy as np
import pytest

import zoo
from zoo.errors import InvalidValue
from zoo.recipes import OBJECTIVES, Objective, Recipe

X = np.linspace(0, 1, 12, dtype="float32").reshape(4, 3)
Y = np.array([0, 1, 2, 1])


def test_a_new_loss_is_a_single_entry(monkeypatch, tmp_path):
    hinge = Objective(
        loss="categorical_hinge",
        metric=lambda: keras.metrics.CategoricalAccuracy(name="accuracy"),
        targets="one_hot",
    )
    monkeypatch.setitem(OBJECTIVES, "hinge", hinge)
    recipe = Recipe(
        name="margin", summary="", loss="hinge", optimizer="adam", learning_rate=0.01, batch_size=32, epochs=5
    )
    run = zoo.train("shallow_mlp", "moons", recipe=recipe, run_dir=tmp_path / "run", progress=False)
    assert run.model.loss == "categorical_hinge"
    assert run.metrics["loss"].iloc[-1] < run.metrics["loss"].iloc[0]
    assert run.test["accuracy"] > 0.7


@pytest.mark.parametrize("name", OBJECTIVES)
def test_an_objective_needs_labels_unless_it_learns_from_inputs_alone(name):
    objective = OBJECTIVES[name]
    assert objective.needs_labels == (name not in ("contrastive_divergence",) and not name.startswith("reconstruction"))
    assert (objective.learner is not None) == (not objective.needs_labels)


@pytest.mark.parametrize(
    ("name", "targets"),
    [
        ("sparse_categorical_crossentropy", Y),
        ("summed_binary_crossentropy", np.eye(3)[Y]),
        ("reconstruction_squared_error", X),
        ("up_down", Y),
    ],
)
def test_targets_of_an_objective(name, targets):
    np.testing.assert_array_equal(OBJECTIVES[name].make_targets(X, Y, classes=3), targets)


def test_contrastive_divergence_has_no_targets():
    assert OBJECTIVES["contrastive_divergence"].make_targets(X, Y, classes=3) is None


def test_a_cross_entropy_of_inputs_outside_the_unit_interval_is_an_error():
    with pytest.raises(InvalidValue, match=r"Inputs must be in \[0, 1\] .* got values from 0 to 2"):
        OBJECTIVES["reconstruction_crossentropy"].make_targets(2 * X, None, classes=0)
    OBJECTIVES["reconstruction_squared_error"].make_targets(2 * X, None, classes=0)


def test_a_summed_loss_is_the_mean_times_the_number_of_outputs():
    outputs, targets = np.float32([[0.2, 0.6, 0.9]]), np.float32([[0, 1, 1]])
    options = OBJECTIVES["summed_binary_crossentropy"].compile_options(3)
    loss = options["loss_weights"][0] * keras.losses.get(options["loss"])(targets, outputs)
    np.testing.assert_allclose(loss, [-(np.log(0.8) + np.log(0.6) + np.log(0.9))], rtol=1e-5)
