"""Exports models for serving: `export(model, "serving/lenet5")`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from zoo import datasets
from zoo.errors import InvalidValue, RunFailed
from zoo.models.catalogue import card
from zoo.models.origin import Origin, origin_of
from zoo.utils.constraints import check as check_value
from zoo.utils.files import making_folder, replacing
from zoo.utils.tensorflow_import import import_tensorflow

if TYPE_CHECKING:
    import keras

Format = Literal["saved_model", "onnx", "litert"]
SUFFIX = {"onnx": ".onnx", "litert": ".tflite"}
LICENCE = "Apache-2.0"  # of the code


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
    dataset: str | None = None,
) -> Exported:
    """Exports a model so that it can be served without this package, and verifies that its outputs are the same.

    A SavedModel has the signatures `serve`, which takes raw images (uint8, as in the data set) and includes scaling and
    padding; `serve_float`, which takes images in [0, 1]; and by family `encode` and `decode` (autoencoders), `hidden`,
    `reconstruct`, `free_energy` and `sample` (RBM, deep belief network), `hidden` (perceptrons), and `members`
    (ensembles). Batches may have any size. Its assets are the class names (`labels.txt`) and `description.json`.
    ONNX files have `serve` alone, LiteRT files all signatures except `sample`.

    Args:
        model: A model of the zoo, or any Keras model with one input and one output.
        path: For a SavedModel, a folder, in which the next version is created: `1/`, `2/`, ..., as TensorFlow Serving
            expects. For the other formats, a file that ends in `.onnx` or `.tflite` and does not exist.
        format: `"saved_model"`, `"onnx"` or `"litert"`. The last two require the extra of that name. Defaults to
            `"saved_model"`.
        dataset: Name of the data set whose raw images `serve` takes. Defaults to None: the one on which the model was
            trained, or values from 0 to 255.

    Returns:
        The path, and the largest difference of each signature to the model.

    Raises:
        InvalidValue: The path exists or has the wrong suffix.
        UnknownName: Unknown data set.
        RunFailed: The model cannot be converted, or its outputs differ. No files are left behind.

    >>> import tempfile, zoo
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     exported = export(zoo.create("deep_mlp"), f"{folder}/deep_mlp")
    ...     sorted(exported.signatures), exported.path.name
    (['hidden', 'serve', 'serve_float'], '1')
    """
    format = check_value("format", format, Format)
    path, origin = Path(path), origin_of(model)
    if format in SUFFIX:
        if path.suffix != SUFFIX[format]:
            raise InvalidValue(f"path must end in {SUFFIX[format]} for format={format!r}; got {path.name}.")
        if path.exists():
            raise InvalidValue(f"{path} already exists. Choose another path or remove it.")
        target = path
    else:
        target = _next_version(path)
    data = _describe_data(origin, dataset)
    import_tensorflow()

    from zoo.exporting.check import compute_cases, verify
    from zoo.exporting.formats import write_litert, write_onnx, write_saved_model
    from zoo.exporting.signatures import signatures

    if isinstance(model.input_shape, list) or isinstance(model.output_shape, list):
        raise InvalidValue(f"model must have one input and one output; {model.name} has several.")
    levels = data.get("levels", 255)
    scale = origin.recipe.input_scale if origin and origin.recipe else 1.0
    copy = _rebuild(model, origin)
    exported = signatures(copy, levels=levels, scale=scale)
    description = _describe(copy, exported, origin, data, levels, scale)
    names = {"onnx": ["serve"], "litert": [name for name in exported if name != "sample"]}.get(format, list(exported))
    trained = signatures(model, levels=levels, scale=scale)
    cases = compute_cases({name: trained[name] for name in names}, levels=levels, classes=model.output_shape[-1])
    try:
        if format == "saved_model":
            with making_folder(target) as temporary:
                write_saved_model(temporary, copy, exported, description)
                differences = verify(format, temporary, cases)
            return Exported(target, differences)
        with making_folder(target.with_suffix(""), keep=False) as folder, replacing(target) as temporary:
            if format == "onnx":
                write_onnx(temporary, exported["serve"], description)
            else:
                write_saved_model(folder, copy, exported, description)
                write_litert(temporary, folder, names)
            differences = verify(format, temporary, cases)
        return Exported(target, differences)
    except OSError as error:
        raise RunFailed(f"Cannot write {target}: {error.strerror or error}.") from error


def _next_version(path: Path) -> Path:
    if path.exists() and not path.is_dir():
        raise InvalidValue(f"path must be a folder for format='saved_model'; {path} is a file.")
    names = [item.name for item in path.iterdir()] if path.exists() else []
    if others := [name for name in names if not name.isdigit()]:
        raise InvalidValue(f"{path} must contain only versions of an exported model; got {min(others)}.")
    return path / str(max(map(int, names), default=0) + 1)


def _describe_data(origin: Origin | None, dataset: str | None) -> dict[str, Any]:
    """Returns the description of the data with which the model is served."""
    if dataset is None:
        return dict(origin.data) if origin else {}
    source = datasets.source(dataset)
    return {
        "name": source.name,
        "title": source.title,
        "origin": source.origin,
        "licence": source.licence,
        "levels": source.levels,
        "class_names": list(source.class_names),
    }


def _rebuild(model: keras.Model, origin: Origin | None) -> keras.Model:
    """Returns a copy of a model outside of any strategy, because Keras cannot export variables of a strategy."""
    copy = card(origin.model).build(**origin.options) if origin else type(model).from_config(model.get_config())
    copy.set_weights(model.get_weights())
    return copy


def _describe(
    model: keras.Model,
    signatures: Mapping[str, Any],
    origin: Origin | None,
    data: Mapping[str, Any],
    levels: int,
    scale: float,
) -> dict[str, Any]:
    import keras
    import tensorflow as tf

    def to_dict(specs: Mapping[str, Any]) -> dict[str, Any]:
        return {name: {"dtype": spec.dtype.name, "shape": spec.shape.as_list()} for name, spec in specs.items()}

    functions = {}
    for name, signature in signatures.items():
        specs = [tf.TensorSpec(spec.shape, spec.dtype, key) for key, spec in signature.inputs.items()]
        outputs = tf.function(signature.call, input_signature=specs, autograph=False).get_concrete_function()
        functions[name] = {
            "description": signature.description,
            "inputs": to_dict(signature.inputs),
            "outputs": to_dict(outputs.structured_outputs),
        }
    steps = [f"uint8 / {levels}"] if "serve_float" in signatures else []
    return {
        "model": origin.model if origin else model.name,
        "options": dict(origin.options) if origin else {},
        "signatures": functions,
        "preprocessing": {
            "serve": " * ".join([*steps, f"{scale:g}"] if scale != 1 else steps) or "none",
            "included": "scaling, padding and resizing",
        },
        "classes": list(data.get("class_names", ())),
        "data": {name: value for name, value in data.items() if name != "class_names"},
        "recipe": origin.recipe.to_dict() if origin and origin.recipe else None,
        "metrics": dict(origin.test) if origin else {},
        "licence": {"code": LICENCE, "data": data.get("licence", "unknown")},
        "versions": {"tensorflow": tf.__version__, "keras": keras.__version__},
    }
