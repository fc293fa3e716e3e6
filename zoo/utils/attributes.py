"""Temporary replacement of attributes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def replace_attribute(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Replaces an attribute of a Keras object within the block; Keras does not track the new value.

    Args:
        owner: The object.
        name: Name of the attribute, of the object or its class.
        value: Temporary value.
    """
    attributes = vars(owner)
    is_own, previous = name in attributes, attributes.get(name)
    attributes[name] = value
    try:
        yield
    finally:
        if is_own:
            attributes[name] = previous
        else:
            del attributes[name]
