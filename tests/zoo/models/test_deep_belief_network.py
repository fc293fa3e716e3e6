"""The generative deep belief network, against enumeration and against appendix B of the paper in NumPy."""

import itertools
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import zoo
from zoo import datasets
from zoo.errors import InvalidValue
from zoo.models.deep_belief_network import DeepBeliefNetwork


def small(**options):
    keras.utils.set_random_seed(4)
    model = DeepBeliefNetwork(**{"input_shape": (4,), "classes": 3, "hidden": (5, 4), "top": 6, **options})
    random = np.random.default_rng(0)
    for weight in model.weights:
        if "seed" not in weight.path:
            weight.assign(random.normal(size=weight.shape))
    return model


def sigmoid(x):
    return 0.5 + 0.5 * np.tanh(x / 2)


def test_class_probabilities_follow_from_the_joint_distribution_of_the_top_rbm():
    model = small()
    x = np.random.default_rng(1).uniform(size=(7, 4)).astype("float32")
    codes = ops.convert_to_numpy(model.codes(x)).astype("float64")
    kernel, visible, hidden = (
        ops.convert_to_numpy(w).astype("float64")
        for w in (model.top.kernel, model.top.visible_bias, model.top.hidden_bias)
    )
    states = np.array(list(itertools.product([0, 1], repeat=6)))
    joint = np.zeros((7, 3))
    for label in range(3):
        v = np.concatenate([codes, np.tile(np.eye(3)[label], (7, 1))], axis=1)
        joint[:, label] = np.exp((v @ visible)[:, None] + states @ hidden + v @ kernel @ states.T).sum(axis=1)
    expected = joint / joint.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-5)


def test_codes_are_computed_by_the_recognition_weights():
    model = small()
    x = np.random.default_rng(1).uniform(size=(3, 4))
    expected = x
    for layer in model.recognition:
        kernel, bias = layer.get_weights()
        expected = sigmoid(expected @ kernel + bias)
    np.testing.assert_allclose(model.codes(x.astype("float32")), expected, rtol=1e-5)


def test_gradient_equals_that_of_the_papers_program():
    """With weights so large that every unit is certain of its state, sampling draws nothing at random."""
    model = small()
    for weight in model.trainable_variables:
        weight.assign(3000 * ops.convert_to_numpy(weight))
    x = np.array([[0, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 1]], "float32")
    y = np.array([2, 0, 1])
    with tf.GradientTape() as tape:
        loss = model.compute_loss(x, y)
    variables = model.trainable_variables
    gradients = tape.gradient(loss, [variable.value for variable in variables])
    found = {variable.path: gradient for variable, gradient in zip(variables, gradients, strict=True)}

    (r1, rb1), (r2, rb2) = (layer.get_weights() for layer in model.recognition)
    (g1, gb1), (g2, gb2) = (layer.get_weights() for layer in model.generation)
    top = {v.path.split("/")[-1]: ops.convert_to_numpy(v) for v in model.top.trainable_variables}
    on = lambda total: (sigmoid(total.astype("float64")) > 0.5).astype("float64")  # noqa: E731
    # Up
    wake1 = on(x @ r1 + rb1)
    wake2 = on(wake1 @ r2 + rb2)
    # At the top
    data = np.concatenate([wake2, np.eye(3)[y]], axis=1)
    wake_top = on(data @ top["kernel"] + top["hidden_bias"])
    total = wake_top @ top["kernel"].T + top["visible_bias"]
    label = np.exp(total[:, 4:] - total[:, 4:].max(axis=1, keepdims=True))
    label /= label.sum(axis=1, keepdims=True)
    assert (label.max(axis=1) > 1 - 1e-6).all()
    end = np.concatenate([on(total[:, :4]), np.round(label)], axis=1)
    sleep_top = sigmoid((end @ top["kernel"] + top["hidden_bias"]).astype("float64"))
    # Down
    sleep2 = end[:, :4]
    sleep1 = on(sleep2 @ g2 + gb2)
    sleep0 = sigmoid((sleep1 @ g1 + gb1).astype("float64"))

    def mean_outer(below, above):
        return below.T @ above / len(x)

    expected = {
        "generation_1/kernel": mean_outer(wake1, sigmoid(wake1 @ g1 + gb1) - x),
        "generation_2/kernel": mean_outer(wake2, sigmoid(wake2 @ g2 + gb2) - wake1),
        "recognition_1/kernel": mean_outer(sleep0, sigmoid(sleep0 @ r1 + rb1) - sleep1),
        "recognition_2/kernel": mean_outer(sleep1, sigmoid(sleep1 @ r2 + rb2) - sleep2),
        "top/kernel": mean_outer(end, sleep_top) - mean_outer(data, wake_top),
        "top/visible_bias": (end - data).mean(axis=0),
        "top/hidden_bias": (sleep_top - wake_top).mean(axis=0),
    }
    for name, value in expected.items():
        (path,) = (path for path in found if path.endswith(name))
        np.testing.assert_allclose(found[path], value, atol=1e-5, err_msg=name)
    assert any(np.abs(value).max() > 0.3 for value in expected.values())


