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


def flat_weights(model):
    return np.concatenate([array.ravel() for array in model.get_weights()])


def test_its_output_is_the_mean_of_its_members(trained):
    ensemble, _ = trained
    x = DIGITS.test.x
    expected = np.mean([member.predict(x, verbose=0) for member in ensemble.members], axis=0)
    np.testing.assert_allclose(ensemble.predict(x, verbose=0), expected, atol=1e-6)


def test_members_of_a_seed_differ_and_the_seed_decides_them(trained):
    ensemble, history = trained
    first, second, third = map(flat_weights, ensemble.members)
    assert (first != second).any()
    assert (second != third).any()
    again, same_history = train_ensemble("shallow_mlp", "digits", members=3, seed=1, **SMALL)
    np.testing.assert_array_equal(flat_weights(again), flat_weights(ensemble))
    assert same_history.equals(history)
    other, _ = train_ensemble("shallow_mlp", "digits", members=1, seed=2, **SMALL)
    assert (flat_weights(other) != first).any()


def test_a_member_does_not_depend_on_the_number_of_members(trained):
    fewer, _ = train_ensemble("shallow_mlp", "digits", members=2, seed=1, **SMALL)
    for member, same in zip(fewer.members, trained[0].members, strict=False):
        np.testing.assert_allclose(flat_weights(member), flat_weights(same), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("recipe", ["modern", "nielsen"])
def test_a_member_takes_the_same_steps_as_alone(recipe):
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
        np.testing.assert_allclose(flat_weights(alone), flat_weights(member), rtol=1e-3, atol=1e-4)


def test_options_that_vary_are_taken_in_turn():
    ensemble, _ = train_ensemble(
        "mcdnn_column", DIGITS.with_labels(10), members=3, vary={"digit_width": (10, None)}, epochs=1,
        options={"resize": True},
    )  # fmt: skip
    widths = [
        [layer.width for layer in member.layers if type(layer).__name__ == "DigitWidth"] for member in ensemble.members
    ]
    assert widths == [[10], [], [10]]


def test_it_is_saved_and_opened_as_one_model(trained, tmp_path):
    ensemble, _ = trained
    ensemble.save(tmp_path / "ensemble.keras")
    opened = keras.saving.load_model(tmp_path / "ensemble.keras")
    assert len(opened.members) == 3
    np.testing.assert_array_equal(opened.predict(DIGITS.test.x, verbose=0), ensemble.predict(DIGITS.test.x, verbose=0))
    assert opened.evaluate(DIGITS.test.x, DIGITS.test.y, verbose=0) == pytest.approx(
        ensemble.evaluate(DIGITS.test.x, DIGITS.test.y, verbose=0)
    )


def test_it_is_exported_as_one_model(trained, tmp_path):
    ensemble, _ = trained
    ensemble.export(tmp_path / "exported", verbose=False)
    opened = tf.saved_model.load(tmp_path / "exported")  # a reference, without which its variables are deleted
    served = opened.serve(DIGITS.test.x[:5])
    np.testing.assert_allclose(served, ensemble.predict(DIGITS.test.x[:5], verbose=0), rtol=1e-5)


def test_the_history_has_each_member(trained):
    _, history = trained
    assert history["epoch"].tolist() == [1, 2]
    names = {
        f"{prefix}member_{n}_{name}" for prefix in ("", "val_") for n in (1, 2, 3) for name in ("loss", "accuracy")
    }
    assert set(history.columns) == {"epoch", *names}


def test_errors_by_size(trained):
    ensemble, _ = trained
    x, y = DIGITS.test.x, DIGITS.test.y
    table = errors_by_size(ensemble, x, y).set_index("members")
    alone = [(member.predict(x, verbose=0).argmax(axis=1) != y).mean() for member in ensemble.members]
    assert table["last_alone"].tolist() == pytest.approx(alone)
    assert table["error"][1] == pytest.approx(alone[0])
    assert table["error"][3] == pytest.approx((ensemble.predict(x, verbose=0).argmax(axis=1) != y).mean())
    assert table["best_alone"][3] == pytest.approx(min(alone))
    assert table["mean_alone"][3] == pytest.approx(np.mean(alone))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Ensemble([]), InvalidValue, r"members must be Keras models, one or more; got \[\]"),
        (
            lambda: Ensemble(["shallow_mlp"]),
            InvalidValue,
            r"members must be Keras models, one or more; got \['shallow_mlp'\]",
        ),
        (lambda: train_ensemble("shallow_mlp", members=0), InvalidValue, "members must be an integer >= 1; got 0"),
        (lambda: train_ensemble("shallow_mlp", members=-1), InvalidValue, "members must be an integer >= 1; got -1"),
        (
            lambda: Ensemble([zoo.create("shallow_mlp", classes=n) for n in (3, 4)]),
            InvalidValue,
            r"members must have the same output_shape; got \[\(None, 3\), \(None, 4\)\]",
        ),
        (
            lambda: train_ensemble("shallow_mlp", vary={"hidden": ()}),
            InvalidValue,
            r"vary must have values for each option, as in \(14, 20\); hidden has \(\)",
        ),
        (lambda: train_ensemble("shallow_mlp", vary={"hiden": (1,)}), UnknownName, 'Did you mean "hidden"'),
        (
            lambda: train_ensemble("dbn"),
            InvalidValue,
            "dbn cannot be trained as an ensemble by the recipe hinton: it has pre-training",
        ),
        (lambda: train_ensemble("rbm"), InvalidValue, "one label per example; it is contrastive_divergence"),
        (
            lambda: train_ensemble("lenet5", recipe="published", options={"resize": True}),
            InvalidValue,
            "by the recipe published: its optimizer must be sgd or adam; it is levenberg_marquardt",
        ),
    ],
)
def test_invalid_ensembles_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
