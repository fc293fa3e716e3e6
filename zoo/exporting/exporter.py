"""Exports models for serving: `export(model, "serving/lenet5")`."""

from __future__ import annotations

import importlib.util
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from zoo.errors import InvalidValue, RunFailed
from zoo.models.catalogue import card
from zoo.models.origin import Origin, origin_of
from zoo.utils.constraints import check as check_value
from zoo.utils.files import find_obstacle, making_folder, replacing
from zoo.utils.tensorflow_import import import_tensorflow

if TYPE_CHECKING:
    import keras

    from zoo.datasets import Dataset

Format = Literal["saved_model", "onnx", "litert"]
SUFFIX = {"onnx": ".onnx", "litert": ".tflite"}
PACKAGES = {"onnx": ("onnx", "tf2onnx", "onnxruntime"), "litert": ("ai_edge_litert",)}


class Exported(NamedTuple):
    """An exported model.

    Args:
        path: Its folder or file.
        signatures: Largest difference of each signature to the model, measured in a process without this package.
    """

    path: Path
    signatures: Mapping[str, float]


def export(
    model: keras.Model,
    path: str | Path,
    *,
    format: Literal["saved_model", "onnx", "litert"] = "saved_model",
    dataset: str | Dataset | None = None,
) -> Exported:
    """Exports a model so that it can be served without this package, and verifies that its outputs are the same.

    A model of the zoo has the signatures `serve`, which takes raw images (uint8, as in the data set) and includes
    scaling and padding; `serve_float`, which takes images in [0, 1]; and by family `encode` and `decode`
    (autoencoders), `hidden`, `reconstruct`, `free_energy` and `sample` (RBM, deep belief network), `hidden`
    (perceptrons), and `members` (ensembles). Batches may have any size. Its assets are the class names (`labels.txt`)
    and `description.json`.
    ONNX files have `serve` alone, LiteRT files all signatures except `sample`.

    Any other Keras model has the signature `serve`, which takes what the model takes: numbers, integers or text, in
    one input or several. Its outputs are called by what they mean: `probabilities`, `logits` or `values`, with the
    predicted `classes`; several outputs keep their own names.

    Args:
        model: A model of the zoo, or any built Keras model whose outputs depend on its inputs alone.
        path: For a SavedModel, a folder, in which the next version is created: `1/`, `2/`, ..., as TensorFlow Serving
            expects. For the other formats, a file that ends in `.onnx` or `.tflite` and does not exist.
        format: `"saved_model"`, `"onnx"` or `"litert"`. The last two require the extra of that name. Defaults to
            `"saved_model"`.
        dataset: Data set whose raw numbers `serve` takes and whose examples the check uses, by name or loaded. Defaults
            to None: the one on which a model of the zoo was trained, or images from 0 to 255; any other model takes
            numbers as they are.

    Returns:
        The path, and the largest difference of each signature to the model.

    Raises:
        InvalidValue: The path exists or has the wrong suffix; the model is not built, or gives other outputs at every
            call; or the data set does not fit it.
        UnknownName: Unknown data set.
        RunFailed: A package is missing, the model cannot be converted or written, or its outputs differ. No files are
            left behind.

    >>> import tempfile, zoo
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     exported = export(zoo.create("deep_mlp"), f"{folder}/deep_mlp")
    ...     sorted(exported.signatures), exported.path.name
    (['hidden', 'serve', 'serve_float'], '1')
    """
    target = resolve_target(path, format)
    import_tensorflow()

    import tensorflow as tf

    from zoo.exporting.check import compute_cases, tolerance_of, verify
    from zoo.exporting.data import describe_data, fit_data
    from zoo.exporting.description import describe
    from zoo.exporting.formats import check_types, write_litert, write_onnx, write_saved_model
    from zoo.exporting.interfaces import inspect_model
    from zoo.exporting.signatures import members_of, signatures

    interface = inspect_model(model)
    check_types(format, model, interface)
    origin = origin_of(model)
    trained_as = origin or _common_origin(members_of(model))
    data = fit_data(describe_data(trained_as, dataset), interface.inputs)
    scale = trained_as.recipe.input_scale if trained_as and trained_as.recipe else 1.0
    options: dict[str, Any] = {"levels": data.levels, "scale": scale, "dtype": data.dtype}
    trained = signatures(model, **options, class_names=data.class_names, interface=interface)
    copy = _rebuild(model, origin)
    exported = trained if copy is model else signatures(copy, **options, class_names=data.class_names)
    description = describe(copy, exported, origin, data, scale)
    names = {"onnx": ["serve"], "litert": [name for name in exported if name != "sample"]}.get(format, list(exported))
    cases = compute_cases(model, trained, names, data=data, scale=scale)
    tolerance = tolerance_of(model, format)
    try:
        if format == "saved_model":
            with making_folder(target) as temporary:
                write_saved_model(temporary, copy, exported, description)
                return Exported(target, verify(format, temporary, cases, tolerance=tolerance))
        with making_folder(target.with_suffix(""), keep=False) as folder, replacing(target) as temporary:
            if format == "onnx":
                write_onnx(temporary, exported["serve"], description)
            else:
                write_saved_model(folder, copy, exported, description)
                write_litert(temporary, folder, names)
            differences = verify(format, temporary, cases, tolerance=tolerance)
        return Exported(target, differences)
    except (OSError, tf.errors.OpError) as error:
        # TensorFlow puts the names of a function and of temporary files around it.
        message = getattr(error, "message", None) or getattr(error, "strerror", None) or str(error)
        reason = message.rpartition("; ")[2].partition(" [Op:")[0]
        raise RunFailed(f"Cannot write {target}: {reason}.") from error


