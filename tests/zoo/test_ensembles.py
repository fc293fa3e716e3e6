import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo import datasets
from zoo.ensembles import Ensemble, errors_by_size, train_ensemble
from zoo.errors import InvalidValue, UnknownName
from zoo.recipes.compiling import compile_model
from zoo.training import fit

DIGITS = datasets.load("digits")
SMALL = {"epochs": 2, "options": {"hidden": 12}}


@pytest.fixture(scope="module")
def trained():
    return train_ensemble("shallow_mlp", "digits", members=3, seed=1, **SMALL)


def weights(model):
    return np.concatenate([each.ravel() for each in model.get_weights()])


def test_it_is_the_mean_of_what_its_members_say(trained):
    ensemble, _ = trained
    x = DIGITS.test.x
    expected = np.mean([member.predict(x, verbose=0) for member in ensemble.members], axis=0)
    np.testing.assert_allclose(ensemble.predict(x, verbose=0), expected, atol=1e-6)


def test_members_under_one_seed_differ_and_the_same_ensemble_twice_does_not(trained):
    ensemble, history = trained
    first, second, third = map(weights, ensemble.members)
    assert (first != second).any()
    assert (second != third).any()
    again, same_history = train_ensemble("shallow_mlp", "digits", members=3, seed=1, **SMALL)
    np.testing.assert_array_equal(weights(again), weights(ensemble))
    assert same_history.equals(history)
    other, _ = train_ensemble("shallow_mlp", "digits", members=3, seed=2, **SMALL)
    assert (weights(other) != weights(ensemble)).any()


def test_a_member_does_not_depend_on_how_many_come_after_it(trained):
    fewer, _ = train_ensemble("shallow_mlp", "digits", members=2, seed=1, **SMALL)
    for one, other in zip(fewer.members, trained[0].members, strict=False):
        np.testing.assert_allclose(weights(one), weights(other), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("recipe", ["modern", "nielsen"])
def test_trained_together_each_takes_the_steps_that_it_takes_alone(recipe):
    ensemble, _ = train_ensemble("shallow_mlp", "digits", members=2, recipe=recipe, **SMALL)
    card = zoo.card("shallow_mlp").recipe(recipe)
    for number, member in enumerate(ensemble.members, start=1):
        keras.utils.set_random_seed(int(np.random.SeedSequence([0, number]).generate_state(1)[0]))
        options = {**card.options, "hidden": 12, "input_shape": (8, 8, 1)}
        if card.weight_penalty:
            options["l2"] = card.weight_penalty / (2 * len(DIGITS.train))
        alone = zoo.create("shallow_mlp", **options)
        compile_model(alone, card, steps_per_epoch=1)
        y = keras.utils.to_categorical(DIGITS.train.y) if recipe == "nielsen" else DIGITS.train.y
        x = DIGITS.train.x * np.float32(card.input_scale)
        fit(alone, x, y, batch_size=card.batch_size, epochs=2, verbose=0)
        np.testing.assert_allclose(weights(alone), weights(member), rtol=1e-3, atol=1e-4)


def test_options_that_vary_are_taken_in_turn():
    widths = (10, 16, None)
    ensemble, _ = train_ensemble(
        "mcdnn_column", "digits", members=4, vary={"digit_width": widths}, epochs=1, options={"resize": True}
    )
    found = [
        [layer.width for layer in member.layers if type(layer).__name__ == "DigitWidth"] for member in ensemble.members
    ]
    assert found == [[10], [16], [], [10]]


def test_it_is_saved_and_opened_as_one(trained, tmp_path):
    ensemble, _ = trained
    ensemble.save(tmp_path / "ensemble.keras")
    opened = keras.saving.load_model(tmp_path / "ensemble.keras")
    assert len(opened.members) == 3
    np.testing.assert_array_equal(opened.predict(DIGITS.test.x, verbose=0), ensemble.predict(DIGITS.test.x, verbose=0))
    assert opened.evaluate(DIGITS.test.x, DIGITS.test.y, verbose=0) == pytest.approx(
        ensemble.evaluate(DIGITS.test.x, DIGITS.test.y, verbose=0)
    )


def test_it_is_exported_as_one(trained, tmp_path):
    ensemble, _ = trained
    ensemble.export(tmp_path / "exported", verbose=False)
    opened = tf.saved_model.load(tmp_path / "exported")  # kept: its variables go with it
    served = opened.serve(DIGITS.test.x[:5])
    np.testing.assert_allclose(served, ensemble.predict(DIGITS.test.x[:5], verbose=0), rtol=1e-5)


def test_the_history_has_each_member(trained):
    _, history = trained
    assert history["epoch"].tolist() == [1, 2]
    names = {f"{split}member_{n}_{what}" for split in ("", "val_") for n in (1, 2, 3) for what in ("loss", "accuracy")}
    assert set(history.columns) == {"epoch", *names}


def test_errors_are_told_by_size(trained):
    ensemble, _ = trained
    x, y = DIGITS.test.x, DIGITS.test.y
    table = errors_by_size(ensemble, x, y).set_index("members")
    wrong = [(member.predict(x, verbose=0).argmax(axis=1) != y).mean() for member in ensemble.members]
    assert table["last_alone"].tolist() == pytest.approx(wrong)
    assert table["error"][1] == pytest.approx(wrong[0])
    assert table["error"][3] == pytest.approx((ensemble.predict(x, verbose=0).argmax(axis=1) != y).mean())
    assert table["best_alone"][3] == pytest.approx(min(wrong))
    assert table["mean_alone"][3] == pytest.approx(np.mean(wrong))


@pytest.mark.parametrize(
    ("ask", "error", "sentence"),
    [
        (lambda: Ensemble([]), InvalidValue, "needs a member at least; got none"),
        (lambda: Ensemble(["shallow_mlp"]), InvalidValue, "are Keras models; got 'shallow_mlp'"),
        (lambda: train_ensemble("shallow_mlp", members=0), InvalidValue, "needs a member at least; got members=0"),
        (lambda: train_ensemble("shallow_mlp", members=-1), InvalidValue, ">= 1; got -1"),
        (
            lambda: Ensemble([zoo.create("shallow_mlp", classes=n) for n in (3, 4)]),
            InvalidValue,
            r"one output_shape in common; got \[\(None, 3\), \(None, 4\)\]",
        ),
        (lambda: train_ensemble("shallow_mlp", vary={"hidden": ()}), InvalidValue, r"hidden has \(\)"),
        (lambda: train_ensemble("shallow_mlp", vary={"hiden": (1,)}), UnknownName, 'Did you mean "hidden"'),
        (lambda: train_ensemble("dbn"), InvalidValue, "has pre-training, which an ensemble does not do"),
        (lambda: train_ensemble("rbm"), InvalidValue, "cannot train the members of an ensemble together"),
        (
            lambda: train_ensemble("lenet5", recipe="published", options={"resize": True}),
            InvalidValue,
            "cannot train the members of an ensemble together.*levenberg_marquardt",
        ),
    ],
)
def test_what_is_no_ensemble_is_refused(ask, error, sentence):
    with pytest.raises(error, match=sentence):
        ask()
