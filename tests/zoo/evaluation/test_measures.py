import numpy as np
import pytest
from scipy import stats

from zoo.evaluation import calibration, mean_interval, wilson


@pytest.mark.parametrize(("correct", "examples"), [(0, 5), (1, 10), (9905, 10_000), (796, 796)])
def test_wilson_solves_its_equation(correct, examples):
    """The ends are those shares p of which the observed share is 1.96 standard deviations away."""
    value, *ends, count = wilson(correct, examples)
    assert (value, count) == (correct / examples, examples)
    z = stats.norm.ppf(0.975)
    p = np.roots([1 + z**2 / examples, -2 * value - z**2 / examples, value**2])
    np.testing.assert_allclose(ends, sorted(p), atol=1e-12)


def test_the_interval_of_a_mean_is_1_96_standard_errors_wide_on_each_side():
    values = np.random.default_rng(0).normal(3, 2, 500)
    half = 1.959963984540054 * values.std(ddof=1) / np.sqrt(500)
    np.testing.assert_allclose(mean_interval(values), (values.mean(), values.mean() - half, values.mean() + half, 500))


def test_calibration_by_hand():
    confidence = np.array([0.0, 0.05, 0.65, 0.7, 1.0])
    correct = np.array([False, True, True, False, True])
    error, table = calibration(confidence, correct, bins=10)
    # Two with mean 0.025, one correct; two with mean 0.675, one correct; one at 1.
    assert error == pytest.approx((2 * abs(0.5 - 0.025) + 2 * abs(0.5 - 0.675) + 0) / 5)
    assert table["examples"].tolist() == [2, 0, 0, 0, 0, 0, 2, 0, 0, 1]


def test_accuracy_equal_to_confidence_has_no_calibration_error():
    random = np.random.default_rng(0)
    confidence = random.uniform(size=200_000)
    assert calibration(confidence, random.uniform(size=len(confidence)) < confidence)[0] < 0.01
