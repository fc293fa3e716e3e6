import numpy as np
import pytest

import zoo
from zoo import datasets
from zoo.errors import InvalidValue
from zoo.training import compile_model, train_in_memory


@pytest.mark.parametrize("optimizer", ["adam", "levenberg_marquardt"])
def test_training_in_memory_equals_a_run(tmp_path, optimizer):
    recipe = zoo.card("shallow_mlp").recipe().change(optimizer=optimizer, learning_rate=0.01, epochs=2)
    run = zoo.train("shallow_mlp", "moons", recipe=recipe, seed=3, run_dir=tmp_path / "run", progress=False)
    data = datasets.load("moons", seed=3)
    options = {"input_shape": data.input_shape, "classes": data.classes}
    model, history = train_in_memory("shallow_mlp", data.train.x, data.train.y, recipe=recipe, options=options, seed=3)
    for ours, theirs in zip(model.get_weights(), run.model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert history.history["loss"] == run.metrics["loss"].tolist()


def test_updates_are_rounded_up_to_whole_epochs():
    x = np.ones((10, 2), "float32")
    recipe = zoo.card("shallow_mlp").recipe("nielsen")
    _, history = train_in_memory(
        "shallow_mlp", x, np.zeros(10), recipe=recipe, options={"input_shape": (2,), "classes": 2}, classes=2, updates=3
    )
    assert len(history.history["loss"]) == 3  # one batch per epoch


def test_a_loaded_model_is_compiled_by_the_recipe_of_its_training(tmp_path):
    run = zoo.train("shallow_mlp", "moons", epochs=1, run_dir=tmp_path / "run", progress=False)
    model = zoo.load(run.folder / "model.keras")
    compile_model(model)
    test = datasets.load("moons").test
    assert model.evaluate(test.x, test.y, verbose=0, return_dict=True)["accuracy"] == run.test["accuracy"]


def test_an_untrained_model_is_compiled_by_its_first_recipe_and_any_other_model_needs_one():
    import keras

    model = zoo.create("lenet5_relu")
    compile_model(model)
    assert model.loss == zoo.card("lenet5_relu").recipe().loss
    other = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, "softmax")])
    with pytest.raises(InvalidValue, match="recipe must be given: .* was not made by zoo.create"):
        compile_model(other)
    compile_model(other, zoo.card("shallow_mlp").recipe())
    assert other.compiled
