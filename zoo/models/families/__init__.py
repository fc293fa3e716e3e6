"""One file per family: builders, recipes and search spaces. Every file in this folder is imported.

Importing a family does not import Keras; its builders do.
"""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
