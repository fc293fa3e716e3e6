"""The compiled loop against its peers: the same training, alternating in one run on one machine.

    python -m tests.benchmarks [ROUNDS]

A peer that is not installed is left out; `pip install '.[bench]'` brings PyTorch and JAX.
"""

import importlib.util
import sys
import time

import numpy as np

ROUNDS = 5


def examples(count):
    random = np.random.default_rng(0)
    return random.uniform(size=(count, 28, 28, 1)).astype("float32"), random.integers(10, size=count).astype("int32")


class Mlp:
    """A perceptron of sigmoid units with a softmax on top."""

    def __init__(self, *widths):
        self.widths = (784, *widths, 10)
        self.name = "-".join(map(str, self.widths))
        self.multiplications = sum(a * b for a, b in zip(self.widths, self.widths[1:], strict=False))

    def keras(self):
        import keras

        hidden = [keras.layers.Dense(width, "sigmoid") for width in self.widths[1:-1]]
        return keras.Sequential(
            [keras.Input((28, 28, 1)), keras.layers.Flatten(), *hidden, keras.layers.Dense(10, "softmax")]
        )

    def torch(self):
        from torch import nn

        parts = [nn.Flatten()]
        for number, (a, b) in enumerate(zip(self.widths, self.widths[1:], strict=False)):
            parts += [nn.Linear(a, b)] + ([nn.Sigmoid()] if number < len(self.widths) - 2 else [])
        return nn.Sequential(*parts)

    def jax(self):
        import jax

        random = np.random.default_rng(0)
        weights = [
            (random.normal(size=(a, b)).astype("float32") / a**0.5, np.zeros(b, "float32"))
            for a, b in zip(self.widths, self.widths[1:], strict=False)
        ]

        def forward(weights, x):
            x = x.reshape(len(x), -1)
            for w, b in weights[:-1]:
                x = jax.nn.sigmoid(x @ w + b)
            return x @ weights[-1][0] + weights[-1][1]

        return weights, forward

    def sklearn(self, batch_size):
        from sklearn.neural_network import MLPClassifier

        return MLPClassifier(
            self.widths[1:-1],
            activation="logistic",
            solver="sgd",
            batch_size=batch_size,
            momentum=0,
            alpha=0,
            max_iter=1,
        )


class LeNet5:
    """LeNet-5 as it is mostly built today: tanh units, mean pooling, a softmax."""

    name = "LeNet-5"
    multiplications = 28 * 28 * 6 * 25 + 100 * 16 * 150 + 400 * 120 + 120 * 84 + 84 * 10

    def keras(self):
        from tests.benchmarks.recorder_cost import lenet5

        return lenet5()

    def torch(self):
        from torch import nn

        class ChannelsFirst(nn.Module):
            def forward(self, x):
                return x.permute(0, 3, 1, 2)

        return nn.Sequential(
            ChannelsFirst(), nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(),
            nn.AvgPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(),
            nn.Linear(84, 10),
        )  # fmt: skip

    def jax(self):
        import jax

        random = np.random.default_rng(0)
        shapes = [(5, 5, 1, 6), (5, 5, 6, 16), (400, 120), (120, 84), (84, 10)]
        weights = [
            (random.normal(size=shape).astype("float32") / np.prod(shape[:-1]) ** 0.5, np.zeros(shape[-1], "float32"))
            for shape in shapes
        ]

        def layer(x, weight, padding):
            x = jax.lax.conv_general_dilated(x, weight[0], (1, 1), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))
            x = jax.numpy.tanh(x + weight[1])
            return jax.lax.reduce_window(x, 0.0, jax.lax.add, (1, 2, 2, 1), (1, 2, 2, 1), "VALID") / 4

        def forward(weights, x):
            x = layer(layer(x, weights[0], "SAME"), weights[1], "VALID").reshape(len(x), -1)
            for w, b in weights[2:-1]:
                x = jax.numpy.tanh(x @ w + b)
            return x @ weights[-1][0] + weights[-1][1]

        return weights, forward

    sklearn = None


def compiled(net):
    import keras

    keras.utils.set_random_seed(0)
    model = net.keras()
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", jit_compile=False)
    return model


def stock_fit(net, x, y, batch_size):
    model = compiled(net)
    return lambda: model.fit(x, y, batch_size=batch_size, verbose=0)


def zoo_fit(net, x, y, batch_size):
    import keras

    from zoo.training import fit

    model, done = compiled(net), []

    class Stop(keras.callbacks.Callback):
        """Ends each call after one epoch of a training that is as long as such trainings are."""

        def on_epoch_begin(self, epoch, logs=None):
            self.start = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            done.append(time.perf_counter() - self.start)
            self.model.stop_training = len(done) % 2 == 0

    def run():
        fit(model, x, y, batch_size=batch_size, epochs=1000, verbose=0, callbacks=[Stop()])
        return done[-1]  # the first epoch of a call compiles

    return run


