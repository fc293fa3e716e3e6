"""Takes a model out of the zoo: `export(model, "serving/lenet5")`."""

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
LICENCE = "Apache-2.0"  # of the code; the data's is told beside it


class Exported(NamedTuple):
    """What was written.

    Args:
        path: The folder or file.
        signatures: How far each is from the model's own numbers, at most, in a process without this package.
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
    """Exports a model so that it can be served where this package is not, and shows that it gives the same numbers.

    A SavedModel has signatures: `serve`, on raw images (uint8, as the data set has them: scaling and padding are
    inside), `serve_float` on images in [0, 1], and by family `encode` and `decode` (auto-encoders), `hidden`,
    `reconstruct`, `free_energy` and `sample` (RBM, deep belief network), `hidden` (layered perceptrons), `members`
    (ensembles). Batches may have any size. Its assets have the class names, `labels.txt`, and `description.json`.
    ONNX has `serve` alone, LiteRT all but `sample`.

    Args:
        model: A model of the zoo, or any Keras model with one input and one output.
        path: For a SavedModel a folder, in which `1/` is made, as TensorFlow Serving has versions; or the one after
            the last that is there. For the others a file, `.onnx` or `.tflite`, which must not exist.
        format: `"saved_model"`; `"onnx"` and `"litert"` need the extra of that name.
        dataset: The data set whose raw numbers `serve` takes; None takes that of the training, or 0 to 255.

    Returns:
        The path, and how far each signature was from the model's own numbers.

    Raises:
        InvalidValue: A path that is taken, or has another ending.
        UnknownName: No such data set.
        RunFailed: The model could not be converted, or gave other numbers. Nothing is left behind then.

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
            raise InvalidValue(f"A file of the format {format} ends in {SUFFIX[format]}; got {path.name}.")
        if path.exists():
            raise InvalidValue(f"{path} exists already; name another file, or remove it.")
        target = path
    else:
        target = _next_version(path)
    data = _data(origin, dataset)
    import_tensorflow()

    from zoo.exporting.check import cases, check
    from zoo.exporting.formats import write_litert, write_onnx, write_saved_model
    from zoo.exporting.signatures import signatures

    if isinstance(model.input_shape, list) or isinstance(model.output_shape, list):
        raise InvalidValue(f"{model.name} has several inputs or outputs; a model with one of each can be exported.")
    levels = data.get("levels", 255)
    scale = origin.recipe.input_scale if origin and origin.recipe else 1.0
    own = _fresh(model, origin)
    of_model = signatures(own, levels=levels, scale=scale)
    description = _describe(own, of_model, origin, data, levels, scale)
    kept = {"onnx": ["serve"], "litert": [name for name in of_model if name != "sample"]}.get(format, list(of_model))
    expected = cases(
        {name: each for name, each in signatures(model, levels=levels, scale=scale).items() if name in kept},
        levels=levels,
        classes=model.output_shape[-1],
    )
    try:
        if format == "saved_model":
            with making_folder(target) as temporary:
                write_saved_model(temporary, own, of_model, description)
                differences = check(format, temporary, expected)
            return Exported(target, differences)
        with making_folder(target.with_suffix(""), keep=False) as folder, replacing(target) as temporary:
            if format == "onnx":
                write_onnx(temporary, of_model["serve"], description)
            else:
                write_saved_model(folder, own, of_model, description)
                write_litert(temporary, folder, kept)
            differences = check(format, temporary, expected)
        return Exported(target, differences)
    except OSError as error:
        raise RunFailed(f"{target} cannot be written: {error.strerror or error}.") from error


def _next_version(path: Path) -> Path:
    if path.exists() and not path.is_dir():
        raise InvalidValue(f"{path} is a file; a SavedModel is a folder.")
    there = [each.name for each in path.iterdir()] if path.exists() else []
    if strange := [name for name in there if not name.isdigit()]:
        raise InvalidValue(
            f"{path} holds {min(strange)}, which is no version of an exported model; name another folder."
        )
    return path / str(max(map(int, there), default=0) + 1)


def _data(origin: Origin | None, dataset: str | None) -> dict[str, Any]:
    """Returns what is known of the data that the model is served with."""
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


def _fresh(model: keras.Model, origin: Origin | None) -> keras.Model:
    """Returns the same model outside of any strategy, whose variables Keras cannot export."""
    config = model.get_config()
    own = card(origin.model).build(**origin.options) if origin else type(model).from_config(config)
    own.set_weights(model.get_weights())
    return own


def _describe(
    model: keras.Model,
    of_model: Mapping[str, Any],
    origin: Origin | None,
    data: Mapping[str, Any],
    levels: int,
    scale: float,
) -> dict[str, Any]:
    import keras
    import tensorflow as tf

    def told(specs: Mapping[str, Any]) -> dict[str, Any]:
        return {name: {"dtype": spec.dtype.name, "shape": spec.shape.as_list()} for name, spec in specs.items()}

    signatures = {}
    for name, signature in of_model.items():
        specs = [tf.TensorSpec(spec.shape, spec.dtype, key) for key, spec in signature.takes.items()]
        outputs = tf.function(signature.call, input_signature=specs, autograph=False).get_concrete_function()
        signatures[name] = {
            "does": signature.does,
            "inputs": told(signature.takes),
            "outputs": told(outputs.structured_outputs),
        }
    steps = [f"uint8 / {levels}"] if "serve_float" in of_model else []
    return {
        "model": origin.model if origin else model.name,
        "options": dict(origin.options) if origin else {},
        "signatures": signatures,
        "preprocessing": {
            "serve": " * ".join([*steps, f"{scale:g}"] if scale != 1 else steps) or "none",
            "inside": "scaling, padding and resizing; nothing is left to the caller",
        },
        "classes": list(data.get("class_names", ())),
        "data": {name: value for name, value in data.items() if name != "class_names"},
        "recipe": origin.recipe.to_dict() if origin and origin.recipe else None,
        "metrics": dict(origin.test) if origin else {},
        "licence": {"code": LICENCE, "data": data.get("licence", "unknown")},
        "versions": {"tensorflow": tf.__version__, "keras": keras.__version__},
    }
