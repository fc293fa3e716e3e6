"""What a `GradientRecorder` costs: the same training with and without it, alternating in one run."""

import time

import keras
import numpy as np
from keras import layers

from zoo.telemetry import GradientRecorder
from zoo.training import fit

IMAGES = 50_000


def mlp(*widths):
    hidden = [layers.Dense(width, "sigmoid") for width in widths]
    return keras.Sequential([keras.Input((28, 28, 1)), layers.Flatten(), *hidden, layers.Dense(10, "softmax")])


def lenet5():
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(6, 5, padding="same", activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Conv2D(16, 5, activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dense(120, "tanh"),
            layers.Dense(84, "tanh"),
            layers.Dense(10, "softmax"),
        ]
    )


CASES = [
    ("LeNet-5, batch 128", lenet5, 128, 3),
    ("784-500-500-10, batch 100", lambda: mlp(500, 500), 100, 3),
    ("784-30-30-10, batch 10", lambda: mlp(30, 30), 10, 10),
]


LOOPS = {
    "model.fit": lambda model, x, y, **options: model.fit(x, y, verbose=0, **options),
    "zoo.training.fit": lambda model, x, y, **options: fit(model, x, y, verbose=0, shuffle=False, **options),
}


class Clock(keras.callbacks.Callback):
    """Takes the seconds of each epoch."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self._start)


def measure(train, build, batch_size, *, rounds=5, epochs=3):
    """Returns the seconds of an epoch without and with a recorder, one pair a round: the best of each."""
    random = np.random.default_rng(0)
    x = random.uniform(size=(IMAGES, 28, 28, 1)).astype("float32")
    y = random.integers(10, size=IMAGES)
    pairs = []
    for number in range(rounds + 1):
        seconds = {}
        for watched in (False, True) if number % 2 else (True, False):
            keras.utils.set_random_seed(0)
            model = build()
            model.compile("sgd", "sparse_categorical_crossentropy", steps_per_execution=50, jit_compile=False)
            clock = Clock()
            # The clock stops last, so that what a recorder reads at an epoch's end counts.
            callbacks = [GradientRecorder(), clock] if watched else [clock]
            train(model, x, y, batch_size=batch_size, epochs=epochs, callbacks=callbacks)
            seconds[watched] = min(clock.seconds[1:])  # the first one compiles
        if number:
            pairs.append([seconds[False], seconds[True]])
    return np.array(pairs)


def main():
    """Prints the table."""
    print(f"{'training':28} {'loop':17} {'epoch':>8} {'with it':>8} {'cost':>7} {'limit':>6}")
    for name, build, batch_size, limit in CASES:
        for loop, train in LOOPS.items():
            pairs = measure(train, build, batch_size)
            plain, watched = np.min(pairs, axis=0)  # what else runs on the machine only ever adds
            cost = watched / plain - 1
            print(f"{name:28} {loop:17} {plain:7.3f}s {watched:7.3f}s {cost:7.1%} {limit / 100:6.0%}", flush=True)


if __name__ == "__main__":
    main()
