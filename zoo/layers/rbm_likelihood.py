"""What an RBM's probabilities sum to: by enumeration where that can be done, else by annealed importance sampling.

Salakhutdinov and Murray, «On the quantitative analysis of deep belief networks», ICML 2008.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import logsumexp

from zoo.errors import InvalidValue
from zoo.layers.gibbs import NumpySampler

LARGEST = 25  # units of the smaller side: 2^25 states take minutes, and each more doubles it
_STATES = 2**12  # enumerated at a time


@dataclass(frozen=True)
class LogPartition:
    """The logarithm of a partition function.

    Args:
        value: log Z, in nats.
        standard_error: Of an estimate; 0 where it is exact.

    >>> LogPartition(451.28, 0.1).interval
    (450.98, 451.58)
    """

    value: float
    standard_error: float = 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Three standard errors to either side."""
        reach = 3 * self.standard_error
        return round(self.value - reach, 6), round(self.value + reach, 6)


@dataclass(frozen=True, eq=False)
class Parameters:
    """The numbers of an RBM; `RBM` explains them.

    Args:
        kernel: `(visible, hidden)`, divided by sigma where the visible units are Gaussian.
        visible_bias: `(visible,)`.
        hidden_bias: `(hidden,)`.
        sigma: Standard deviation of Gaussian visible units; None for Bernoulli ones.
        labels: How many of the Bernoulli units, the last ones, are a label group.
    """

    kernel: np.ndarray
    visible_bias: np.ndarray
    hidden_bias: np.ndarray
    sigma: float | None = None
    labels: int = 0


def exact(rbm: Parameters) -> LogPartition:
    """Returns log Z by enumerating the states of the smaller side.

    Raises:
        InvalidValue: Both sides are too large for that.
    """
    visible, hidden = rbm.kernel.shape
    over_visible = rbm.sigma is None and not rbm.labels and visible < hidden
    units = visible if over_visible else hidden
    if units > LARGEST:
        raise InvalidValue(
            f"An RBM of {visible} x {hidden} units has 2^{units} states to enumerate; {LARGEST} units on the smaller "
            'side are the most. Take method="ais".'
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
    """Estimates log Z by annealed importance sampling, from units that do not interact.

    Args:
        rbm: The RBM.
        base: Biases of the Bernoulli visible units at the start, `(visible,)`; those that fit the data
            alone are best. Gaussian units keep their own.
        runs: Independent runs.
        betas: Rising inverse temperatures from 0 to 1; None takes the authors' 14,503.
        seed: Decides the draws.
    """
    betas = schedule() if betas is None else np.asarray(betas, "float64")
    if betas.ndim != 1 or len(betas) < 2 or betas[0] != 0 or betas[-1] != 1 or (np.diff(betas) < 0).any():
        raise InvalidValue("betas must rise from 0 to 1.")
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


def schedule() -> np.ndarray:
    """Returns the inverse temperatures of the authors' program, `(14503,)`: finer towards 1.

    >>> len(schedule())
    14503
    """
    return np.concatenate([np.linspace(0, 0.5, 501), np.linspace(0.5, 0.9, 4001), np.linspace(0.9, 1, 10001)])


def _log_sum_over_visible(rbm: Parameters, interaction: np.ndarray) -> np.ndarray:
    """Returns the logarithm of the sum over v of the unnormalised probabilities, given h: `(states,)`."""
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
