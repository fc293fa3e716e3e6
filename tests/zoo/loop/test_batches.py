"""The order of the examples."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from zoo.training import fit


def test_every_epoch_has_a_different_order_and_every_example_once(points):
    seen = []

    class Spy(layers.Layer):
        def call(self, x):
            tf.py_function(lambda rows: seen.append(rows.numpy()[:, 0].tolist()), [x], [])
            return x

    network = keras.Sequential([keras.Input((2,)), Spy(), layers.Dense(2, "softmax")])
    network.compile("sgd", "sparse_categorical_crossentropy")
    fit(network, *points, batch_size=10, epochs=2, verbose=0, jit_compile=False)
    assert [len(rows) for rows in seen] == [10] * 6 + [4] + [10] * 6 + [4]
    first, second = (np.concatenate(rows).tolist() for rows in (seen[:7], seen[7:]))
    assert sorted(first) == sorted(second) == sorted(points[0][:, 0].tolist())
    assert first != second
