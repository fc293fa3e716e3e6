"""Opens an exported model where only its runtime is, and tells how far its numbers are from those expected.

It is run as a script in a process of its own: `foreign.py FORMAT ARTEFACT CASES`. It imports nothing of the zoo,
and could not.
"""

import json
import sys

import numpy as np


def _functions(kind, path):  # type: ignore[no-untyped-def]
    """Returns how to call a signature of the model with named arrays."""
    if kind == "saved_model":
        import tensorflow as tf

        loaded = tf.saved_model.load(path)

        def call(name, inputs):  # type: ignore[no-untyped-def]
            given = {key: tf.constant(value) for key, value in inputs.items()}
            return {key: value.numpy() for key, value in loaded.signatures[name](**given).items()}

    elif kind == "onnx":
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


def main(kind: str, path: str, cases: str) -> None:
    """Prints, as JSON, the greatest difference of each signature, relative where the number is above 1."""
    sys.modules["zoo"] = sys.modules["datasets"] = None  # type: ignore[assignment]
    call = _functions(kind, path)
    wanted: dict = {}
    with np.load(cases, allow_pickle=False) as arrays:
        for key in arrays.files:
            signature, number, side, name = key.split("|")
            wanted.setdefault((signature, number), {"in": {}, "out": {}})[side][name] = arrays[key]
    found: dict = {}
    for (signature, _), case in wanted.items():
        outputs = call(signature, case["in"])
        if set(outputs) != set(case["out"]):
            raise SystemExit(f"{signature} gives {sorted(outputs)}, not {sorted(case['out'])}")
        for name, expected in case["out"].items():
            if outputs[name].shape != expected.shape:
                raise SystemExit(f"{signature} gives {name} of shape {outputs[name].shape}, not {expected.shape}")
            far = np.abs(outputs[name] - expected) / np.maximum(1, np.abs(expected))
            found[signature] = max(found.get(signature, 0.0), float(far.max()) if np.isfinite(far).all() else 1e30)
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
