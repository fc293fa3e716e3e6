import pytest

import zoo
from zoo.errors import UnknownName


def test_list_models_by_pattern():
    assert zoo.list_models("*mlp*") == ["deep_mlp", "dropout_mlp", "shallow_mlp"]
    assert zoo.list_models("lstm*") == []


def test_unknown_model_suggests_the_closest():
    with pytest.raises(UnknownName, match='Unknown model "deep_mpl". Did you mean "deep_mlp"'):
        zoo.create("deep_mpl")


def test_unknown_option_suggests_the_closest():
    with pytest.raises(UnknownName, match='Unknown option "dept" of deep_mlp. Did you mean "depth"'):
        zoo.create("deep_mlp", dept=2)


def test_every_builder_is_an_attribute_of_zoo_models():
    assert zoo.models.__all__ == zoo.list_models()
    assert all(getattr(zoo.models, name) is zoo.card(name).build for name in zoo.list_models())
    with pytest.raises(AttributeError, match="zoo.models"):
        zoo.models.deep_mpl  # noqa: B018
