import io
import json
import time

from rich.console import Console

from zoo.tuning.progress import TrialTable

VALUES = {"width": 30, "learning_rate": 0.00123456, "tuner/epochs": 3}


def write(project, number, **content):
    folder = project / f"trial_{number:02d}"
    folder.mkdir(exist_ok=True)
    begun = {"trial": f"{number:02d}", "values": VALUES, "worker": "", "began": time.time()}
    ended = {"epochs": 3, "seconds": 2.0, **content} if content else {}
    (folder / ("result.json" if content else "begun.json")).write_text(json.dumps({**begun, **ended}))


def table(project, terminal=True, **options):
    console = Console(record=True, force_terminal=terminal, width=150, file=io.StringIO())
    return TrialTable(project, ("val_accuracy", "max"), 20, console=console, **options), console


def test_the_table_has_the_best_the_running_and_the_failed_trial(tmp_path):
    live, console = table(tmp_path)
    with live:
        write(tmp_path, 0, status="finished", objective=0.9)
        write(tmp_path, 1, status="finished", objective=0.95)
        write(tmp_path, 2, status="failed", error="MemoryError: no room")
        write(tmp_path, 3)
        live.update()
        live.update_epoch(2, 3)
        console.print(live.render())
    text = console.export_text()
    assert "01 *" in text
    assert "MemoryError: no room" in text
    assert "epoch 2/3" in text
    assert "0.00123" in text
    assert "tuner/" not in text
    assert "3 of 20 trials, best val_accuracy 0.9500 (trial 1), about" in text


def test_a_long_search_shows_the_best_and_the_last(tmp_path):
    for number in range(20):
        write(tmp_path, number, status="finished", objective=1 - number / 100)
    live, console = table(tmp_path)
    with live:
        console.print(live.render())
    lines = console.export_text()
    shown = [number for number in range(20) if f"\n{number:02d}" in lines]
    assert shown == [0, 1, 2, 3, *range(12, 20)]


def test_in_a_log_a_trial_is_one_line(tmp_path):
    write(tmp_path, 0, status="finished", objective=0.9)  # of an earlier call
    live, console = table(tmp_path, terminal=False)
    with live:
        write(tmp_path, 1, status="pruned", objective=0.8, note="worse")
        live.update()
        live.update()
    lines = console.export_text().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("trial 1: pruned, val_accuracy 0.8000, 2.0 s  width=30  learning_rate=0.00123")


def test_nothing_is_shown_with_shown_false(tmp_path):
    live, console = table(tmp_path, shown=False)
    with live:
        write(tmp_path, 1, status="finished", objective=0.8)
        live.update()
    assert console.export_text() == ""