def torch_loop(net, x, y, batch_size, *, compile_=False):
    import torch

    torch.manual_seed(0)
    model = net.torch()
    step_model = torch.compile(model) if compile_ else model
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    inputs, targets = torch.from_numpy(x), torch.from_numpy(y.astype("int64"))

    def run():
        order = torch.randperm(len(inputs))
        for start in range(0, len(inputs), batch_size):
            rows = order[start : start + batch_size]
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(step_model(inputs[rows]), targets[rows]).backward()
            optimizer.step()

    return run


def torch_compiled(net, x, y, batch_size):
    return torch_loop(net, x, y, batch_size, compile_=True)


def jax_scan(net, x, y, batch_size):
    import jax

    weights, forward = net.jax()
    steps = len(x) // batch_size
    inputs, targets = jax.numpy.asarray(x), jax.numpy.asarray(y)

    def loss(weights, x, y):
        scores = jax.nn.log_softmax(forward(weights, x))
        return -jax.numpy.take_along_axis(scores, y[:, None], axis=1).mean()

    @jax.jit
    def epoch(weights, rows):
        def step(weights, rows):
            slopes = jax.grad(loss)(weights, inputs[rows], targets[rows])
            return jax.tree.map(lambda w, g: w - 0.1 * g, weights, slopes), None

        return jax.lax.scan(step, weights, rows)[0]

    state = [weights]

    def run():
        rows = np.random.default_rng().permutation(len(x))[: steps * batch_size].reshape(steps, batch_size)
        state[0] = jax.block_until_ready(epoch(state[0], rows))

    return run


def sklearn_fit(net, x, y, batch_size):
    import warnings

    model, flat = net.sklearn(batch_size), x.reshape(len(x), -1)

    def run():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(flat, y)

    return run


CONTENDERS = {
    "zoo.training.fit": (zoo_fit, None),
    "model.fit": (stock_fit, None),
    "PyTorch": (torch_loop, "torch"),
    "torch.compile": (torch_compiled, "torch"),
    "JAX scan": (jax_scan, "jax"),
    "scikit-learn": (sklearn_fit, None),
}
CASES = [
    (Mlp(30), 10, 10_000),
    (LeNet5(), 128, 6_400),
    (LeNet5(), 10, 3_000),
    (Mlp(500, 500), 100, 20_000),
]


def matrix_product_rate():
    """Returns multiplications and additions a second of a large product, the best of several."""
    import tensorflow as tf

    a = tf.random.normal((1500, 1500))
    product = tf.function(lambda: tf.reduce_sum(a @ a))
    product()
    best = 1e9
    for _ in range(10):
        start = time.perf_counter()
        product().numpy()
        best = min(best, time.perf_counter() - start)
    return 2 * 1500**3 / best


def measure(net, batch_size, count, rounds):
    """Returns the seconds of an epoch of each contender, `{name: [rounds]}`."""
    x, y = examples(count)
    runs = {}
    for name, (make, package) in CONTENDERS.items():
        if (package and not importlib.util.find_spec(package)) or (name == "scikit-learn" and net.sklearn is None):
            continue
        try:
            runs[name] = make(net, x, y, batch_size)
            runs[name]()
        except Exception as error:
            print(f"  {name} is left out: {type(error).__name__}: {str(error).splitlines()[0][:100]}")
            runs.pop(name, None)
    seconds = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            of_its_own = run()
            seconds[name].append(of_its_own if isinstance(of_its_own, float) else time.perf_counter() - start)
    return seconds


def main(rounds=ROUNDS):
    """Prints the table."""
    for net, batch_size, count in CASES:
        rate = matrix_product_rate()
        seconds = measure(net, batch_size, count, rounds)
        ours = np.array(seconds["zoo.training.fit"])
        print(f"\n{net.name}, batch {batch_size}; matrix products run at {rate / 1e9:.0f} GFLOP/s")
        print(f"{'':18} {'us/step':>8} {'examples/s':>11} {'its time over ours':>19} {'share of the rate':>18}")
        for name, taken in seconds.items():
            taken = np.array(taken)
            best = np.median(taken)
            share = 6 * net.multiplications * count / best / rate
            ratio = np.median(taken / ours)
            step = 1e6 * best / (count / batch_size)
            print(f"{name:18} {step:8.0f} {count / best:11,.0f} {ratio:19.2f} {share:18.0%}", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
