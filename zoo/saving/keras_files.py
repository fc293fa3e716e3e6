"""`.keras` files that contain the name and options of their model, and are opened without running anything in them."""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import InvalidValue, UnsafeFile, ZooError
from zoo.models.catalogue import card
from zoo.models.origin import Origin, origin_of, remember
from zoo.saving.archive import ORIGIN, WEIGHTS, Archive, check_config, open_archive
from zoo.utils.files import replacing
from zoo.utils.keras_private import get_initial_shape
from zoo.utils.tensorflow_import import import_tensorflow

if TYPE_CHECKING:
    import keras


def save(model: keras.Model, path: str | Path) -> None:
    """Saves a model of the zoo as a `.keras` file with its name and options.

    Keras can open the file, too. `zoo.load` uses the entry `zoo.json`.

    Args:
        model: A model of `zoo.create`, `zoo.train` or `zoo.load`.
        path: Path of the file, which must end in `.keras`. An existing file is replaced once the new one is complete.

    Raises:
        InvalidValue: The path has another suffix, or the model is not from the zoo.

    >>> import tempfile, zoo
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(zoo.create("deep_mlp", depth=2), f"{folder}/model.keras")
    ...     load(f"{folder}/model.keras").count_params()
    24790
    """
    path, origin = Path(path), origin_of(model)
    if path.suffix != ".keras":
        raise InvalidValue(f"path must end in .keras; got {path.name}.")
    if origin is None:
        raise InvalidValue(
            f"model must come from zoo.create, zoo.train or zoo.load; got {model.name}, whose options are unknown. "
            "Use model.save(path)."
        )
    with replacing(path) as temporary:
        model.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            digest = hashlib.sha256(archive.read(WEIGHTS)).hexdigest()
            archive.writestr(ORIGIN, json.dumps({**origin.to_dict(), "weights": digest}, indent=2))


def load(path: str | Path) -> keras.Model:
    """Loads a `.keras` file of the zoo without running anything in it, so that it is safe for files from any source.

    The registry rebuilds the model by the name and the options in the file, and only the weights are read from it.
    The model is not compiled; see `zoo.training.compile_model`.

    Args:
        path: A file that `zoo.save` or a run has written.

    Returns:
        The model.

    Raises:
        InvalidValue: The file does not exist.
        UnsafeFile: The file is not a model of the zoo, or has been changed.
    """
    path = Path(path)
    if not path.is_file():
        raise InvalidValue(f"No such model file: {path}.")
    archive = open_archive(path)
    try:
        origin = Origin.from_dict(archive.origin)
        options = card(origin.model).resolve(origin.options)
    except ZooError as error:
        raise UnsafeFile(path, f"its {ORIGIN} is invalid: {error}") from error
    import_tensorflow()
    model = _build(path, origin.model, options, archive)
    check_config(path, archive.config, json.loads(model.to_json()))
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder, WEIGHTS)
        weights.write_bytes(archive.weights)
        try:
            model.load_weights(weights)
        except Exception as error:  # Keras raises many types
            reason = str(error).strip().partition("\n")[0]
            raise UnsafeFile(path, f"its weights do not fit the model {origin.model} ({reason})") from error
    remember(model, replace(origin, options=options))
    return model


def _build(path: Path, name: str, options: dict[str, Any], archive: Archive) -> keras.Model:
    """Builds a model, and stops as soon as it has far more weights than the file: options may demand any size."""
    import tensorflow as tf

    left = [2 * archive.variables + 1_000, 2 * archive.numbers + 1_000_000]  # some state of a model is not saved
    too_large = UnsafeFile(path, f"with its options, {name} has far more weights than the {archive.numbers} in it")
    for option in options.values():
        for value in option if isinstance(option, tuple) else (option,):
            if isinstance(value, int) and value > left[1]:  # a list of so many layers would not fit into memory
                raise too_large

    def create_counted(create: Any, **arguments: Any) -> Any:
        left[0] -= 1
        left[1] -= math.prod(get_initial_shape(arguments["initial_value"]))
        if min(left) < 0:
            raise too_large
        return create(**arguments)

    with tf.variable_creator_scope(create_counted):
        try:
            return card(name).build(**options)
        except UnsafeFile:
            raise
        except (ZooError, ValueError, TypeError, OverflowError, MemoryError) as error:
            raise UnsafeFile(path, f"{name} cannot be built with its options: {error}") from error
