"""What a `GradientRecorder` costs: the same training with and without it, alternating in one run."""

import sys
import threading
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


def stock(model, x, y, **options):
    model.fit(x, y, verbose=0, **options)


def ours(model, x, y, **options):
    fit(model, x, y, verbose=0, shuffle=False, **options)


LOOPS = [
    ("zoo.training.fit", ours, {}),
    ("model.fit", stock, {}),
    ("model.fit, 50 a call", stock, {"steps_per_execution": 50}),
]


class Turns(keras.callbacks.Callback):
    """Lets two trainings in two threads run an epoch each in turn, and takes the seconds of each epoch."""

    baton = threading.Condition()
    turn = 0

    def __init__(self, number):
        super().__init__()
        self.number, self.seconds = number, []

    def on_epoch_begin(self, epoch, logs=None):
        with Turns.baton:
            Turns.baton.wait_for(lambda: Turns.turn == self.number)
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self._start)
        with Turns.baton:
            Turns.turn = 1 - self.number
            Turns.baton.notify_all()


def measure(train, build, batch_size, *, epochs, **compiled):
    """Returns the seconds of an epoch without and with a recorder, one pair for each pair of epochs."""
    random = np.random.default_rng(0)
    x = random.uniform(size=(IMAGES, 28, 28, 1)).astype("float32")
    y = random.integers(10, size=IMAGES)
    turns = [Turns(0), Turns(1)]

    def run(number):
        model = build()
        model.compile("sgd", "sparse_categorical_crossentropy", jit_compile=False, **compiled)
        # The clock stops last, so that what a recorder reads at an epoch's end counts.
        callbacks = [GradientRecorder(), turns[1]] if number else [turns[0]]
        train(model, x, y, batch_size=batch_size, epochs=epochs + 2, callbacks=callbacks)

    threads = [threading.Thread(target=run, args=(number,)) for number in (0, 1)]
    Turns.turn = 0
    threads[0].start()
    with Turns.baton:  # the first has its compiled way measured and chosen alone; the second is given the same
        Turns.baton.wait_for(lambda: Turns.turn == 1)
    threads[1].start()
    for thread in threads:
        thread.join()
    return np.transpose([each.seconds[2:] for each in turns])  # the first ones compile


def main(epochs=21):
    print(f"{'training':28} {'loop':20} {'epoch':>8} {'with it':>8} {'cost':>7} {'quartiles':>16} {'limit':>6}")
    for name, build, batch_size, limit in CASES:
        for loop, train, compiled in LOOPS:
            pairs = measure(train, build, batch_size, epochs=epochs, **compiled)
            costs = (pairs[:, 1] / pairs[:, 0] - 1) * 100
            low, middle, high = np.percentile(costs, [25, 50, 75])
            without, with_it = np.median(pairs, axis=0)
            print(
                f"{name:28} {loop:20} {without:7.3f}s {with_it:7.3f}s "
                f"{middle:6.1f}% {low:6.1f} to {high:5.1f}% {limit:5}%",
                flush=True,
            )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
