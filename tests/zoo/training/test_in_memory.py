import numpy as np
import pytest

import zoo
from zoo import datasets
from zoo.errors import InvalidValue
from zoo.training import compile_model, train_in_memory


def test_it_trains_as_a_run_does(tmp_path):
    run = zoo.train("shallow_mlp", "moons", epochs=2, seed=3, run_dir=tmp_path / "run", progress=False)
    data = datasets.load("moons", seed=3)
    options = {"input_shape": data.input_shape, "classes": data.classes}
    model, history = train_in_memory("shallow_mlp", data.train.x, data.train.y, options=options, epochs=2, seed=3)
    for ours, theirs in zip(model.get_weights(), run.model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert history.history["loss"] == run.metrics["loss"].tolist()


def test_updates_are_rounded_up_to_whole_epochs():
    x = np.ones((10, 2), "float32")
    recipe = zoo.card("shallow_mlp").recipe("nielsen")
    _, history = train_in_memory(
        "shallow_mlp", x, np.zeros(10), recipe=recipe, options={"input_shape": (2,), "classes": 2}, classes=2, updates=3
    )
    assert len(history.history["loss"]) == 3  # one batch an epoch


def test_a_loaded_model_is_compiled_by_its_own_recipe(tmp_path):
    run = zoo.train("shallow_mlp", "moons", epochs=1, run_dir=tmp_path / "run", progress=False)
    model = zoo.load(run.folder / "model.keras")
    compile_model(model)
    test = datasets.load("moons").test
    assert model.evaluate(test.x, test.y, verbose=0, return_dict=True)["accuracy"] == run.test["accuracy"]


def test_an_untrained_model_is_compiled_by_its_first_recipe_and_a_foreign_one_needs_one():
    import keras

    model = zoo.create("lenet5_relu")
    compile_model(model)
    assert model.loss == zoo.card("lenet5_relu").recipe().loss
    foreign = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, "softmax")])
    with pytest.raises(InvalidValue, match="recipe must be given: .* was not made by zoo.create"):
        compile_model(foreign)
    compile_model(foreign, zoo.card("shallow_mlp").recipe())
    assert foreign.compiled
