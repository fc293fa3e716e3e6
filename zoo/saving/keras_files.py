"""Model files that say what they are, and that are safe to open whoever made them."""

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
    """Saves a model of the zoo as a `.keras` file that tells its name and options.

    The file is Keras' own, and opens as Keras opens files; `zoo.json` in it is what `zoo.load` goes by.

    Args:
        model: A model of `zoo.create`, `zoo.train` or `zoo.load`.
        path: The file, which ends in `.keras`. One that is there is replaced once the new one is whole.

    Raises:
        InvalidValue: Another ending, or a model that the zoo has not made.

    >>> import tempfile, zoo
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(zoo.create("deep_mlp", depth=2), f"{folder}/model.keras")
    ...     load(f"{folder}/model.keras").count_params()
    24790
    """
    path, origin = Path(path), origin_of(model)
    if path.suffix != ".keras":
        raise InvalidValue(f"A model's file ends in .keras; got {path.name}.")
    if origin is None:
        raise InvalidValue(
            f"{model.name} was not made by zoo.create, zoo.train or zoo.load: its name and options are not known. "
            "model.save(path) saves it as Keras does."
        )
    with replacing(path) as temporary:
        model.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            digest = hashlib.sha256(archive.read(WEIGHTS)).hexdigest()
            archive.writestr(ORIGIN, json.dumps({**origin.to_dict(), "weights": digest}, indent=2))


def load(path: str | Path) -> keras.Model:
    """Opens a `.keras` file of this zoo, whoever made it, without running anything that is in it.

    The model is built anew by the registry, by the name and the options that the file tells; the file gives
    the weights. It is not compiled: `zoo.training.compile_model` does that by a recipe.

    Args:
        path: A file that `zoo.save` or a run wrote.

    Returns:
        The model.

    Raises:
        InvalidValue: There is no such file.
        UnsafeFile: It is not a model of this zoo, or not as it was saved; the message has the reason.
    """
    path = Path(path)
    if not path.is_file():
        raise InvalidValue(f"There is no model file {path}.")
    archive = open_archive(path)
    try:
        origin = Origin.from_dict(archive.origin)
        options = card(origin.model).resolve(origin.options)
    except ZooError as error:
        raise UnsafeFile(path, f"its {ORIGIN} is not as the zoo writes it: {error}") from error
    import_tensorflow()
    model = _build(path, origin.model, options, archive)
    check_config(path, archive.config, json.loads(model.to_json()))
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder, WEIGHTS)
        weights.write_bytes(archive.weights)
        try:
            model.load_weights(weights)
        except Exception as error:  # Keras raises what it pleases
            reason = str(error).strip().partition("\n")[0]
            raise UnsafeFile(path, f"its weights do not fit {origin.model} ({reason})") from error
    remember(model, replace(origin, options=options))
    return model


def _build(path: Path, name: str, options: dict[str, Any], archive: Archive) -> keras.Model:
    """Builds a model, and gives up as soon as it has far more weights than the file: options may ask for any size."""
    import tensorflow as tf

    left = [2 * archive.variables + 1_000, 2 * archive.numbers + 1_000_000]  # some state of a model is not saved

    wrong = UnsafeFile(path, f"its options make a {name} of another size than the {archive.numbers} numbers in it")
    for value in options.values():
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, int) and each > left[1]:  # a list of so many layers would not fit into memory
                raise wrong

    def counted(create: Any, **of_variable: Any) -> Any:
        left[0] -= 1
        left[1] -= math.prod(get_initial_shape(of_variable["initial_value"]))
        if min(left) < 0:
            raise wrong
        return create(**of_variable)

    with tf.variable_creator_scope(counted):
        try:
            return card(name).build(**options)
        except UnsafeFile:
            raise
        except (ZooError, ValueError, TypeError, OverflowError, MemoryError) as error:
            raise UnsafeFile(path, f"no {name} can be built with its options: {error}") from error
