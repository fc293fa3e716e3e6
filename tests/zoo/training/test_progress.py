import io

from rich.console import Console

import zoo
from zoo.training.progress import ProgressBar


def shown(points, *, terminal):
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=120, legacy_windows=False)
    model = zoo.create("shallow_mlp", input_shape=(2,), classes=2)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    with ProgressBar(epochs=2, steps_per_epoch=4, console=console) as bar:
        model.fit(*points, batch_size=16, epochs=2, verbose=0, callbacks=[bar], validation_split=0.25)
    return text.getvalue()


def test_a_terminal_has_a_bar_with_the_steps_done_and_the_time_left(points):
    text = shown(points, terminal=True)
    assert "epoch 2/2" in text
    assert "8/8" in text
    assert "left" in text
    assert "val_accuracy" in text


def test_elsewhere_there_is_a_line_an_epoch(points):
    lines = shown(points, terminal=False).splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    assert [word.split()[0] for word in lines[0].split("  ")[1:]] == ["loss", "accuracy", "val_loss", "val_accuracy"]
