"""The stages that come before a training with labels: each layer without them, then the output layer."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from zoo.pretraining import encode, output_stage, stages
from zoo.recipes import Recipe
from zoo.recipes.compiling import compile_model, prepare
from zoo.runs.configuration import Configuration
from zoo.runs.folder import RunFolder
from zoo.training.stage import How, StageRun, run_stage, stage_folder


def pretrain(model: keras.Model, configuration: Configuration, folder: RunFolder, how: How) -> list[StageRun]:
    """Trains a model's hidden layers one by one, and then its output layer, as its recipe says.

    Each stage has a folder of its own in the run's. One that is finished already is taken from there.

    Args:
        model: The model, made under its strategy's scope.
        configuration: The run.
        folder: The run's folder.
        how: What else the run does.

    Returns:
        The stages, of which the last one may have been interrupted or have failed; none, if the recipe
        has none.
    """
    recipe, data = configuration.recipe, configuration.dataset
    done: list[StageRun] = []
    if recipe.pretraining is None:
        return done
    layers = stages(model, recipe.pretraining)
    count = len(layers) + (recipe.classifier is not None) + 1
    validation = _scaled(recipe, data.validation.x) if data.validation else None
    codes, labelled = _scaled(recipe, configuration.unlabelled), _scaled(recipe, data.train.x)

    def run(name: str, make: Callable[[], keras.Model], each: Recipe, x: Any, y: Any, held_out: Any) -> keras.Model:
        number = len(done) + 1
        seed = (configuration.seed + 7919 * number) % 2**32
        keras.utils.set_random_seed(seed)
        steps = math.ceil(len(x) / each.batch_size)
        # Not around the training itself: what one worker alone did there, the others would wait for.
        with model.distribute_strategy.scope():
            learner = make()
            compile_model(learner, each, steps_per_epoch=steps)
        content = {"stage": name, "recipe": _as_json(each.to_dict()), "run": _digest(configuration), "seed": seed}
        stage = run_stage(
            name,
            learner,
            each,
            prepare(each, x, y, classes=data.classes),
            None if held_out is None else prepare(each, *held_out, classes=data.classes),
            folder=stage_folder(folder, f"{number}-{name}", content),
            how=how,
            seed=seed,
            title=f"{configuration.model} on {data.name}, stage {name}",
            steps_per_epoch=steps,
            label=f"{name}, stage {number} of {count}",
        )
        done.append(stage)
        return learner

    held_out: tuple[Any, Any] | None
    for stage in layers:
        x, held_out = codes, None if validation is None else (validation, None)
        if stage.with_labels:
            x = _with_labels(labelled, data.train.y, data.classes)
            if data.validation and validation is not None:
                held_out = (_with_labels(validation, data.validation.y, data.classes), None)
        learner = run(stage.name, stage.make_learner, recipe.pretraining, x, None, held_out)
        if done[-1].status != "finished":
            return done
        stage.hand_over(learner)
        if stage is not layers[-1] or recipe.classifier is not None:
            codes, labelled = encode(stage.layer, codes), encode(stage.layer, labelled)
            validation = None if validation is None else encode(stage.layer, validation)
    if recipe.classifier is not None:
        held_out = (validation, data.validation.y) if data.validation else None
        run("classifier", lambda: output_stage(model), recipe.classifier, labelled, data.train.y, held_out)
    return done


def _scaled(recipe: Recipe, x: np.ndarray) -> np.ndarray:
    x = x.reshape(len(x), -1)
    return x if recipe.input_scale == 1 else x * np.float32(recipe.input_scale)


def _with_labels(x: np.ndarray, y: np.ndarray, classes: int) -> np.ndarray:
    return np.concatenate([x, keras.utils.to_categorical(y, classes).astype("float32")], axis=1)


def _digest(configuration: Configuration) -> str:
    """Returns what tells the configuration of the earlier stages from others: the last one's epochs do not count."""
    content = configuration.to_dict()
    content["recipe"] = {**content["recipe"], "epochs": None, "learning_rate": None}
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _as_json(content: Any) -> Any:
    return json.loads(json.dumps(content))
