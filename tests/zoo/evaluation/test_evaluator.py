import keras
import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import confusion_matrix

import zoo
from zoo import datasets
from zoo.datasets.sequences import sequences
from zoo.errors import InvalidValue
from zoo.evaluation import calibration, evaluate
from zoo.models.origin import Origin, remember

DIGITS = datasets.load("digits")
NUMBERS = sequences(DIGITS, longest=3, per_digit=0.2)


class Gives:
    """Stands for a model that was trained on data: gives these outputs, whatever it is asked."""

    def __init__(self, outputs, data, *, of="deep_mlp"):
        self.name, self.input_shape, self.outputs = of, (None, *data.input_shape), outputs
        remember(self, Origin(model=of, options={}, recipe=zoo.card(of).recipe(None), data={"name": data.name}))

    def predict(self, x, **options):
        return self.outputs


@pytest.fixture(scope="module")
def guesses():
    """Probabilities of which a good half has the right class on top."""
    scores = np.random.default_rng(0).normal(size=(len(DIGITS.test), 10)) + 2 * np.eye(10)[DIGITS.test.y]
    return np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def of_guesses(guesses):
    return evaluate(Gives(guesses, DIGITS), DIGITS)


def test_accuracy_has_wilson_s_interval(guesses, of_guesses):
    right = int((guesses.argmax(axis=1) == DIGITS.test.y).sum())
    expected = stats.binomtest(right, len(guesses)).proportion_ci(method="wilson")
    value, *interval, examples = of_guesses.metrics["accuracy"]
    assert (value, examples) == (right / len(guesses), len(guesses))
    np.testing.assert_allclose(interval, expected)


def test_confusion_is_scikit_learn_s(guesses, of_guesses):
    np.testing.assert_array_equal(of_guesses.confusion, confusion_matrix(DIGITS.test.y, guesses.argmax(axis=1)))
    assert list(of_guesses.confusion.columns) == list(of_guesses.confusion.index) == list("0123456789")


def test_calibration_is_of_the_greatest_probability(guesses, of_guesses):
    expected = calibration(guesses.max(axis=1), guesses.argmax(axis=1) == DIGITS.test.y)[0]
    assert of_guesses.calibration_error == pytest.approx(expected)


def test_the_mistakes_come_surest_first(guesses, of_guesses):
    assert (guesses.argmax(axis=1) != DIGITS.test.y)[of_guesses.order].all()
    assert (np.diff(of_guesses.confidence[of_guesses.order]) <= 0).all()


def test_scores_become_probabilities_by_the_softmax(guesses, of_guesses):
    found = evaluate(Gives(np.log(guesses) - 3, DIGITS, of="lenet5"), DIGITS)
    assert found.calibration_error == pytest.approx(of_guesses.calibration_error)


class TestSequences:
    """Of up to three digits: a row with the length less 1, then one a digit; classes 0 to 9 and «none»."""

    def read(self, *changes, sure=0.9):
        """Evaluates a net that reads all numbers right but for these changes: an example, a place, a class."""
        answers = NUMBERS.test.y.copy()
        for example, place, value in changes:
            answers[example, place] = value
        outputs = np.where(np.arange(11) == answers[..., None], sure, (1 - sure) / 10)
        return evaluate(Gives(outputs, NUMBERS, of="depth_cnn"), NUMBERS)

    def of_length(self, length):
        return int(np.flatnonzero(NUMBERS.test.y[:, 0] + 1 == length)[0])

    def test_a_number_is_right_if_its_length_and_all_its_digits_are(self):
        one = self.of_length(1)
        digit = NUMBERS.test.y[one, 1]
        assert self.read().metrics["accuracy"].value == 1
        assert self.read((one, 0, 1)).order.tolist() == [one]
        assert self.read((one, 1, (digit + 1) % 10)).order.tolist() == [one]

    def test_what_is_read_behind_the_last_digit_does_not_count(self):
        assert self.read((self.of_length(1), 3, 7)).metrics["accuracy"].value == 1

    def test_it_is_as_sure_as_of_the_length_and_of_all_digits_that_it_reads(self):
        one = self.of_length(1)
        assert self.read().confidence[one] == pytest.approx(0.9**2)
        assert self.read((one, 0, 2)).confidence[one] == pytest.approx(0.9**4)

    def test_there_is_no_confusion_of_classes(self):
        assert self.read().confusion.empty


def test_reconstructions_are_compared_with_what_the_model_was_given():
    data, off = DIGITS, np.random.default_rng(0).normal(size=DIGITS.test.x.shape)
    found = evaluate(Gives(data.test.x + off, data, of="autoencoder"), data)
    errors = np.square(off).sum(axis=(1, 2, 3))
    expected = stats.norm.interval(0.95, errors.mean(), stats.sem(errors))
    np.testing.assert_allclose(found.metrics["squared_error"][:3], (errors.mean(), *expected), rtol=1e-5)
    np.testing.assert_array_equal(found.order[:3], np.argsort(-errors)[:3])
    assert found.calibration_error is None
    assert found.confusion.empty


def test_an_rbm_gives_back_its_images():
    rbm = zoo.create("rbm", input_shape=(8, 8, 1), hidden=5)
    remember(rbm, Origin(model="rbm", options={}, recipe=zoo.card("rbm").recipe(None)))
    back = np.asarray(rbm.rbm.reconstruct(DIGITS.test.x.reshape(-1, 64))).reshape(DIGITS.test.x.shape)
    np.testing.assert_allclose(evaluate(rbm, DIGITS).outputs, back, atol=1e-6)


def test_data_are_split_as_for_the_training(monkeypatch):
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10, "softmax")])
    recipe = zoo.card("deep_mlp").recipe(None)
    origin = Origin(model="deep_mlp", options={}, recipe=recipe, data={"name": "digits", "validation": 100}, seed=3)
    remember(model, origin)
    expected = datasets.load("digits", seed=3, validation=100).test.x
    np.testing.assert_array_equal(evaluate(model).data.test.x, expected)


@pytest.mark.parametrize(
    ("outputs", "of", "data", "message"),
    [
        (np.zeros((359, 9)), "deep_mlp", DIGITS, r"deep_mlp gives \(9,\); digits has 10 classes"),
        (np.zeros((72, 10)), "deep_mlp", NUMBERS, "deep_mlp reads one class; digits_sequences has up to 3 digits"),
        (np.zeros((72, 6, 11)), "depth_cnn", NUMBERS, "depth_cnn reads 5 digits; digits_sequences has 3"),
    ],
)
def test_outputs_of_another_kind_are_refused(outputs, of, data, message):
    with pytest.raises(InvalidValue, match=message):
        evaluate(Gives(outputs, data, of=of), data)


def test_what_was_not_trained_or_takes_something_else_is_refused():
    with pytest.raises(InvalidValue, match="deep_mlp was not trained by the zoo"):
        evaluate(zoo.create("deep_mlp"), "digits")
    with pytest.raises(InvalidValue, match=r"trained on digits, takes inputs of shape \(8, 8, 1\); moons has \(2,\)"):
        evaluate(Gives(np.zeros((1, 10)), DIGITS), "moons")
