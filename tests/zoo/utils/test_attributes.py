import keras
import pytest

from zoo.utils.attributes import replace_attribute


@pytest.mark.parametrize("name", ["activation", "call"])
def test_an_attribute_of_the_object_or_its_class_is_restored_after_an_exception(name):
    layer = keras.layers.Dense(2)
    before, attributes = getattr(layer, name), set(vars(layer))
    with pytest.raises(TypeError), replace_attribute(layer, name, abs):
        getattr(layer, name)("not a number")
    assert getattr(layer, name) == before
    assert set(vars(layer)) == attributes
