"""Pre-training in a run: each hidden layer without labels, then the output layer alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from zoo.datasets import Dataset, Split
from zoo.pretraining import Stage, encode, output_stage, stages
from zoo.recipes.compiling import compile_model
from zoo.runs.configuration import Configuration
from zoo.runs.folder import RunFolder
from zoo.runs.options import RunOptions
from zoo.runs.run import StageRun
from zoo.training.stage import open_stage_folder, run_stage


def pretrain(
    model: keras.Model, configuration: Configuration, folder: RunFolder, options: RunOptions
) -> list[StageRun]:
    """Trains the hidden layers of a model one by one, and then its output layer, by its recipe.

    Each stage has its own folder in that of the run. A finished stage is read from there.

    Args:
        model: Model, created in the scope of its strategy.
        configuration: Configuration of the run.
        folder: Folder of the run.
        options: Options of the run.

    Returns:
        The stages, of which the last one may have been interrupted or have failed; none if the recipe has none.
    """
    recipe, data = configuration.recipe, configuration.dataset
    if recipe.pretraining is None:
        return []
    plan = stages(model, recipe.pretraining)
    if recipe.classifier is not None:
        output = Stage("classifier", model.layers[-1], lambda: output_stage(model), recipe.classifier, lambda _: None)
        plan.append(output)
    codes = _flatten_inputs(configuration)
    runs: list[StageRun] = []
    for number, stage in enumerate(plan, start=1):
        seed = (configuration.seed + 7919 * number) % 2**32
        stage_configuration = replace(
            configuration,
            model=stage.name,
            dataset=_make_dataset(codes, data, stage),
            recipe=stage.recipe,
            seed=seed,
            class_weight=None,
            patience=None,
        )
        keras.utils.set_random_seed(seed)
        # The scope ends before the training: what one worker did alone in it, the others would wait for.
        with model.distribute_strategy.scope():
            learner = stage.make_learner()
            compile_model(learner, stage.recipe, steps_per_epoch=stage_configuration.steps_per_epoch)
        content = {"stage": stage.name, "recipe": stage.recipe.to_dict(), "run": _digest(configuration), "seed": seed}
        stage_folder = open_stage_folder(folder, f"{number}-{stage.name}", content)
        title = f"{configuration.model} on {data.name}, stage {stage.name}"
        label = f"{stage.name}, stage {number} of {len(plan) + 1}"
        runs.append(run_stage(learner, stage_configuration, stage_folder, options, title=title, label=label))
        if runs[-1].status != "finished":
            break
        stage.hand_over(learner)
        if number < len(plan):
            codes = {name: encode(stage.layer, x) for name, x in codes.items()}
    return runs


def _flatten_inputs(configuration: Configuration) -> dict[str, np.ndarray]:
    """Returns the inputs of the training and the validation set, and all inputs for training without labels."""
    inputs = {name: split.x for name, split in configuration.dataset.splits.items() if name != "test"}
    inputs["unlabelled"] = configuration.unlabelled
    scale = np.float32(configuration.recipe.input_scale)
    return {name: x.reshape(len(x), -1) * scale for name, x in inputs.items()}


def _make_dataset(codes: Mapping[str, np.ndarray], data: Dataset, stage: Stage) -> Dataset:
    """Returns the data set of a stage, whose inputs are the codes of the layers below it."""
    splits: Any = {name: Split(codes[name], split.y) for name, split in data.splits.items() if name in codes}
    if stage.with_labels:
        for name, split in splits.items():
            one_hot = keras.utils.to_categorical(split.y, data.classes)
            splits[name] = Split(np.concatenate([split.x, one_hot], axis=1), split.y)
    elif not stage.recipe.objective.needs_labels:
        splits["train"] = Split(codes["unlabelled"], np.zeros(len(codes["unlabelled"])))  # the labels are not used
    return replace(data, **splits)


def _digest(configuration: Configuration) -> str:
    """Returns a digest of what determines the stages: everything but the epochs and learning rate of the last one."""
    content = configuration.to_dict()
    content["recipe"] = {**content["recipe"], "epochs": None, "learning_rate": None}
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]
