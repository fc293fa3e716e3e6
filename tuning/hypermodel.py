"""Stand-in for `zoo.tuning.hypermodels` under its former name: importing it must not hide `tuning.hypermodel()`."""

import sys
import types

from zoo.tuning.hypermodels import HyperModel, ZooHyperModel, hypermodel

__all__ = ["HyperModel", "ZooHyperModel", "hypermodel"]


class _CallableModule(types.ModuleType):
    __call__ = staticmethod(hypermodel)


sys.modules[__name__].__class__ = _CallableModule
