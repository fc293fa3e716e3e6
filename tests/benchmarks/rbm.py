"""One update of an RBM by CD-1 against its peers, alternating in one run: scikit-learn's, and PyTorch by hand.

    python -m tests.benchmarks.rbm [ROUNDS]

All sample the hidden units and take the visible units' mean once, and follow the plain gradient. scikit-learn's
scoring is left out: its `_fit` is the update alone. So are the monitors of `BoltzmannMachine`, in the second of
our rows, for the same reason; the first one has them.
"""

import importlib.util
import sys
import time

import numpy as np

from tests.benchmarks.__main__ import matrix_product_rate

VISIBLE, HIDDEN, RATE = 784, 500, 0.1


def data(count):
    return (np.random.default_rng(0).uniform(size=(count, VISIBLE)) < 0.2).astype("float32")


def ours(x, batch_size, *, monitors=True):
    import keras

    import zoo
    from zoo.loop.batches import draw_order
    from zoo.loop.steps import Steps, make_variables

    model = zoo.create("rbm", input_shape=(VISIBLE,), hidden=HIDDEN)
    model.compile(keras.optimizers.SGD(RATE), jit_compile=False)
    if not monitors:
        model._watch = lambda *_: None
    make_variables(model, (x,))
    rows = draw_order(len(x), seed=0, epoch=0).reshape(-1, batch_size)
    steps = Steps(model, model.train_step, (x,), jit_compile=False)

    def run():
        for value in steps(rows, len(rows)).values():
            np.asarray(value)

    return run


def scikit_learn(x, batch_size):
    from sklearn.neural_network import BernoulliRBM

    rbm = BernoulliRBM(HIDDEN, learning_rate=RATE, batch_size=batch_size, n_iter=1, random_state=0)
    rbm.fit(x[:batch_size])
    random = np.random.RandomState(0)

    def run():
        for start in range(0, len(x), batch_size):
            rbm._fit(x[start : start + batch_size], random)

    return run


def by_hand_in_torch(x, batch_size):
    import torch

    w, b, c = torch.randn(VISIBLE, HIDDEN) * 0.01, torch.zeros(VISIBLE), torch.zeros(HIDDEN)
    inputs = torch.from_numpy(x)

    @torch.no_grad()
    def run():
        for start in range(0, len(inputs), batch_size):
            v0 = inputs[start : start + batch_size]
            h0 = torch.sigmoid(c + v0 @ w)
            v1 = torch.sigmoid(b + torch.bernoulli(h0) @ w.T)
            h1 = torch.sigmoid(c + v1 @ w)
            w.add_(v0.T @ h0 - v1.T @ h1, alpha=RATE / len(v0))
            b.add_((v0 - v1).sum(0), alpha=RATE / len(v0))
            c.add_((h0 - h1).sum(0), alpha=RATE / len(v0))

    return run


CONTENDERS = {
    "zoo": (ours, None),
    "zoo, unwatched": (lambda x, batch_size: ours(x, batch_size, monitors=False), None),
    "scikit-learn": (scikit_learn, "sklearn"),
    "PyTorch by hand": (by_hand_in_torch, "torch"),
}


def main(rounds=7):
    """Prints the table."""
    for batch_size, count in ((100, 10_000), (10, 3_000)):
        x = data(count)
        runs = {
            name: make(x, batch_size)
            for name, (make, package) in CONTENDERS.items()
            if not package or importlib.util.find_spec(package)
        }
        for run in runs.values():
            run()
        seconds, rates = {name: [] for name in runs}, []
        for _ in range(rounds):
            rates.append(matrix_product_rate())
            for name, run in runs.items():
                start = time.perf_counter()
                run()
                seconds[name].append(time.perf_counter() - start)
        rate = np.median(rates)
        print(f"\nRBM {VISIBLE}x{HIDDEN}, CD-1, batch {batch_size}; matrix products run at {rate / 1e9:.0f} GFLOP/s")
        print(f"{'':16} {'us/step':>8} {'its time over ours':>19} {'share of the rate':>18}")
        for name, taken in seconds.items():
            step = np.median(taken) / (count / batch_size)
            ratio = np.median(np.divide(taken, seconds["zoo"]))
            share = 5 * 2 * batch_size * VISIBLE * HIDDEN / step / rate
            print(f"{name:16} {1e6 * step:8.0f} {ratio:19.2f} {share:18.0%}", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
