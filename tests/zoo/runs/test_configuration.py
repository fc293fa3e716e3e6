import json

import numpy as np
import pytest

from zoo import datasets
from zoo.errors import InvalidValue
from zoo.runs.configuration import Configuration, resolve


@pytest.fixture(scope="module")
def configuration():
    return resolve("deep_mlp", "digits", recipe="nielsen", epochs=3, labels=50, seed=2, options={"depth": 2})


@pytest.fixture
def content(configuration):
    """The content of `config.json`."""
    return json.loads(json.dumps(configuration.to_dict()))


def test_a_configuration_is_read_back_from_json(configuration, content):
    restored = Configuration.from_dict({**content, "versions": {}})
    assert restored.to_dict() == configuration.to_dict()
    np.testing.assert_array_equal(restored.unlabelled, configuration.unlabelled)


def test_the_number_of_epochs_can_change(content):
    assert Configuration.from_dict(content, epochs=7).recipe.epochs == 7


def test_other_data_are_an_error(configuration, content):
    with pytest.raises(InvalidValue, match="The data set digits is not the one that the run was trained on"):
        Configuration.from_dict(content, dataset=datasets.load("digits", seed=1))


def test_the_error_names_a_missing_key(content):
    del content["seed"]
    with pytest.raises(InvalidValue, match="A configuration must have model, .*; 'seed' is missing"):
        Configuration.from_dict(content)


def test_the_origin_describes_the_data(configuration):
    data = configuration.origin.data
    assert data["digest"] == configuration.dataset.digest
    assert (data["name"], data["levels"], data["validation"]) == ("digits", 16, 144)
    assert list(data["class_names"]) == [str(digit) for digit in range(10)]


@pytest.mark.parametrize(
    ("name", "dataset", "message"),
    [
        (
            "depth_cnn",
            "digits",
            "depth_cnn learns sequences, as in the data set digits_sequences; digits has",
        ),
        ("deep_mlp", "digits_sequences", "deep_mlp learns one label per example; digits_sequences has sequences"),
    ],
)
def test_labels_that_the_model_does_not_learn_are_an_error(name, dataset, message):
    with pytest.raises(InvalidValue, match=message):
        resolve(name, dataset)


def test_all_inputs_are_for_pretraining(configuration):
    assert len(configuration.dataset.train) == 50
    assert len(configuration.unlabelled) == 1294
    more = resolve("dbn", "digits", unlabelled=np.zeros((6, 8, 8, 1)))
    assert len(more.unlabelled) == 1300
