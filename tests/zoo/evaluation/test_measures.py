import numpy as np
import pytest
from scipy import stats

from zoo.evaluation import calibration, mean_interval, wilson


@pytest.mark.parametrize(("right", "examples"), [(0, 5), (1, 10), (9905, 10_000), (796, 796)])
def test_wilson_is_scipy_s(right, examples):
    expected = stats.binomtest(right, examples).proportion_ci(method="wilson")
    found = wilson(right, examples)
    np.testing.assert_allclose((found.low, found.high), (expected.low, expected.high), atol=1e-12)


def test_a_mean_s_interval_is_scipy_s_normal_one():
    values = np.random.default_rng(0).normal(3, 2, 500)
    expected = stats.norm.interval(0.95, values.mean(), stats.sem(values))
    np.testing.assert_allclose(mean_interval(values)[1:3], expected)


def test_calibration_by_hand():
    confidence = np.array([0.0, 0.05, 0.65, 0.7, 1.0])
    right = np.array([False, True, True, False, True])
    error, table = calibration(confidence, right, bins=10)
    # bins: two with mean 0.025, half right; two with means 0.65 (right) and 0.7 (wrong) in one bin; one at 1.
    assert error == pytest.approx((2 * abs(0.5 - 0.025) + 2 * abs(0.5 - 0.675) + 0) / 5)
    assert table["examples"].tolist() == [2, 0, 0, 0, 0, 0, 2, 0, 0, 1]


def test_what_is_as_often_right_as_it_is_sure_is_calibrated():
    random = np.random.default_rng(0)
    confidence = random.uniform(size=200_000)
    assert calibration(confidence, random.uniform(size=len(confidence)) < confidence)[0] < 0.01
