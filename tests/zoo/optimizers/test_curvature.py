import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import zoo
from zoo.errors import InvalidValue
from zoo.losses import MaximumAPosteriori
from zoo.optimizers import DiagonalLevenbergMarquardt
from zoo.optimizers.curvature import create_curvature_estimator
from zoo.training import EstimateCurvature, fit

X = np.random.default_rng(0).normal(size=(8, 6, 6, 1)).astype("float32")
Y = np.random.default_rng(1).integers(3, size=8)


def softmax_net(l2=None):
    inputs = keras.Input((6, 6, 1))
    x = layers.Flatten()(layers.Conv2D(2, 3, activation="tanh", kernel_regularizer=l2)(inputs))
    model = keras.Model(inputs, layers.Dense(3, "softmax")(x))
    model.compile(DiagonalLevenbergMarquardt(), "sparse_categorical_crossentropy")
    return model


def rbf_net():
    from zoo.layers import RBFOutput

    prototypes = np.random.default_rng(2).normal(size=(3, 4))
    inputs = keras.Input((6, 6, 1))
    x = layers.Dense(4, "tanh")(layers.Flatten()(layers.Conv2D(2, 3, activation="tanh")(inputs)))
    model = keras.Model(inputs, layers.Rescaling(-1.0)(RBFOutput(prototypes)(x)))
    model.compile(DiagonalLevenbergMarquardt(), MaximumAPosteriori())
    return model


def gauss_newton(model, last, head, x, y):
    """Returns the diagonal of J' H J for each weight, every derivative in full: the mean over the examples."""
    variables = [variable.value for variable in model.trainable_variables]
    body = keras.Model(model.input, last.output if head else last.input)
    totals = [0.0] * len(variables)
    for image, label in zip(x[:, None], y[:, None], strict=True):
        with tf.GradientTape(persistent=True) as tape:
            code = body(image)
            outputs = code if head else code @ last.kernel + last.bias
        jacobians = tape.jacobian(outputs, variables)
        point = tf.constant(outputs)
        with tf.GradientTape() as outer:
            outer.watch(point)
            with tf.GradientTape() as inner:
                inner.watch(point)
                predicted = head(point) if head else tf.nn.softmax(point)
                loss = model.compute_loss(None, tf.constant(label), predicted) - sum(model.losses, start=0.0)
            slope = inner.gradient(loss, point)
        values, vectors = np.linalg.eigh(outer.jacobian(slope, point)[0, :, 0].numpy())
        h = (vectors * np.maximum(values, 0)) @ vectors.T
        for number, jacobian in enumerate(jacobians):
            j = jacobian[0].numpy()
            totals[number] = totals[number] + np.einsum("a...,ab,b...->...", j, h, j) / len(x)
    return totals


def averaged(estimate, draws):
    found = [estimate(X, Y, seed * 1000) for seed in range(draws)]
    return [np.mean(each, axis=0) for each in zip(*found, strict=True)]


def test_mean_is_the_gauss_newton_diagonal_of_a_softmax_network():
    keras.utils.set_random_seed(0)
    model = softmax_net()
    expected = gauss_newton(model, model.layers[-1], None, X, Y)
    for found, exact in zip(averaged(create_curvature_estimator(model), 300), expected, strict=True):
        assert np.abs(found - exact).max() < 0.08 * exact.max()


def test_mean_is_the_gauss_newton_diagonal_of_rbf_units_with_the_map_loss():
    keras.utils.set_random_seed(0)
    model = rbf_net()
    last = model.layers[-3]
    expected = gauss_newton(model, last, keras.Model(last.output, model.output), X, Y)
    for found, exact in zip(averaged(create_curvature_estimator(model), 300), expected, strict=True):
        assert np.abs(found - exact).max() < 0.08 * exact.max()


def test_mean_is_the_exact_hessian_of_the_last_layer():
    """The outputs are linear in those weights: nothing is left out."""
    keras.utils.set_random_seed(0)
    model = softmax_net()
    features = keras.Model(model.input, model.layers[-1].input)(X).numpy()
    probabilities = model(X).numpy()
    exact = np.einsum("nf,nk->fk", features**2, probabilities * (1 - probabilities)) / len(X)
    found = averaged(create_curvature_estimator(model), 300)[-2]
    assert np.abs(found - exact).max() < 0.08 * exact.max()


def test_weight_penalty_is_ignored_and_the_model_unchanged():
    keras.utils.set_random_seed(0)
    with_penalty = softmax_net(l2=keras.regularizers.L2(10.0))
    keras.utils.set_random_seed(0)
    without = softmax_net()
    for one, other in zip(
        create_curvature_estimator(with_penalty)(X, Y, 0), create_curvature_estimator(without)(X, Y, 0), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-6)
    assert with_penalty.layers[-1].activation is keras.activations.softmax


def test_curvatures_are_estimated_before_each_epoch():
    keras.utils.set_random_seed(0)
    model, seen = softmax_net(), []

    class Watch(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            seen.append([each.numpy() for each in self.model.optimizer.curvatures])

    fit(model, X, Y, batch_size=4, epochs=2, verbose=0, callbacks=[EstimateCurvature(X, Y, examples=5), Watch()])
    assert all((each >= 0).all() for curvatures in seen for each in curvatures)
    assert (seen[0][0] != seen[1][0]).any()
    assert (seen[0][0] != 1).all()


def test_training_interrupted_within_an_epoch_resumes_bit_for_bit(tmp_path):
    """Its curvatures are those of the epoch's beginning, not of the place where it was taken up."""

    class Break(keras.callbacks.Callback):
        content_with_calls = True

        def on_train_batch_end(self, batch, logs=None):
            if int(self.model.optimizer.iterations) == 7:
                raise KeyboardInterrupt

    def train(callbacks=(), checkpoint=None):
        keras.utils.set_random_seed(0)
        model = softmax_net()
        estimates = EstimateCurvature(X, Y, examples=5)
        settings = {"batch_size": 2, "epochs": 3, "verbose": 0, "checkpoint": checkpoint, "checkpoint_every": 1}
        fit(model, X, Y, **settings, callbacks=[estimates, *callbacks])
        return model.get_weights()

    whole = train(checkpoint=tmp_path / "whole.npz")
    with pytest.raises(KeyboardInterrupt):
        train([Break()], tmp_path / "broken.npz")
    for one, other in zip(train(checkpoint=tmp_path / "broken.npz"), whole, strict=True):
        np.testing.assert_array_equal(one, other)


def test_lenet5_learns_with_its_published_recipe(tmp_path):
    run = zoo.train(
        "lenet5",
        "digits",
        recipe="published",
        labels=100,
        epochs=2,
        options={"resize": True},
        run_dir=tmp_path / "run",
        progress=False,
    )
    assert run.metrics["loss"].iloc[1] < run.metrics["loss"].iloc[0]


def test_another_optimizer_raises():
    model = softmax_net()
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(
        InvalidValue, match="EstimateCurvature requires the optimizer DiagonalLevenbergMarquardt; got SGD"
    ):
        fit(model, X, Y, epochs=1, verbose=0, callbacks=[EstimateCurvature(X, Y)])


def test_model_without_weights_raises():
    model = keras.Sequential([keras.Input((6,)), layers.Rescaling(2.0)])
    with pytest.raises(InvalidValue, match="Curvature requires trainable weights; "):
        create_curvature_estimator(model)
