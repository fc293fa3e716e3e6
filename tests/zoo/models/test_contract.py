"""What every model of the zoo promises. A model is put through it by being registered."""

import dataclasses
import json
import subprocess
import sys

import keras
import numpy as np
import pytest

import zoo
from zoo.recipes.compiling import compile_model, prepare
from zoo.telemetry import GradientRecorder


@pytest.fixture(params=zoo.list_models())
def name(request):
    return request.param


@pytest.fixture
def model(name):
    return zoo.create(name)


CLASSIFIERS = [
    name for name in zoo.list_models() if zoo.card(name).recipe().loss in ("sparse_categorical_crossentropy", "up_down")
]
SEQUENCES = [name for name in zoo.list_models() if zoo.card(name).recipe().loss == "sequence_crossentropy"]
OTHERS = sorted(set(zoo.list_models()) - set(CLASSIFIERS))


def batch_for(model, examples=12):
    random = np.random.default_rng(0)
    x = random.uniform(size=(examples, *model.input_shape[1:])).astype("float32")
    places = model.output_shape[1:-1] if model.name in SEQUENCES else ()
    return x, random.integers(5 if places else 10, size=(examples, *places))


def options_for(name, **wanted):
    """Returns those of the wanted options that a model has."""
    return {option: value for option, value in wanted.items() if option in zoo.card(name).options}


def compile_and_target(name, model, x, y):
    """Compiles a model as its recipe has it, and returns what it learns."""
    recipe = zoo.card(name).recipe()
    compile_model(model, dataclasses.replace(recipe, learning_rate=1e-3), steps_per_epoch=1)
    return prepare(recipe, x, y, classes=10)[1]


def has_only_stock_parts(model):
    return "zoo>" not in model.to_json()  # the registered names of what is ours begin so


def test_builder_returns_an_uncompiled_model_of_its_name(name, model):
    assert isinstance(model, keras.Model)
    assert model.name == name
    assert not model.compiled


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifier_outputs_probabilities_for_any_batch_size(model):
    for examples in (1, 5):
        y = model.predict(batch_for(model, examples)[0], verbose=0)
        assert y.shape == (examples, *model.output_shape[1:])
        assert (y >= 0).all()
        np.testing.assert_allclose(y.sum(axis=-1), 1, rtol=1e-5)


@pytest.mark.parametrize("name", OTHERS)
def test_other_models_accept_any_batch_size(model):
    for examples in (1, 5):
        assert model.predict(batch_for(model, examples)[0], verbose=0).shape == (examples, *model.output_shape[1:])


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_shape_and_classes_follow_the_data(name):
    model = zoo.create(name, input_shape=(8, 8, 1), classes=3, **options_for(name, resize=True))
    assert model.predict(np.zeros((2, 8, 8, 1)), verbose=0).shape == (2, 3)


def test_fits_a_batch_and_records_gradients(name, model):
    x, y = batch_for(model)
    y = compile_and_target(name, model, x, y)
    recorder = GradientRecorder()
    history = model.fit(x, y, epochs=20, verbose=0, callbacks=[recorder]).history
    watched = history.get("reconstruction_error", history["loss"])
    assert watched[-1] < watched[0]
    second = recorder.frame().query("epoch == 2")  # at the first, output weights of 0 let nothing through
    assert len(second) == len(model.trainable_variables)
    assert (second["l2"] > 0).all()
    assert second.groupby(["layer", "variable"]).size().eq(1).all()


def test_options_survive_json(name):
    options = zoo.card(name).resolve({})
    again = json.loads(json.dumps(options))
    assert zoo.card(name).resolve(again) == options
    assert zoo.create(name, **again).get_config() == zoo.create(name).get_config()


def test_search_space_contains_legal_values_only(name):
    card = zoo.card(name)
    assert card.search_space
    for option, parameter in card.search_space.items():
        for value in parameter.extremes:
            assert card.resolve({option: value})[option] == value
        for condition, value in parameter.when.items():
            assert value in card.search_space[condition].extremes


def test_saved_file_predicts_the_same(model, tmp_path):
    x, _ = batch_for(model)
    model.save(tmp_path / "model.keras")
    opened = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(opened.predict(x, verbose=0), model.predict(x, verbose=0))


def test_equal_seeds_give_equal_weights(name):
    def weights(seed):
        keras.utils.set_random_seed(seed)
        return np.concatenate([w.ravel() for w in zoo.create(name).get_weights()])

    assert (weights(3) == weights(3)).all()
    assert (weights(3) != weights(4)).any()


@pytest.mark.large
def test_saved_runs_open_without_this_package(tmp_path):
    models = {}
    for name in zoo.list_models():
        if not has_only_stock_parts(zoo.create(name)):
            continue
        for recipe in zoo.card(name).recipes:
            run = zoo.train(
                name,
                "digits_sequences" if name in SEQUENCES else "digits",
                recipe=recipe,
                epochs=1,
                pretraining_epochs=1 if recipe.pretraining else None,
                options=options_for(name, width=20, resize=True, parameters=6000),
                run_dir=tmp_path / f"{name}-{recipe.name}",
                progress=False,
            )
            ones = np.ones((1, *run.model.input_shape[1:]))
            models[str(run.folder / "model.keras")] = run.model.predict(ones, verbose=0).tolist()
    program = (
        "import sys, json, builtins\n"
        "sys.modules['zoo'] = sys.modules['datasets'] = None\n"
        "import keras, numpy as np\n"
        "def predict(file):\n"
        "    model = keras.saving.load_model(file, compile='depth_cnn' not in file)\n"  # its loss is ours
        "    return model.predict(np.ones((1, *model.input_shape[1:])), verbose=0).tolist()\n"
        "print(json.dumps({file: predict(file) for file in sys.argv[1:]}))"
    )
    done = subprocess.run([sys.executable, "-c", program, *models], capture_output=True, text=True, check=True)
    for file, prediction in json.loads(done.stdout.splitlines()[-1]).items():
        np.testing.assert_allclose(prediction, models[file], rtol=1e-5)
