"""TensorFlow: its import, without the log lines that it writes as it starts, and what the zoo requires of it."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from zoo.errors import InvalidValue


def import_tensorflow() -> None:
    """Imports TensorFlow and Keras, and finds the GPUs.

    TensorFlow does not log to Python's `sys.stderr`, and logs some lines before any setting can suppress them. The log
    of the import is shown only if the import fails.
    """
    if "tensorflow" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            import keras  # noqa: F401
            import tensorflow as tf

            tf.config.list_physical_devices("GPU")
        except BaseException:
            log.seek(0)
            os.write(terminal, log.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)


def require_tensorflow(user: str) -> None:
    """Checks that Keras runs, or will run, on TensorFlow.

    Args:
        user: Name of what needs it, as in `"zoo.train"`.

    Raises:
        InvalidValue: Keras is set to another backend.
    """
    if (backend := _find_backend()) != "tensorflow":
        raise InvalidValue(
            f"{user} needs Keras' backend tensorflow; got {backend}. Set KERAS_BACKEND=tensorflow. The models and "
            "layers of the zoo also work on other backends."
        )


def require_synchronous(strategy: Any) -> None:
    """Checks that the replicas of a strategy update the weights together.

    Raises:
        InvalidValue: It is a `ParameterServerStrategy`, whose workers do not wait for each other.
    """
    if "ParameterServer" in type(strategy).__name__:
        raise InvalidValue(
            "strategy must update the weights on all replicas together, as MirroredStrategy and "
            f"MultiWorkerMirroredStrategy do; got {type(strategy).__name__}."
        )


def _find_backend() -> str:
    """Returns the name of Keras' backend, as Keras finds it when it is imported."""
    if keras := sys.modules.get("keras"):
        return keras.config.backend()
    backend = os.environ.get("KERAS_BACKEND", "")
    if not backend:
        with suppress(OSError, ValueError, AttributeError):
            home = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"))
            backend = json.loads((home / "keras.json").read_text()).get("backend", "")
    return backend or "tensorflow"
