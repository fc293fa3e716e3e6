"""One set of modules under two names.

In a checkout, `datasets/` and `tuning/` are at the top and can be imported by those names. Installed, they are
`zoo.datasets` and `zoo.tuning` only, because Hugging Face publishes a package called `datasets`, too.
"""

from __future__ import annotations

import importlib
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def import_as(name: str, module: str) -> None:
    """Makes the package `name` and all its modules the same objects as the package `module`.

    Does nothing if the package is imported by the name `module`.

    Args:
        name: Name by which the package is imported, as in `"datasets"`.
        module: Name of the package when installed, as in `"zoo.datasets"`.
    """
    if name != module:
        sys.modules[name] = importlib.import_module(module)
        sys.meta_path.insert(0, _AliasFinder(name, module))


class _AliasFinder(MetaPathFinder, Loader):
    """Imports `name.x` as `module.x`."""

    def __init__(self, name: str, module: str) -> None:
        self._name, self._module = name, module
        self._specs: dict[str, ModuleSpec | None] = {}

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname.startswith(f"{self._name}.") else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._module + spec.name.removeprefix(self._name))
        self._specs[spec.name] = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Restores the module's `__spec__`, which importlib has replaced by that of the alias."""
        assert module.__spec__ is not None
        module.__spec__ = self._specs.pop(module.__spec__.name)
