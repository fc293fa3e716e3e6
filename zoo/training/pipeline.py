"""The stages before a training with labels: each hidden layer without labels, then the output layer alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from zoo.pretraining import encode, output_stage, stages
from zoo.recipes import Recipe
from zoo.recipes.compiling import compile_model, prepare
from zoo.runs.configuration import Configuration
from zoo.runs.folder import RunFolder
from zoo.runs.options import RunOptions
from zoo.runs.run import StageRun
from zoo.training.in_memory import steps_per_epoch
from zoo.training.stage import open_stage_folder, run_stage


def pretrain(
    model: keras.Model, configuration: Configuration, folder: RunFolder, options: RunOptions
) -> list[StageRun]:
    """Trains a model's hidden layers one by one, and then its output layer, by its recipe.

    Each stage has a folder of its own in the run's. A finished stage is read from there.

    Args:
        model: Model, created under its strategy's scope.
        configuration: Configuration of the run.
        folder: Folder of the run.
        options: Options of the run.

    Returns:
        The stages, of which the last may have been interrupted or have failed; none if the recipe has none.
    """
    recipe, data = configuration.recipe, configuration.dataset
    if recipe.pretraining is None:
        return []
    layers = stages(model, recipe.pretraining)
    runner = _StageRunner(model, configuration, folder, options, len(layers) + (recipe.classifier is not None) + 1)
    codes, labelled = _flatten(recipe, configuration.unlabelled), _flatten(recipe, data.train.x)
    validation = _flatten(recipe, data.validation.x) if data.validation else None
    for stage in layers:
        x, held_out = codes, None if validation is None else (validation, None)
        if stage.with_labels:
            x = _append_labels(labelled, data.train.y, data.classes)
            if data.validation and validation is not None:
                held_out = (_append_labels(validation, data.validation.y, data.classes), None)
        learner = runner.run(stage.name, stage.make_learner, recipe.pretraining, x, None, held_out)
        if runner.done[-1].status != "finished":
            return runner.done
        stage.hand_over(learner)
        if stage is not layers[-1] or recipe.classifier is not None:
            codes, labelled = encode(stage.layer, codes), encode(stage.layer, labelled)
            validation = None if validation is None else encode(stage.layer, validation)
    if recipe.classifier is not None:
        labels = (validation, data.validation.y) if data.validation else None
        runner.run("classifier", lambda: output_stage(model), recipe.classifier, labelled, data.train.y, labels)
    return runner.done


class _StageRunner:
    """Runs the stages of a run one after the other, and keeps what came of them in `done`."""

    def __init__(
        self, model: keras.Model, configuration: Configuration, folder: RunFolder, options: RunOptions, count: int
    ) -> None:
        self._strategy, self._configuration = model.distribute_strategy, configuration
        self._folder, self._options, self._count = folder, options, count
        self.done: list[StageRun] = []

    def run(
        self,
        name: str,
        make_model: Callable[[], keras.Model],
        recipe: Recipe,
        x: np.ndarray,
        y: np.ndarray | None,
        validation: tuple[Any, Any] | None,
    ) -> keras.Model:
        """Trains one stage and returns its model."""
        configuration, number = self._configuration, len(self.done) + 1
        seed = (configuration.seed + 7919 * number) % 2**32
        keras.utils.set_random_seed(seed)
        # The scope ends before the training: what one worker did alone in it, the others would wait for.
        with self._strategy.scope():
            model = make_model()
            compile_model(model, recipe, steps_per_epoch=steps_per_epoch(recipe, x))
        classes = configuration.dataset.classes
        content = {"stage": name, "recipe": _as_json(recipe.to_dict()), "run": _digest(configuration), "seed": seed}
        stage = run_stage(
            name,
            model,
            recipe,
            prepare(recipe, x, y, classes=classes),
            None if validation is None else prepare(recipe, *validation, classes=classes),
            folder=open_stage_folder(self._folder, f"{number}-{name}", content),
            options=self._options,
            seed=seed,
            title=f"{configuration.model} on {configuration.dataset.name}, stage {name}",
            label=f"{name}, stage {number} of {self._count}",
        )
        self.done.append(stage)
        return model


def _flatten(recipe: Recipe, x: np.ndarray) -> np.ndarray:
    x = x.reshape(len(x), -1)
    return x if recipe.input_scale == 1 else x * np.float32(recipe.input_scale)


def _append_labels(x: np.ndarray, y: np.ndarray, classes: int) -> np.ndarray:
    return np.concatenate([x, keras.utils.to_categorical(y, classes).astype("float32")], axis=1)


def _digest(configuration: Configuration) -> str:
    """Returns a digest of what decides the earlier stages: the last stage's epochs and learning rate do not."""
    content = configuration.to_dict()
    content["recipe"] = {**content["recipe"], "epochs": None, "learning_rate": None}
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _as_json(content: Any) -> Any:
    return json.loads(json.dumps(content))
