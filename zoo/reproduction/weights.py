"""Creates pre-trained weights from runs: `python -m zoo.reproduction.weights runs/lenet5-mnist ...`."""

from __future__ import annotations

import hashlib
import io
import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import InvalidValue, ZooError
from zoo.evaluation import evaluate
from zoo.models.catalogue import card
from zoo.models.origin import Origin, origin_of, remember
from zoo.models.weights import FOLDER
from zoo.runs.run import open_run
from zoo.utils.files import replacing

LIMITS = (
    "Weights in half precision, for learning and teaching. They recognize digits of the size and position of those in "
    "{title} only."
)


def make(run: str | Path, folder: Path = FOLDER) -> Path:
    """Writes the weights of a finished run and their card, with the metrics of the rounded weights.

    Args:
        run: Folder of the run.
        folder: Folder to write to. Defaults to that of this package.

    Returns:
        Path of the card.

    Raises:
        InvalidValue: The folder contains no finished run of the zoo.
    """
    finished = open_run(run)
    if finished.status != "finished":
        raise InvalidValue(f"run must be finished; {run} is {finished.status}.")
    model = finished.model
    origin = origin_of(model)
    if origin is None or origin.recipe is None:
        raise InvalidValue(f"run must contain a trained model of the zoo; {run} does not.")
    rounded = [np.asarray(weight, "float16") for weight in model.get_weights()]
    model.set_weights([weight.astype("float32") for weight in rounded])
    remember(model, origin)
    measured = evaluate(model)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{str(number): weight for number, weight in enumerate(rounded)})  # type: ignore[arg-type]
    content = {
        "model": origin.model,
        "name": origin.data["name"],
        "command": _command(origin),
        "metrics": {name: interval._asdict() for name, interval in measured.metrics.items()},
        "versions": finished.config["versions"],
        "parameters": sum(weight.size for weight in rounded),
        "sha256": hashlib.sha256(buffer.getvalue()).hexdigest(),
        "limits": LIMITS.format(title=origin.data["title"]),
        "origin": replace(origin, test={}).to_dict(),
    }
    path = folder / f"{origin.model}-{origin.data['name']}.json"
    with replacing(path.with_suffix(".npz")) as temporary:
        temporary.write_bytes(buffer.getvalue())
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def _command(origin: Origin) -> str:
    """Returns the command that repeats the training, with the settings that differ from recipe and builder."""
    if origin.recipe is None:
        return ""
    known = card(origin.model)
    recipe = known.recipe(origin.recipe.name)
    words: list[Any] = ["zoo", "train", origin.model, "--dataset", origin.data["name"], "--seed", origin.seed]
    if recipe is not known.recipes[0]:
        words += ["--recipe", recipe.name]
    if origin.recipe.epochs != recipe.epochs:
        words += ["--epochs", origin.recipe.epochs]
    usual = {name: option.default for name, option in known.options.items()} | dict(recipe.options)
    for name, value in origin.options.items():
        if value != usual[name] and name not in ("input_shape", "classes", "longest"):
            words += ["--set", f"{name}={value}"]
    return shlex.join(map(str, words))


def main(runs: Sequence[str]) -> None:
    """Creates the weights of each run, and prints their sizes and metrics."""
    for run in runs:
        path = make(run)
        content = json.loads(path.read_text())
        size = path.with_suffix(".npz").stat().st_size
        print(f"{path.stem}: {size:,} bytes, {json.dumps(content['metrics'])}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except ZooError as error:
        sys.exit(f"zoo: {error}")
