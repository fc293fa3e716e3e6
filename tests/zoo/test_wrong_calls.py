"""Wrong calls of the command line are told in one sentence before TensorFlow is imported."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from zoo import cli

ROOT = Path(__file__).parents[2]

# Runs every call with TensorFlow out of reach, in a folder with a file, a folder that is not a run, and a damaged run.
PROGRAM = """
import contextlib, io, json, os, sys

class Unreachable:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("keras", "keras_tuner", "tensorflow"):
            raise RuntimeError(f"{name} is imported")

sys.meta_path.insert(0, Unreachable())
from zoo import cli
os.makedirs("folder/sub")
os.makedirs("damaged")
open("file", "w").close()
open("damaged/config.json", "w").write("{}")
calls, results = json.load(sys.stdin), []
for call in calls:
    sys.argv, code, errors = ["zoo", *call.split()], None, io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            cli.main()
    except SystemExit as end:
        code = end.code
    except BaseException as error:
        errors.write(f"{type(error).__name__}: {error}")
    results.append((code, errors.getvalue()))
files = sorted(os.listdir(".")), os.listdir("folder")
with open("results", "w") as file:
    json.dump([results, *files], file)
"""

CALLS = {
    "show deep_mpl": 'Unknown model "deep_mpl". Did you mean "deep_mlp"?',
    "show deep_mlp --set depth=3": "--set must come with --layers",
    "show deep_mlp --layers --set dept=3": 'Unknown option "dept" of deep_mlp. Did you mean "depth"?',
    "show deep_mlp --layers --set depth=0": "depth must be an integer >= 1; got 0.",
    "show deep_mlp --layers --set depth": "--set takes OPTION=VALUE, as in --set depth=4; got 'depth'.",
    "show lenet5 --layers --set classes=11": "classes must be at most 10, the number of bitmaps; got 11.",
    "show lenet5_relu --layers --set input_shape=9,9,1": "must have 28x28 or 32x32 pixels; got 9x9.",
    "show nielsen_cnn --layers --set maps=1,1,1,1": "maps must have at most 2 values, one per convolution; got",
    "show mcdnn_column --layers --set input_shape=9,9,3": "input_shape must be (rows, columns, 1)",
    "show depth_cnn --layers --set parameters=5": "parameters must be at least",
    "datasets minst": 'Unknown data set "minst". Did you mean "mnist"?',
    "train": "zoo train needs a model name",
    "train deep_mpl": 'Did you mean "deep_mlp"?',
    "train deep_mlp --dataset minst": 'Did you mean "mnist"?',
    "train deep_mlp --epochs 0": "epochs must be an integer >= 1; got 0.",
    "train deep_mlp --batch-size 0": "batch_size must be an integer >= 1; got 0.",
    "train deep_mlp --learning-rate nan": "learning_rate must be a number > 0; got nan.",
    "train deep_mlp --recipe nielson": 'Did you mean "nielsen"?',
    "train deep_mlp --set dept=3": 'Did you mean "depth"?',
    "train deep_mlp --set batch_size=8": "use --batch-size 8.",
    "train deep_mlp --seed -1": "seed must be an integer from 0 to 4294967295; got -1.",
    "train deep_mlp --dataset folder/": "folder must have one subfolder of pictures per class; it has none.",
    "train deep_mlp --dataset file": "A data set must be a folder of pictures or of IDX files",
    "train deep_mlp --dataset ./none": "No such data set: none.",
    "train deep_mlp --size 8": "size is a setting of your own data; got it for digits.",
    "train deep_mlp --target a": "target is a setting of your own data; got it for digits.",
    "train deep_mlp --group a": "group is a setting of your own data; got it for digits.",
    "train deep_mlp --levels 8": "levels is a setting of your own data; got it for digits.",
    "train deep_mlp --split 0.5,0.5": "--split must be three shares that add up to 1, as in 0.8,0.1,0.1; got 0.5,0.5.",
    "train deep_mlp --freeze": "freeze must be False without weights",
    "train deep_mlp --weights minst": 'Unknown weights "minst" of deep_mlp. Did you mean "mnist"?',
    "train lenet5_relu --weights mnist": "input_shape must be (8, 8, 1) for the data set digits; got (28, 28, 1).",
    "train deep_mlp --patience 0": "patience must be an integer >= 1 or None; got 0.",
    "train autoencoder --balance": "class_weight must be None for the recipe modern",
    "train deep_mlp --labels 9": "labels must be from 10, one per class, to 1294; got 9.",
    "train dbn --pretraining-epochs 0": "epochs must be an integer >= 1; got 0.",
    "train deep_mlp --pretraining-epochs 1": "pretraining_epochs must be None",
    "train deep_mlp --record nope": "record must be one of 'activations', 'histograms', 'tensorboard'; got 'nope'.",
    "train deep_mlp --checkpoint-every 0": "checkpoint_every must be an integer >= 1 or None; got 0.",
    "train deep_mlp --strategy nope": "strategy must be one of 'auto', 'none', 'mirrored', 'multiworker'; got 'nope'.",
    "train deep_mlp --strategy multiworker": "multiworker needs TF_CONFIG",
    "train deep_mlp --run-dir folder": "The run folder folder exists already",
    "train deep_mlp --run-dir file/run": "file is not a folder.",
    "train deep_mlp --workers 2 --run-dir folder": "The run folder folder exists already",
    "train lenet5": "must have 28x28 or 32x32 pixels; got 8x8.",
    "train rbm --set visible=gaussian --set labels=3": "labels must be 0 with visible='gaussian'; got 3.",
    "train --resume folder": "There is no run in folder",
    "train --resume damaged": "'model' is missing",
    "train --resume damaged --seed 3": "leave out --seed.",
    "train --from-search folder": "There is no search in folder",
    "train --trial 3": "--trial must come with --from-search",
    "tune": "zoo tune needs a model name",
    "tune deep_mpl": 'Did you mean "deep_mlp"?',
    "tune deep_mlp --dataset minst": 'Did you mean "mnist"?',
    "tune deep_mlp --algorithm nope": "algorithm must be one of",
    "tune deep_mlp --max-trials 0": "max_trials must be an integer >= 1 or None; got 0.",
    "tune deep_mlp --objective nope": "Cannot infer the direction of nope",
    "tune deep_mlp --epochs 0": "epochs must be an integer >= 1 or None; got 0.",
    "tune deep_mlp --recipe nope": 'Unknown recipe "nope" of deep_mlp.',
    "tune deep_mlp --set depth=0": "depth must be an integer >= 1; got 0.",
    "tune deep_mlp --range depth=3:1": "low must be below high",
    "tune deep_mlp --choice activation=nope": "activation must be one of",
    "tune deep_mlp --without nope": 'Unknown parameter "nope"',
    "tune deep_mlp --seed -1": "seed must be an integer from 0 to 4294967295; got -1.",
    "tune deep_mlp --vanishing -1": "vanishing must be a number > 0 or None; got -1.0.",
    "tune --resume folder": "There is no search in folder",
    "probe nope": 'Unknown model, run or file "nope".',
    "probe file": "not a complete .keras archive",
    "probe lenet5 --dataset minst": 'Did you mean "mnist"?',
    "probe lenet5 --examples 0": "examples must be an integer >= 1; got 0.",
    "evaluate lenet6": 'Did you mean "lenet5"?',
    "evaluate damaged": "its config.json has no model and recipe.",
    "evaluate lenet5 --dataset minst": 'Did you mean "mnist"?',
    "evaluate lenet5 --weights minst": 'Did you mean "mnist"?',
    "evaluate lenet5 --run-dir folder": "The run folder folder exists already",
    "predict lenet5 none.png": "No such picture: none.png.",
    "predict lenet5 folder": "folder has no pictures",
    "predict lenet6 file": 'Did you mean "lenet5"?',
    "predict lenet5 file --weights minst": 'Did you mean "mnist"?',
    "predict lenet5 file --csv file": "file exists already; name another file.",
    "predict lenet5 file --show file": "file exists already; name another file.",
    "export nope out": 'Unknown model, run or file "nope".',
    "export lenet5 file/out": "file is not a folder.",
    "export lenet5 out --format onix": "format must be one of 'saved_model', 'onnx', 'litert'; got 'onix'.",
    "export lenet5 out --dataset minst": 'Did you mean "mnist"?',
    "export lenet5 out --dataset nowhere/mine": "No such data set: nowhere/mine.",
    "export lenet5 out --weights minst": 'Did you mean "mnist"?',
    "reproduce nielsen-9": 'Did you mean "nielsen-',
    "reproduce nielsen-2 --results folder": "There is no table of results folder.",
    "experiment nope": 'Unknown experiment "nope".',
    "experiment depth --dataset minst": 'Did you mean "mnist"?',
    "experiment depth --set seeds": "--set takes OPTION=VALUE, as in --set depth=4; got 'seeds'.",
    "experiment depth --run-dir folder": "The run folder folder exists already",
}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Exit code and errors of each call."""
    folder = tmp_path_factory.mktemp("calls")
    program = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{PROGRAM}"]
    subprocess.run(program, input=json.dumps(list(CALLS)), text=True, check=True, cwd=folder, capture_output=True)
    ends, files, inside = json.loads((folder / "results").read_text())
    return dict(zip(CALLS, ends, strict=True)), files, inside


@pytest.mark.parametrize("call", CALLS)
def test_a_wrong_call_is_told_before_tensorflow_is_imported(results, call):
    code, errors = results[0][call]
    assert CALLS[call] in errors
    assert errors.startswith("zoo: ")
    assert errors.count("\n") == 1
    assert code in (1, 2)


def test_wrong_calls_leave_no_files(results):
    assert results[1:] == (["damaged", "file", "folder"], ["sub"])


def test_every_option_has_a_wrong_call():
    missing = set()
    for name, command in typer.main.get_command(cli.app).commands.items():
        calls = [call for call in CALLS if call.split()[0] == name]
        for parameter in command.params:
            option = parameter.opts[0]
            if option.startswith("--") and not parameter.is_flag and not any(option in call for call in calls):
                missing.add(f"{name} {option}")
    # Typer itself checks the first two; the third may be any folder.
    assert missing == {"tune --executions", "tune --workers", "tune --project-dir"}
