"""One set of modules under two names.

In a checkout, `datasets/` and `tuning/` lie at the top and can be imported by those names. Installed,
they are `zoo.datasets` and `zoo.tuning` only, because Hugging Face has a package called `datasets` too.
"""

from __future__ import annotations

import importlib
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def import_as(name: str, module: str) -> None:
    """Makes the package `name`, and every module in it, the same objects as the package `module`.

    Args:
        name: The name that was imported, as in `"datasets"`.
        module: The package's own name, as in `"zoo.datasets"`.
    """
    if name != module:
        sys.modules[name] = importlib.import_module(module)
        sys.meta_path.insert(0, _Finder(name, module))


class _Finder(MetaPathFinder, Loader):
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
        """Gives the module back its own `__spec__`, which importlib has replaced."""
        assert module.__spec__ is not None
        module.__spec__ = self._specs.pop(module.__spec__.name)
