import keras
import numpy as np
import pytest

from zoo.metrics import SequenceAccuracy

# Length less 1, then digits of four classes and «none», which is 4.
LABELS = np.array([[0, 1, 4, 4], [2, 3, 0, 2], [1, 2, 2, 4], [1, 0, 1, 4]])


def says(*readings):
    """Returns the probabilities of a net that is nearly sure of what it reads."""
    return 0.9 * np.eye(5)[np.array(readings)] + 0.02


@pytest.mark.parametrize(
    ("readings", "right"),
    [
        (LABELS, 4),
        ([[0, 1, 0, 0], [2, 3, 0, 2], [1, 2, 2, 0], [1, 0, 1, 1]], 4),  # anything after the last digit
        ([[1, 1, 4, 4], [2, 3, 0, 2], [1, 2, 2, 4], [1, 0, 1, 4]], 3),  # another length
        ([[0, 2, 4, 4], [2, 3, 0, 3], [1, 2, 3, 4], [1, 0, 1, 4]], 1),  # another digit: first, last, middle
    ],
)
def test_a_sequence_is_correct_if_its_length_and_digits_are(readings, right):
    metric = SequenceAccuracy()
    metric.update_state(LABELS, says(*readings))
    assert float(metric.result()) == pytest.approx(right / 4)


def test_batches_accumulate_and_examples_are_weighted():
    metric = SequenceAccuracy()
    metric.update_state(LABELS, says(*LABELS))
    metric.update_state(LABELS[:1], says([0, 2, 4, 4]))
    assert float(metric.result()) == pytest.approx(4 / 5)
    metric.reset_state()
    metric.update_state(LABELS[:2], says([0, 2, 4, 4], LABELS[1]), sample_weight=np.array([3.0, 1.0]))
    assert float(metric.result()) == pytest.approx(1 / 4)


def test_config_round_trip():
    metric = SequenceAccuracy(name="accuracy")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert again.name == "accuracy"
