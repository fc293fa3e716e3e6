"""The partition function of an RBM, by enumeration or by annealed importance sampling.

Salakhutdinov and Murray, «On the quantitative analysis of deep belief networks», ICML 2008.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import logsumexp

from zoo.errors import InvalidValue
from zoo.layers.gibbs import NumpySampler

LARGEST = 25  # units of the smaller layer: 2^25 states take minutes, and every further unit doubles the time
_STATES = 2**12  # enumerated at a time


@dataclass(frozen=True)
class LogPartition:
    """The logarithm of a partition function.

    Args:
        value: log Z, in nats.
        standard_error: Standard error of the estimate. Defaults to 0, exact.

    >>> LogPartition(451.28, 0.1).interval
    (450.98, 451.58)
    """

    value: float
    standard_error: float = 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Three standard errors on either side."""
        reach = 3 * self.standard_error
        return round(self.value - reach, 6), round(self.value + reach, 6)


@dataclass(frozen=True, eq=False)
class Parameters:
    """The parameters of an RBM.

    Args:
        kernel: Weights, `(visible, hidden)`, divided by sigma if the visible units are Gaussian.
        visible_bias: Biases of the visible units, `(visible,)`.
        hidden_bias: Biases of the hidden units, `(hidden,)`.
        sigma: Standard deviation of Gaussian visible units. Defaults to None, Bernoulli units.
        labels: Number of Bernoulli units, the last ones, that are label units. Defaults to 0.
    """

    kernel: np.ndarray
    visible_bias: np.ndarray
    hidden_bias: np.ndarray
    sigma: float | None = None
    labels: int = 0


def exact(rbm: Parameters) -> LogPartition:
    """Returns log Z by enumerating the states of the smaller layer.

    Raises:
        InvalidValue: Both layers have more than 25 units.
    """
    visible, hidden = rbm.kernel.shape
    over_visible = rbm.sigma is None and not rbm.labels and visible < hidden
    units = visible if over_visible else hidden
    if units > LARGEST:
        raise InvalidValue(
            f"The smaller layer must have at most {LARGEST} units to be enumerated; got {visible} x {hidden} units, "
            f'2^{units} states. Use method="ais".'
        )
    kernel = rbm.kernel.astype("float64")
    total = -np.inf
    for start in range(0, 2**units, _STATES):
        numbers = np.arange(start, min(start + _STATES, 2**units))
        states = (numbers[:, None] >> np.arange(units) & 1).astype("float64")
        if over_visible:
            logs = states @ rbm.visible_bias + softplus(rbm.hidden_bias + states @ kernel).sum(1)
        else:
            logs = states @ rbm.hidden_bias + _log_sum_over_visible(rbm, states @ kernel.T)
        total = np.logaddexp(total, logsumexp(logs))
    return LogPartition(float(total))


