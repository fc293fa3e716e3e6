import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from zoo import datasets
from zoo.datasets.sequences import sequences
from zoo.evaluation import Evaluation, calibration, wilson, write
from zoo.evaluation.figures import plot_confusion, plot_reliability, plot_worst

DIGITS = datasets.load("digits")
NUMBERS = sequences(DIGITS, longest=3, per_digit=0.2)


def make_evaluation(data, outputs, order, confidence):
    error, table = calibration(confidence, np.ones(len(confidence), bool))
    return Evaluation(
        model="net", dataset=data.name, metrics={"accuracy": wilson(3, 4)}, outputs=outputs, data=data,
        confidence=confidence, order=order, calibration_error=error, calibration=table,
    )  # fmt: skip


@pytest.fixture(scope="module")
def evaluation():
    """All digits are read as a 3."""
    outputs = np.tile(np.eye(10)[3], (len(DIGITS.test), 1))
    errors = np.flatnonzero(DIGITS.test.y != 3)
    confusion = pd.DataFrame([[1160, 2, 0], [0, 17, 40], [3, 0, 5]], list("abc"), list("abc"))
    return replace(make_evaluation(DIGITS, outputs, errors, np.linspace(0.4, 1, len(outputs))), confusion=confusion)


def captions_of(figure):
    return [axes.get_title() for axes in figure.axes if axes.get_title()]


def test_an_error_is_labeled_with_its_class_and_the_predicted_class(evaluation):
    first = evaluation.order[0]
    captions = captions_of(plot_worst(evaluation))
    assert len(captions) == 40
    assert captions[0] == f"{DIGITS.test.y[first]}, read as 3 ({evaluation.confidence[first]:.3f})"


def test_a_confidence_of_1_throughout_is_in_the_title(evaluation):
    figure = plot_worst(replace(evaluation, confidence=np.ones(len(DIGITS.test))))
    assert captions_of(figure)[0] == f"{DIGITS.test.y[evaluation.order[0]]}, read as 3"
    assert "above 0.999 in each" in figure.get_suptitle()


def test_sequences_are_labeled_with_whole_numbers_in_fewer_columns():
    outputs = np.zeros((len(NUMBERS.test), 4, 11))
    outputs[:, [0, 1, 2, 3], [1, 4, 10, 7]] = 1  # two digits: 4 and none
    figure = plot_worst(make_evaluation(NUMBERS, outputs, np.arange(len(outputs)), np.ones(len(outputs))))
    length, *digits = NUMBERS.test.y[0]
    assert captions_of(figure)[0] == f"{''.join(map(str, digits[: length + 1]))}, read as 4_"
    assert len({axes.get_position().x0 for axes in figure.axes}) < 8


def test_the_worst_reconstructions_are_beside_their_images():
    darker = make_evaluation(DIGITS, DIGITS.test.x / 2, np.arange(len(DIGITS.test)), np.full(len(DIGITS.test), 12.34))
    figure = plot_worst(darker)
    assert captions_of(figure)[:2] == [str(DIGITS.test.y[0]), "squared error 12.3"]
    images = [axes.images[0].get_array() for axes in figure.axes[:2]]
    np.testing.assert_array_equal(images[0], DIGITS.test.x[0].squeeze())
    np.testing.assert_array_equal(images[1], DIGITS.test.x[0].squeeze() / 2)


def test_reconstructions_of_sequences_can_be_drawn():
    evaluation = make_evaluation(NUMBERS, NUMBERS.test.x, np.arange(3), np.zeros(len(NUMBERS.test)))
    assert len(captions_of(plot_worst(evaluation))) == 6


def test_without_images_or_errors_there_is_no_figure(evaluation):
    moons = datasets.load("moons")
    assert plot_worst(make_evaluation(moons, np.zeros((200, 2)), np.arange(3), np.ones(200))) is None
    assert plot_worst(replace(evaluation, order=np.zeros(0, int))) is None


def test_confusion_has_the_counts_and_colors_only_the_errors(evaluation):
    axes = plot_confusion(evaluation).axes[0]
    assert {(*text.get_position(), text.get_text()) for text in axes.texts} == {
        (0, 0, "1160"), (1, 0, "2"), (1, 1, "17"), (2, 1, "40"), (0, 2, "3"), (2, 2, "5"),
    }  # fmt: skip
    np.testing.assert_array_equal(axes.images[0].get_array(), [[0, 2, 0], [0, 0, 40], [3, 0, 0]])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "class")


def test_reliability_has_a_point_for_each_bin_with_examples_and_a_bar_for_each_bin(evaluation):
    figure = plot_reliability(evaluation)
    points, counts = figure.axes
    filled = evaluation.calibration.query("examples > 0")
    np.testing.assert_allclose(points.containers[0].lines[0].get_xydata(), filled[["confidence", "accuracy"]])
    assert [bar.get_height() for bar in counts.patches] == evaluation.calibration["examples"].tolist()


@pytest.mark.parametrize("plot", [plot_confusion, plot_reliability, plot_worst])
def test_titles_fit_the_figure(evaluation, plot):
    figure = plot(replace(evaluation, model="denoising_autoencoder", dataset="digits_sequences"))
    figure.draw_without_rendering()
    title = (figure._suptitle or figure.axes[0].title).get_window_extent()
    assert figure.bbox.x0 <= title.x0 < title.x1 <= figure.bbox.x1


def test_a_folder_has_metrics_tables_and_figures(evaluation, tmp_path):
    folder = write(evaluation, tmp_path / "evaluation")
    assert {path.name for path in folder.iterdir()} == {
        "evaluation.json", "confusion.csv", "confusion.png", "calibration.csv", "reliability.png", "worst.png",
    }  # fmt: skip
    content = json.loads((folder / "evaluation.json").read_text())
    assert content["metrics"]["accuracy"]["value"] == 0.75
    assert content["digest"] == DIGITS.digest
    assert (
        pd.read_csv(folder / "confusion.csv", index_col=0).to_numpy().tolist() == evaluation.confusion.values.tolist()
    )
