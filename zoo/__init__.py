"""The classic neural networks, in Keras.

`import zoo` is quick: a name's module, and TensorFlow with it, is imported when the name is first used.
"""

import lazy_loader

__version__ = "0.1.0"

# The names are those of `__init__.pyi`, which type checkers read.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
