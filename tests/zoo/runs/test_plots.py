import pandas as pd
import pytest

from zoo.runs.plots import plot_learning_curve

EPOCHS = {"epoch": [1, 2, 3], "loss": [0.5, 0.4, 0.3], "val_loss": [0.6, 0.5, 0.5]}


def test_each_metric_has_a_panel_with_training_and_validation():
    figure = plot_learning_curve(pd.DataFrame({**EPOCHS, "accuracy": [0.1, 0.2, 0.3]}))
    loss, accuracy = figure.axes
    assert (loss.get_ylabel(), accuracy.get_ylabel()) == ("loss", "accuracy")
    assert [line.get_label() for line in loss.lines] == ["training", "validation"]
    assert [line.get_label() for line in accuracy.lines] == ["training"]


@pytest.mark.parametrize("epochs", [1, 3])
def test_epoch_ticks_are_integers(epochs):
    (axes,) = plot_learning_curve(pd.DataFrame(EPOCHS).iloc[:epochs]).axes
    assert axes.get_xticks().tolist() == [1, 2, 3][:epochs]


def test_the_loss_of_a_boltzmann_machine_comes_last_and_is_no_measure_of_progress():
    others = {"free_energy": [-9, -9, -8], "pseudo_log_likelihood": [-3, -2, -1], "reconstruction_error": [3, 2, 1]}
    figure = plot_learning_curve(pd.DataFrame({**EPOCHS, **others}))
    assert [axes.get_ylabel() for axes in figure.axes] == [
        "reconstruction error", "free energy", "pseudo log likelihood", "F(data) - F(chains),\nno measure of progress",
    ]  # fmt: skip
