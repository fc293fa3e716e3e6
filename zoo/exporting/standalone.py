"""Opens an exported model with its runtime alone, and prints the differences to the expected outputs.

This file is run as a script in a process of its own, which cannot import the zoo: `standalone.py FORMAT PATH CASES`.
"""

import json
import sys

import numpy as np


def _open(format, path):  # type: ignore[no-untyped-def]
    """Returns a function that calls a signature of the model with named arrays."""
    if format == "saved_model":
        import tensorflow as tf

        loaded = tf.saved_model.load(path)

        def call(name, inputs):  # type: ignore[no-untyped-def]
            function = loaded.signatures[name]
            _, specs = function.structured_input_signature
            tensors = {key: tf.cast(value, specs[key].dtype) for key, value in inputs.items()}
            return {key: value.numpy() for key, value in function(**tensors).items()}

    elif format == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]

        def call(name, inputs):  # type: ignore[no-untyped-def]
            return dict(zip(names, session.run(None, inputs), strict=True))

    else:
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(model_path=path)

        def call(name, inputs):  # type: ignore[no-untyped-def]
            return interpreter.get_signature_runner(name)(**inputs)

    return call


def _largest_difference(actual, expected):  # type: ignore[no-untyped-def]
    """Returns the largest difference, relative for values above 1; equal infinities and NaN do not differ."""
    if expected.dtype.kind == "S":
        return float((actual.astype("S") != expected).any())
    actual, expected = actual.astype("float64"), expected.astype("float64")
    with np.errstate(invalid="ignore"):
        error = np.abs(actual - expected) / np.maximum(1, np.abs(expected))
    error[(actual == expected) | (np.isnan(actual) & np.isnan(expected))] = 0
    return float(np.nan_to_num(error, nan=1e30, posinf=1e30).max(initial=0))


def main(format: str, path: str, cases: str) -> None:
    """Prints the largest difference of each signature as JSON, relative for values above 1."""
    sys.modules["zoo"] = sys.modules["datasets"] = None  # type: ignore[assignment]
    call = _open(format, path)
    expected: dict = {}
    with np.load(cases, allow_pickle=False) as arrays:
        for key in arrays.files:
            signature, number, side, name = key.split("|")
            expected.setdefault((signature, number), {"in": {}, "out": {}})[side][name] = arrays[key]
    differences: dict = {}
    for (signature, _), case in expected.items():
        outputs = call(signature, case["in"])
        if set(outputs) != set(case["out"]):
            raise SystemExit(f"{signature} must return {sorted(case['out'])}; got {sorted(outputs)}")
        for name, value in case["out"].items():
            if outputs[name].shape != value.shape:
                raise SystemExit(f"{signature}: {name} must have shape {value.shape}; got {outputs[name].shape}")
            differences[signature] = max(differences.get(signature, 0.0), _largest_difference(outputs[name], value))
    print(json.dumps(differences))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Exception as error:  # whatever a runtime raises, on one line
        sys.exit(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
