"""Instruments that show what happens inside a model during training: the size of the gradient in every layer."""

import lazy_loader

# The names are those of `__init__.pyi`, which type checkers read.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