def annealed(
    rbm: Parameters, *, base: np.ndarray, runs: int = 100, betas: np.ndarray | None = None, seed: int = 0
) -> LogPartition:
    """Estimates log Z by annealed importance sampling, starting from units that do not interact.

    Args:
        rbm: Parameters of the RBM.
        base: Initial biases of Bernoulli visible units, `(visible,)`; those of `base_rate_biases` are best. Gaussian
            units keep their own.
        runs: Number of independent runs. Defaults to 100.
        betas: Increasing inverse temperatures from 0 to 1. Defaults to None, the authors' 14,503.
        seed: Random seed. Defaults to 0.

    Raises:
        InvalidValue: `betas` does not increase from 0 to 1.
    """
    betas = schedule() if betas is None else np.asarray(betas, "float64")
    if betas.ndim != 1 or len(betas) < 2 or betas[0] != 0 or betas[-1] != 1 or (np.diff(betas) < 0).any():
        raise InvalidValue(f"betas must increase from 0 to 1; got {betas}.")
    sampler = NumpySampler(np.random.default_rng(seed), dtype="float32")
    kernel, hidden_bias = rbm.kernel.astype("float32"), rbm.hidden_bias.astype("float32")
    bias, base = rbm.visible_bias.astype("float32"), np.asarray(base, "float32")
    gaussian, sigma = rbm.sigma is not None, rbm.sigma or 1.0

    def sample_visible(beta: float, h: np.ndarray | None) -> np.ndarray:
        interaction = 0 if h is None else np.float32(beta) * (h @ kernel.T)
        if gaussian:
            return sampler.normal(np.broadcast_to(bias + sigma**2 * interaction, (runs, len(bias))), sigma)
        total = np.broadcast_to((1 - beta) * base + beta * bias, (runs, len(bias))) + interaction
        if not rbm.labels:
            return sampler.bernoulli(sampler.sigmoid(total))
        units = sampler.bernoulli(sampler.sigmoid(total[:, : -rbm.labels]))
        return np.concatenate([units, sampler.one_hot(total[:, -rbm.labels :])], axis=1)

    start = 0.0 if gaussian else base
    logs = np.zeros(runs)
    v = sample_visible(0.0, None)
    for last, beta in itertools.pairwise(betas):
        total = hidden_bias + v @ kernel
        logs += softplus(np.float32(beta) * total).sum(1, dtype="float64")
        logs -= softplus(np.float32(last) * total).sum(1, dtype="float64")
        if not gaussian:
            logs += (beta - last) * (v @ (bias - start)).astype("float64")
        v = sample_visible(beta, sampler.bernoulli(sampler.sigmoid(np.float32(beta) * total)))
    free = replace(rbm, visible_bias=bias if gaussian else base)
    at_start = len(hidden_bias) * np.log(2) + _log_sum_over_visible(free, np.zeros((1, len(bias))))[0]
    weights = np.exp(logs - logs.max())
    error = weights.std(ddof=1) / weights.mean() / np.sqrt(runs) if runs > 1 else np.inf
    return LogPartition(float(at_start + logs.max() + np.log(weights.mean())), float(error))


def base_rate_biases(data: Any, labels: int = 0) -> np.ndarray:
    """Returns the biases with which independent Bernoulli units have the mean of the data, `(visible,)`.

    Args:
        data: Examples, `(examples, ...)`.
        labels: Number of label units, the last ones. Defaults to 0.
    """
    data = np.asarray(data).reshape(len(data), -1)
    mean = (data.sum(0, dtype="float64") + 1) / (len(data) + 2)  # never 0 or 1
    if not labels:
        return np.log(mean / (1 - mean))
    biases = np.log(mean)
    biases[:-labels] -= np.log1p(-mean[:-labels])
    return biases


def schedule() -> np.ndarray:
    """Returns the inverse temperatures of the authors' program, `(14503,)`, which become denser towards 1.

    >>> len(schedule())
    14503
    """
    return np.concatenate([np.linspace(0, 0.5, 501), np.linspace(0.5, 0.9, 4001), np.linspace(0.9, 1, 10001)])


def _log_sum_over_visible(rbm: Parameters, interaction: np.ndarray) -> np.ndarray:
    """Returns the logarithm of the sum over v of the unnormalized probabilities, given h: `(states,)`."""
    if rbm.sigma is not None:
        moved = interaction * rbm.visible_bias + (rbm.sigma * interaction) ** 2 / 2
        return moved.sum(1) + len(rbm.visible_bias) * np.log(np.sqrt(2 * np.pi) * rbm.sigma)
    total = rbm.visible_bias + interaction
    if not rbm.labels:
        return softplus(total).sum(1)
    group = total[:, -rbm.labels :]
    return softplus(total[:, : -rbm.labels]).sum(1) + logsumexp(group, axis=1)


def softplus(values: np.ndarray) -> np.ndarray:
    """Returns log(1 + exp(values)), ten times as fast as `scipy.special.softplus`."""
    return np.maximum(values, 0) + np.log1p(np.exp(-np.abs(values)))
