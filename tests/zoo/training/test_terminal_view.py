import io

import pandas as pd
from rich.console import Console

from zoo.training.terminal_view import BAR, layer_line, layer_table


def records(*rows):
    """Returns records of three layers, with one tuple of sizes per epoch."""
    return pd.DataFrame(
        [
            {
                "epoch": epoch,
                "step": 10 * epoch,
                "layer": layer,
                "variable": "bias",
                "l2": 1.0,
                "mean_abs": 1.0,
                "rms": size,
            }
            for epoch, sizes in enumerate(rows, start=1)
            for layer, size in zip(("hidden_1", "hidden_2", "output"), sizes, strict=True)
        ]
    )


def draw(frame, **options):
    text = io.StringIO()
    Console(file=text, width=120).print(layer_table(frame, **options))
    return text.getvalue().splitlines()


def test_the_length_of_a_bar_is_the_power_of_ten():
    lines = draw(records((1e-4, 1e-2, 1.0)))
    assert "1e-4 to 1e0" in lines[0]
    assert [line.count("█") - line.rstrip()[-1:].count("█") for line in lines[1:]] == [1, BAR // 2, BAR]


def test_each_layer_has_its_history():
    lines = draw(records((1e-3, 0.1, 1.0), (1e-1, 0.1, 1.0)))
    assert lines[1].rstrip().endswith("▁▆")
    assert lines[2].rstrip().endswith("▆▆")


def test_colors_show_the_ratio_to_the_last_layer():
    table = layer_table(records((1e-5, 1e-3, 1.0)))
    assert [text.style for text in table.columns[2]._cells] == ["red", "yellow", "green"]


def test_zero_and_invalid_gradients_are_shown():
    lines = draw(records((0.0, float("nan"), 1.0), (0.0, float("inf"), 1.0)))
    assert lines[1].split()[:2] == ["hidden_1", "0"]
    assert lines[2].split()[:2] == ["hidden_2", "inf"]
    assert len(draw(records((0.0, 0.0, 0.0)))) == 4


def test_a_terminal_without_block_characters_has_ascii():
    assert all(line.isascii() for line in draw(records((1e-3, 0.1, 1.0)), ascii_only=True))


def test_other_outputs_have_a_line():
    assert layer_line(records((1, 1, 1), (1e-3, 0.1, 1.0))) == (
        "gradient of the bias (RMS)  hidden_1 0.001  hidden_2 0.1  output 1"
    )