def resolve_target(path: str | Path, format: str) -> Path:
    """Returns the folder or file that `export` would write, without importing TensorFlow.

    Raises:
        InvalidValue: The format is unknown, or the path exists or has the wrong suffix.
        RunFailed: A package is missing, or the path cannot be written.
    """
    format = check_value("format", format, Format)
    target = _resolve_path(path, format)
    if reason := find_obstacle(target):
        raise RunFailed(f"Cannot write {target}: {reason}.")
    _check_packages(format)
    return target


def _common_origin(members: Sequence[keras.Model]) -> Origin | None:
    """Returns where the first member comes from, if all members take the same numbers."""
    origins = [origin_of(member) for member in members]
    numbers = {
        (origin.data.get("name"), origin.data.get("levels"), origin.recipe and origin.recipe.input_scale)
        for origin in origins
        if origin
    }
    if len(numbers) > 1:
        raise InvalidValue(
            "The members of an ensemble must be trained on the same data with the same input_scale; got "
            f"{' and '.join(sorted(map(str, numbers)))}."
        )
    return origins[0] if origins and None not in origins else None


def _check_packages(format: str) -> None:
    for name in PACKAGES.get(format, ()):
        if importlib.util.find_spec(name) is None:
            raise RunFailed(
                f"The format {format} requires the package {name}; run pip install '.[{format}]' in the sources of the "
                "zoo."
            )


def _resolve_path(path: str | Path, format: str) -> Path:
    """Returns the file or the folder of the next version to write."""
    if not isinstance(path, str | os.PathLike):
        raise InvalidValue(f"path must be a string or a path; got {path!r}.")
    path = Path(path)
    if format in SUFFIX:
        if path.suffix != SUFFIX[format]:
            raise InvalidValue(f"path must end in {SUFFIX[format]} for format={format!r}; got {path.name}.")
        if path.exists():
            raise InvalidValue(f"{path} already exists. Choose another path or remove it.")
        return path
    if path.exists() and not path.is_dir():
        raise InvalidValue(f"path must be a folder for format='saved_model'; {path} is a file.")
    try:
        # A hidden folder is what an export that was killed has left.
        names = [item.name for item in path.iterdir() if not item.name.startswith(".")] if path.exists() else []
    except OSError as error:
        raise RunFailed(f"Cannot read {path}: {error.strerror}.") from error
    if others := [name for name in names if not name.isdecimal()]:
        raise InvalidValue(f"{path} must contain only versions of an exported model; got {min(others)}.")
    return path / str(max(map(int, names), default=0) + 1)


def _rebuild(model: keras.Model, origin: Origin | None) -> keras.Model:
    """Returns a model without variables of a strategy, which Keras cannot export: the model itself, or a copy."""
    import keras
    import tensorflow as tf

    from zoo.exporting.interfaces import shorten
    from zoo.utils.keras_private import list_layers

    if not any(isinstance(variable.value, tf.distribute.DistributedValues) for variable in model.variables):
        return model
    if origin:
        copy = card(origin.model).build(**origin.options)
        copy.set_weights(model.get_weights())
        return copy
    known = {type(layer).__name__: type(layer) for layer in list_layers(model)}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "model.keras")
        try:
            # Weights alone would leave behind what a layer computes from them, and its words.
            model.save(file)
            return keras.saving.load_model(file, custom_objects=known, compile=False, safe_mode=False)
        except Exception as error:  # Keras raises many types
            raise InvalidValue(
                f"{model.name} was made in the scope of a tf.distribute.Strategy, and Keras cannot copy it out of it: "
                f"{shorten(error)}."
            ) from error
