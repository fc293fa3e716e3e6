"""The stages of greedy pre-training: what a stage trains and what it hands over."""

import keras
import numpy as np
import pytest
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import zoo
from zoo import datasets
from zoo.errors import InvalidValue
from zoo.pretraining import encode, hidden_layers, output_stage, stages


def recipe(name):
    return zoo.card(name).recipe().pretraining


def small(name, **options):
    if name == "generative_dbn":
        return zoo.create(name, input_shape=(4, 3), hidden=(7, 6), top=8, **options)
    return zoo.create(name, input_shape=(4, 3), depth=2, width=7, **options)


X = np.random.default_rng(0).uniform(size=(20, 12)).astype("float32")


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("dbn", lambda learner: (learner.rbm.kernel, learner.rbm.hidden_bias)),
        ("stacked_autoencoder", lambda learner: (learner.get_layer("code").kernel, learner.get_layer("code").bias)),
    ],
)
def test_a_learner_hands_its_weights_to_its_layer_only(name, parts):
    model = small(name)
    first, second = stages(model, recipe(name))
    before = second.layer.get_weights()
    learner = first.make_learner()
    for value in parts(learner):
        value.assign(np.random.default_rng(1).normal(size=value.shape))
    first.hand_over(learner)
    for ours, theirs in zip(first.layer.get_weights(), parts(learner), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for now, then in zip(second.layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("name", ["dbn", "stacked_autoencoder"])
def test_codes_of_the_stages_equal_those_of_the_model(name):
    model = small(name)
    codes = X
    for stage in stages(model, recipe(name)):
        codes = encode(stage.layer, codes, batch_size=6)
    inner = keras.Model(model.input, hidden_layers(model)[-1].output)
    np.testing.assert_allclose(codes, inner.predict(X.reshape(-1, 4, 3), verbose=0), rtol=1e-5)
    output = output_stage(model)
    np.testing.assert_allclose(
        output.predict(codes, verbose=0), model.predict(X.reshape(-1, 4, 3), verbose=0), rtol=1e-5
    )
    assert output.layers[-1] is model.layers[-1]  # shared with the model


def test_an_rbm_sets_recognition_and_generation_weights():
    model = small("generative_dbn")
    first, second, top = stages(model, recipe("generative_dbn"))
    learner = first.make_learner()
    learner.rbm.visible_bias.assign(np.arange(12.0))
    first.hand_over(learner)
    kernel = np.asarray(learner.rbm.kernel)
    np.testing.assert_array_equal(model.recognition[0].kernel, kernel)
    np.testing.assert_array_equal(model.generation[0].kernel, kernel.T)
    np.testing.assert_array_equal(model.generation[0].bias, np.arange(12.0))
    assert not first.with_labels
    assert not second.with_labels
    assert top.with_labels
    assert tuple(top.make_learner().rbm.kernel.shape) == (6 + 10, 8)


def test_an_option_may_have_one_value_per_layer():
    from dataclasses import replace

    sdae = recipe("stacked_autoencoder")
    by_layer = replace(sdae, options={**sdae.options, "corruption": (0.1, 0.4)})
    learners = [stage.make_learner() for stage in stages(small("stacked_autoencoder"), by_layer)]
    assert [learner.get_layer("corruption").level for learner in learners] == [0.1, 0.4]
    with pytest.raises(InvalidValue, match=r"corruption must have a value for each of 2 hidden layers; got \(0.1,\)"):
        stages(small("stacked_autoencoder"), replace(sdae, options={"corruption": (0.1,)}))


@pytest.mark.parametrize("visible", ["gaussian", ("gaussian", "bernoulli")])
def test_only_the_lowest_rbm_has_gaussian_visible_units(visible):
    hinton = recipe("dbn")
    first, second = stages(small("dbn"), hinton.change(options={"visible": visible}))
    assert [stage.make_learner().rbm.visible for stage in (first, second)] == ["gaussian", "bernoulli"]
    assert (first.recipe.learning_rate, second.recipe.learning_rate) == (0.001, hinton.learning_rate)


def test_a_network_that_generates_pixels_has_no_gaussian_units():
    with pytest.raises(InvalidValue, match="visible must be 'bernoulli': generative_dbn generates values in .0, 1.;"):
        stages(small("generative_dbn"), recipe("generative_dbn").change(options={"visible": "gaussian"}))


@pytest.mark.large
def test_a_deep_belief_network_learns_a_table(tmp_path):
    """As well as logistic regression, up to two of the 36 wines."""
    columns, labels = load_wine(return_X_y=True)
    wine = datasets.Source(
        name="wine", title="Cultivars of wine", origin="UCI", licence="CC BY 4.0", input_shape=(13,), examples=178,
        class_names=("0", "1", "2"), read=lambda seed: (StandardScaler().fit_transform(columns), labels),
    ).load(validation=0, seed=0)  # fmt: skip
    run = zoo.train(
        "dbn", wine, recipe="gaussian", options={"width": 50, "depth": 2}, run_dir=tmp_path / "run", progress=False
    )
    first = run.stages[0].metrics["reconstruction_error"]
    assert first.iloc[-1] < 0.6 * 13  # the mean alone leaves an error of 13, the number of columns
    linear = LogisticRegression(max_iter=1000).fit(wine.train.x, wine.train.y)
    assert run.test["accuracy"] >= linear.score(wine.test.x, wine.test.y) - 2.5 / 36


def test_a_model_without_hidden_layers_raises():
    inputs = keras.Input((12,))
    model = keras.Model(inputs, keras.layers.Dense(10)(inputs), name="flat")
    with pytest.raises(InvalidValue, match="Pre-training requires a hidden dense layer; flat has none"):
        stages(model, recipe("dbn"))
