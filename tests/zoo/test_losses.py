import keras
import numpy as np
import pytest

from zoo.errors import InvalidValue
from zoo.losses import MaximumAPosteriori, SequenceCrossentropy

random = np.random.default_rng(0)


def test_map_has_the_values_of_its_equation():
    loss = MaximumAPosteriori(1.0)
    assert float(loss(np.array([4]), np.zeros((1, 10)))) == pytest.approx(np.log(np.exp(-1) + 10), rel=1e-6)
    assert float(loss(np.array([4]), np.zeros((1, 10)))) == pytest.approx(2.33871, abs=5e-6)
    scores = np.full((1, 10), -1e4)
    scores[0, 4] = -1
    assert float(loss(np.array([4]), scores)) == pytest.approx(0.693147, abs=1e-6)


@pytest.mark.parametrize("rubbish", [0.1, 1.0, 30.0])
def test_map_is_equation_9(rubbish):
    penalties, labels = random.uniform(0, 50, size=(20, 7)), random.integers(7, size=20)
    rows = np.arange(20)
    expected = penalties[rows, labels] + np.log(np.exp(-rubbish) + np.exp(-penalties).sum(axis=1))
    assert float(MaximumAPosteriori(rubbish)(labels, -penalties)) == pytest.approx(expected.mean(), rel=1e-5)


def test_map_is_a_cross_entropy_with_an_additional_class():
    scores, labels = random.normal(size=(20, 7)).astype("float32"), random.integers(7, size=20)
    more = np.concatenate([scores, np.full((20, 1), -2.0)], axis=1)
    expected = keras.losses.sparse_categorical_crossentropy(labels, more, from_logits=True)
    assert float(MaximumAPosteriori(2.0)(labels, scores)) == pytest.approx(float(np.mean(expected)), rel=1e-5)


def test_labels_may_have_a_second_axis():
    scores, labels = random.normal(size=(5, 3)), random.integers(3, size=5)
    loss = MaximumAPosteriori()
    assert float(loss(labels[:, None], scores)) == float(loss(labels, scores))


def test_sequence_loss_is_the_negative_log_likelihood():
    probabilities = random.dirichlet(np.ones(5), size=(4, 4))  # length, and 3 digits of 4 classes and «none»
    labels = np.array([[0, 1, 4, 4], [2, 3, 0, 2], [1, 2, 2, 4], [2, 0, 1, 3]])
    expected = []
    for label, p in zip(labels, probabilities, strict=True):
        there = label[0] + 2  # the length itself, and so many digits
        expected.append(-sum(np.log(p[place, label[place]]) for place in range(there)))
    assert float(SequenceCrossentropy()(labels, probabilities)) == pytest.approx(np.mean(expected), rel=1e-5)


def test_positions_after_the_last_digit_have_no_gradient():
    import tensorflow as tf

    labels = np.array([[0, 1, 4], [1, 3, 0]])
    probabilities = tf.constant(random.dirichlet(np.ones(5), size=(2, 3)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(probabilities)
        loss = SequenceCrossentropy()(labels, probabilities)
    found = np.abs(tape.gradient(loss, probabilities)).sum(axis=-1) > 0
    np.testing.assert_array_equal(found, [[True, True, False], [True, True, True]])


@pytest.mark.parametrize("loss", [MaximumAPosteriori(2.5), SequenceCrossentropy()])
def test_config_round_trip(loss):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert again.get_config() == loss.get_config()


def test_rubbish_must_be_positive():
    with pytest.raises(InvalidValue, match="rubbish must be a number > 0; got 0"):
        MaximumAPosteriori(0)
