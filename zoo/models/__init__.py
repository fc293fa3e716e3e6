"""The models of the zoo. Builders, as `zoo.models.deep_mlp`, are defined in `zoo.models.families`."""

from typing import Any

from zoo.models.catalogue import card, list_models

__all__ = list_models()


def __getattr__(name: str) -> Any:
    if name in __all__:
        return card(name).build
    raise AttributeError(f"module 'zoo.models' has no attribute {name!r}")
