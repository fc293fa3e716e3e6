"""Searches for a model's hyperparameters with KerasTuner: `tuning.search("deep_mlp", "digits")`."""

import lazy_loader

from zoo.utils.same_modules import import_as

# The names are those of `__init__.pyi`, which type checkers read.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

import_as(__name__, "zoo.tuning")
