import keras
import numpy as np
import pytest
from scipy import stats

import zoo
from zoo import datasets
from zoo.datasets.sequences import sequences
from zoo.errors import InvalidValue
from zoo.evaluation import calibration, evaluate
from zoo.models.origin import Origin, remember

DIGITS = datasets.load("digits")
NUMBERS = sequences(DIGITS, longest=3, per_digit=0.2)


class Stub:
    """A model with fixed outputs that passes for a trained model of the zoo."""

    def __init__(self, outputs, data, *, name="deep_mlp"):
        self.name, self.input_shape, self.outputs = name, (None, *data.input_shape), outputs
        remember(self, Origin(model=name, options={}, recipe=zoo.card(name).recipe(None), data={"name": data.name}))

    def predict(self, x, **options):
        return self.outputs


@pytest.fixture(scope="module")
def probabilities():
    """Probabilities with an accuracy above one half."""
    scores = np.random.default_rng(0).normal(size=(len(DIGITS.test), 10)) + 2 * np.eye(10)[DIGITS.test.y]
    return np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def evaluation(probabilities):
    return evaluate(Stub(probabilities, DIGITS), DIGITS)


def test_accuracy_has_a_wilson_interval(probabilities, evaluation):
    correct = int((probabilities.argmax(axis=1) == DIGITS.test.y).sum())
    expected = stats.binomtest(correct, len(probabilities)).proportion_ci(method="wilson")
    value, *interval, examples = evaluation.metrics["accuracy"]
    assert (value, examples) == (correct / len(probabilities), len(probabilities))
    np.testing.assert_allclose(interval, expected)


def test_confusion_has_classes_in_rows_and_predictions_in_columns(probabilities, evaluation):
    expected = np.zeros((10, 10), int)
    for label, predicted in zip(DIGITS.test.y, probabilities.argmax(axis=1), strict=True):
        expected[label, predicted] += 1
    np.testing.assert_array_equal(evaluation.confusion, expected)
    assert list(evaluation.confusion.columns) == list(evaluation.confusion.index) == list("0123456789")


def test_calibration_is_that_of_the_largest_probability(probabilities, evaluation):
    expected = calibration(probabilities.max(axis=1), probabilities.argmax(axis=1) == DIGITS.test.y)[0]
    assert evaluation.calibration_error == pytest.approx(expected)


def test_errors_are_ordered_by_falling_confidence(probabilities, evaluation):
    assert (probabilities.argmax(axis=1) != DIGITS.test.y)[evaluation.order].all()
    assert (np.diff(evaluation.confidence[evaluation.order]) <= 0).all()


def test_scores_become_probabilities_by_softmax(probabilities, evaluation):
    of_scores = evaluate(Stub(np.log(probabilities) - 3, DIGITS, name="lenet5"), DIGITS)
    assert of_scores.calibration_error == pytest.approx(evaluation.calibration_error)


class TestSequences:
    """Sequences of up to three digits: a row for the length minus 1 and one per digit; classes 0 to 9 and "none"."""

    def evaluate(self, *changes, confidence=0.9):
        """Evaluates a model that reads every number correctly but for changes: an example, a place, a class."""
        predicted = NUMBERS.test.y.copy()
        for example, place, value in changes:
            predicted[example, place] = value
        outputs = np.where(np.arange(11) == predicted[..., None], confidence, (1 - confidence) / 10)
        return evaluate(Stub(outputs, NUMBERS, name="depth_cnn"), NUMBERS)

    @pytest.fixture
    def single(self):
        """The first number of one digit."""
        return int(np.flatnonzero(NUMBERS.test.y[:, 0] == 0)[0])

    def test_a_number_is_correct_if_its_length_and_all_its_digits_are(self, single):
        digit = NUMBERS.test.y[single, 1]
        assert self.evaluate().metrics["accuracy"].value == 1
        assert self.evaluate((single, 0, 1)).order.tolist() == [single]
        assert self.evaluate((single, 1, (digit + 1) % 10)).order.tolist() == [single]

    def test_outputs_behind_the_last_digit_do_not_count(self, single):
        assert self.evaluate((single, 3, 7)).metrics["accuracy"].value == 1

    def test_confidence_is_the_probability_of_the_length_and_of_all_digits_read(self, single):
        assert self.evaluate().confidence[single] == pytest.approx(0.9**2)
        assert self.evaluate((single, 0, 2)).confidence[single] == pytest.approx(0.9**4)

    def test_there_is_no_confusion_matrix(self):
        assert self.evaluate().confusion.empty


def test_reconstructions_are_compared_with_the_inputs():
    noise = np.random.default_rng(0).normal(size=DIGITS.test.x.shape)
    evaluation = evaluate(Stub(DIGITS.test.x + noise, DIGITS, name="autoencoder"), DIGITS)
    errors = np.square(noise).sum(axis=(1, 2, 3))
    expected = stats.norm.interval(0.95, errors.mean(), stats.sem(errors))
    np.testing.assert_allclose(evaluation.metrics["squared_error"][:3], (errors.mean(), *expected), rtol=1e-5)
    np.testing.assert_array_equal(evaluation.order[:3], np.argsort(-errors)[:3])
    assert evaluation.calibration_error is None
    assert evaluation.confusion.empty


def test_an_rbm_reconstructs_its_inputs():
    rbm = zoo.create("rbm", input_shape=(8, 8, 1), hidden=5)
    remember(rbm, Origin(model="rbm", options={}, recipe=zoo.card("rbm").recipe(None)))
    expected = np.asarray(rbm.rbm.reconstruct(DIGITS.test.x.reshape(-1, 64))).reshape(DIGITS.test.x.shape)
    np.testing.assert_allclose(evaluate(rbm, DIGITS).outputs, expected, atol=1e-6)


def test_data_are_split_as_for_the_training():
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10, "softmax")])
    recipe = zoo.card("deep_mlp").recipe(None)
    origin = Origin(model="deep_mlp", options={}, recipe=recipe, data={"name": "digits", "validation": 100}, seed=3)
    remember(model, origin)
    expected = datasets.load("digits", seed=3, validation=100).test.x
    np.testing.assert_array_equal(evaluate(model).data.test.x, expected)


@pytest.mark.parametrize(
    ("outputs", "name", "data", "message"),
    [
        (np.zeros((359, 9)), "deep_mlp", DIGITS, r"deep_mlp has outputs of shape \(9,\); digits has 10 classes"),
        (np.zeros((72, 10)), "deep_mlp", NUMBERS, "deep_mlp reads one class; digits_sequences has up to 3 digits"),
        (np.zeros((72, 6, 11)), "depth_cnn", NUMBERS, "depth_cnn reads 5 digits; digits_sequences has 3"),
    ],
)
def test_outputs_of_another_shape_are_refused(outputs, name, data, message):
    with pytest.raises(InvalidValue, match=message):
        evaluate(Stub(outputs, data, name=name), data)


def test_an_untrained_model_and_inputs_of_another_shape_are_refused():
    with pytest.raises(InvalidValue, match="deep_mlp was not trained by the zoo"):
        evaluate(zoo.create("deep_mlp"), "digits")
    with pytest.raises(InvalidValue, match=r"trained on digits, takes inputs of shape \(8, 8, 1\); moons has \(2,\)"):
        evaluate(Stub(np.zeros((1, 10)), DIGITS), "moons")
