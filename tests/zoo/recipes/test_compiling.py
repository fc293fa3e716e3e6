"""A compiled model learns as in the published code."""

import numpy as np

import zoo
from zoo import datasets
from zoo.recipes.compiling import compile_model, prepare
from zoo.runs.configuration import resolve


def configure(name, **options):
    return resolve(name, "digits", recipe="nielsen", options=options)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def nielsen_step(weights, biases, x, y, *, eta, lmbda, n):
    """Takes one step of `update_mini_batch` of network2.py, in its symbols: column vectors, delta = a - y."""
    activations, a = [x.T], x.T
    for w, b in zip(weights, biases, strict=True):
        a = sigmoid(w @ a + b)
        activations.append(a)
    delta = activations[-1] - y.T
    for layer in reversed(range(len(weights))):
        nabla_w, nabla_b = delta @ activations[layer].T, delta.sum(axis=1, keepdims=True)
        a = activations[layer]
        delta = weights[layer].T @ delta * a * (1 - a)
        weights[layer] = (1 - eta * lmbda / n) * weights[layer] - eta / len(x) * nabla_w
        biases[layer] = biases[layer] - eta / len(x) * nabla_b


def test_the_nielsen_recipe_takes_the_steps_of_nielsens_code():
    configuration = configure("deep_mlp", depth=2, width=12)
    model = zoo.create("deep_mlp", **configuration.options)
    compile_model(model, configuration.recipe, steps_per_epoch=configuration.steps_per_epoch)
    parameters = [w.astype(np.float64) for w in model.get_weights()]
    weights, biases = [w.T for w in parameters[::2]], [b[:, None] for b in parameters[1::2]]
    data = datasets.load("digits")
    n = len(data.train)
    x, y = prepare(configuration.recipe, data.train.x[:200], data.train.y[:200], classes=10)
    assert x.max() == np.float32(255 / 256)
    model.fit(x, y, batch_size=10, shuffle=False, verbose=0)
    for start in range(0, 200, 10):
        batch = slice(start, start + 10)
        nielsen_step(weights, biases, x[batch].reshape(10, -1), y[batch], eta=0.1, lmbda=5.0, n=n)
    for layer, (w, b) in enumerate(zip(weights, biases, strict=True)):
        np.testing.assert_allclose(model.get_weights()[2 * layer], w.T, atol=2e-6)
        np.testing.assert_allclose(model.get_weights()[2 * layer + 1], b[:, 0], atol=2e-6)


def test_the_loss_is_the_summed_cross_entropy_and_the_penalty():
    configuration = configure("shallow_mlp")
    model = zoo.create("shallow_mlp", **configuration.options)
    compile_model(model, configuration.recipe, steps_per_epoch=configuration.steps_per_epoch)
    data = datasets.load("digits")
    x, y = prepare(configuration.recipe, data.test.x, data.test.y, classes=10)
    a = model.predict(x, verbose=0).astype(np.float64)
    cross_entropy = -(y * np.log(a) + (1 - y) * np.log(1 - a)).sum(axis=1).mean()
    squares = sum((w.astype(np.float64) ** 2).sum() for w in model.get_weights()[::2])
    expected = cross_entropy + 0.5 * 5.0 / len(data.train) * squares
    np.testing.assert_allclose(model.evaluate(x, y, verbose=0, return_dict=True)["loss"], expected, rtol=1e-5)


def test_the_option_l2_replaces_the_penalty_of_the_recipe():
    assert configure("shallow_mlp").options["l2"] == 5.0 / (2 * 1294)
    assert configure("shallow_mlp", l2=0.25).options["l2"] == 0.25
    assert configure("shallow_mlp", l2=0.0).options["l2"] == 0.0
