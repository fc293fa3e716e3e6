import io

from rich.console import Console

import zoo
from zoo.telemetry import GradientRecorder
from zoo.training.progress_bar import ProgressBar


def show(points, *, terminal, watch=False):
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=120, legacy_windows=False)
    model = zoo.create("shallow_mlp", input_shape=(2,), classes=2)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    recorder = GradientRecorder()
    with ProgressBar(epochs=2, steps_per_epoch=4, watch=recorder if watch else None, console=console) as bar:
        model.fit(*points, batch_size=16, epochs=2, verbose=0, callbacks=[recorder, bar], validation_split=0.25)
    return text.getvalue()


def test_a_terminal_has_a_bar_with_steps_and_remaining_time(points):
    text = show(points, terminal=True)
    assert "epoch 2/2" in text
    assert "8/8" in text
    assert "left" in text
    assert "val_accuracy" in text


def test_other_outputs_have_one_line_per_epoch(points):
    lines = show(points, terminal=False).splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    assert [word.split()[0] for word in lines[0].split("  ")[1:]] == ["loss", "accuracy", "val_loss", "val_accuracy"]


def test_watched_layers_are_below_the_bar(points):
    assert "hidden_1" not in show(points, terminal=True)
    text = show(points, terminal=True, watch=True)
    assert "gradient of its bias" in text
    assert "hidden_1" in text


def test_in_other_outputs_watched_layers_follow_the_line_of_the_epoch(points):
    lines = show(points, terminal=False, watch=True).splitlines()
    assert len(lines) == 4
    assert lines[3].split("  ")[1:3] == ["gradient of the bias (RMS)", lines[3].split("  ")[2]]
    assert lines[3].split("  ")[2].startswith("hidden_1 ")