@pytest.mark.large
def test_generated_examples_are_of_the_requested_class():
    """By the judgement of a classifier of scikit-learn that has seen the same digits."""
    from sklearn.linear_model import LogisticRegression

    data = datasets.load("digits")
    recipe = zoo.card("generative_dbn").recipe()
    # The published rate is for forty times as many examples.
    recipe = replace(recipe, pretraining=replace(recipe.pretraining, learning_rate=0.1))
    run = zoo.train(
        "generative_dbn", recipe=recipe, options={"hidden": (60, 60), "top": 120}, epochs=10, pretraining_epochs=50,
        progress=False,
    )  # fmt: skip
    assert run.test["accuracy"] > 0.93
    judge = LogisticRegression(max_iter=2000).fit(data.train.x.reshape(-1, 64), data.train.y)
    labels = np.repeat(np.arange(10), 10)
    drawn = run.model.generate(labels, steps=200)
    assert judge.score(drawn.reshape(100, -1), labels) > 0.6  # by chance it is 0.1
    np.testing.assert_array_equal(run.model.generate(labels[:5], steps=3), run.model.generate(labels[:5], steps=3))
    assert (run.model.generate(labels[:5], steps=3, seed=1) != run.model.generate(labels[:5], steps=3)).any()


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("labels", [[], [10], [-1]])
def test_label_out_of_range_raises(labels):
    with pytest.raises(InvalidValue, match="labels must be integers from 0 to 9"):
        zoo.create("generative_dbn", input_shape=(8, 8, 1), hidden=(5,), top=5).generate(labels)


@pytest.mark.parametrize("options", [{"classes": 1}, {"k": 0}, {"top": 0}])
def test_option_out_of_range_raises(options):
    with pytest.raises(InvalidValue, match=next(iter(options))):
        small(**options)


def test_equal_states_give_equal_updates():
    """Also the weights that generate, which are read again after their gradient is known."""
    model = DeepBeliefNetwork(input_shape=(64,), classes=10, hidden=(12, 12), top=16, seed=1)
    model.compile(keras.optimizers.SGD(0.02))
    model.optimizer.build(model.trainable_variables)
    random = np.random.default_rng(0)
    x, y = tf.constant(random.uniform(size=(100, 64)).astype("float32")), tf.constant(random.integers(10, size=100))
    step = tf.function(lambda: model.train_step((x, y)), autograph=False)
    before = [variable.numpy() for variable in model.variables]  # the random state too
    outcomes = set()
    for _ in range(300):
        for variable, value in zip(model.variables, before, strict=True):
            variable.assign(value)
        step()
        outcomes.add(b"".join(weight.tobytes() for weight in model.get_weights()))
    assert len(outcomes) == 1
