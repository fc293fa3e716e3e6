import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import zoo
from zoo import cli, datasets, experiments, reproduction
from zoo.models import weights as presets

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs the command line as its user does; returns exit code, output and errors."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["zoo", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        captured = capsys.readouterr()
        return end.value.code, captured.out, captured.err

    return run


def test_list_has_every_model_and_its_recipes(run):
    code, out, _ = run("list")
    assert code == 0
    for name in zoo.list_models():
        assert name in out
    assert "nielsen" in out


def test_list_takes_a_pattern(run):
    assert "shallow_mlp" not in run("list", "deep*")[1]
    assert 'No model matches "lstm*"' in run("list", "lstm*")[1]


def test_show_has_every_option_and_recipe(run):
    code, out, _ = run("show", "dropout_mlp")
    assert code == 0
    for word in (*zoo.card("dropout_mlp").options, "modern", "adam", "0.001"):
        assert word in out


def test_datasets_lists_and_shows(run):
    code, out, _ = run("datasets")
    assert code == 0
    assert "semeion" in out
    code, out, _ = run("datasets", "digits")
    assert code == 0
    assert "1294" in out
    assert "CC BY 4.0" in out


def test_train_leaves_a_run_and_prints_its_accuracy_and_gradients(run, tmp_path):
    code, out, err = run(
        "train", "deep_mlp", "--dataset", "moons", "--epochs", 3, "--set", "depth=2", "--set", "activation=tanh",
        "--batch-size", 16, "--learning-rate", 0.01, "--seed", 0, "--run-dir", tmp_path / "run",
    )  # fmt: skip
    assert code == 0
    assert "test accuracy" in out
    assert all(layer in out for layer in ("hidden_1", "hidden_2", "output"))
    assert "hidden_3" not in out
    assert "epoch 3/3" in err
    assert (tmp_path / "run" / "gradients.csv").exists()


def test_show_layers_fits_into_80_columns(run):
    code, out, _ = run("show", "depth_cnn", "--layers")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert "conv_3         Conv2D        9x37x11       3,036     3,036   1,010,988 24x24" in out


@pytest.mark.parametrize(
    "arguments",
    [
        *(["list"], ["list", "--weights"], ["datasets"], ["reproduce"], ["experiment"]),
        *(["show", name] for name in zoo.list_models()),
    ],
    ids=" ".join,
)
def test_no_table_breaks_a_word_at_80_columns(run, arguments):
    _, out, _ = run(*arguments)
    words = set(out.split())
    commands = [card.command for card in presets.list_weights()]
    assert max(len(line) for line in out.splitlines() if not any(each in line for each in commands)) <= 80
    if arguments[-1] == "--weights":
        assert set(commands) <= set(out.splitlines())
    elif arguments[0] == "show":
        card = zoo.card(arguments[1])
        assert words >= {*card.options, *(recipe.loss for recipe in card.recipes)}
        assert {f"trained by: {card.command}" for card in presets.list_weights(arguments[1])} <= set(out.splitlines())
    elif arguments[0] == "reproduce":
        assert words >= set(reproduction.read()[["row", "model", "recipe"]].to_numpy().ravel())
    else:
        names = {"list": zoo.list_models, "datasets": datasets.names, "experiment": experiments.names}[arguments[0]]
        assert words >= set(names())


def test_a_row_that_is_asked_for_has_its_figure_by_seed(run, tmp_path, monkeypatch):
    monkeypatch.setattr(reproduction, "reproduce", lambda row, **how: reproduction.read())
    out = run("reproduce", "nielsen-2")[1]
    assert set(reproduction.read().set_index("row")["ours_by_seed"]["nielsen-2"].split()) <= set(out.split())


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of a net that is soon trained."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    zoo.train("shallow_mlp", "moons", options={"hidden": 5}, epochs=2, run_dir=folder, progress=False)
    return folder


def test_evaluate_prints_accuracy_with_its_interval_and_leaves_a_folder(run, trained, tmp_path):
    code, out, _ = run("evaluate", trained, "--run-dir", tmp_path / "evaluation")
    assert code == 0
    accuracy = json.loads((tmp_path / "evaluation" / "evaluation.json").read_text())["metrics"]["accuracy"]
    assert accuracy["value"] == pytest.approx(json.loads((trained / "result.json").read_text())["test"]["accuracy"])
    told = "accuracy {value:.4f}, 95 % interval {low:.4f} to {high:.4f}, 200 examples".format(**accuracy)
    assert out.startswith(told)
    assert "confusion.png" in out
    assert run("evaluate", trained / "model.keras", "--run-dir", tmp_path / "file")[1].startswith(told)


def test_export_prints_how_far_each_signature_is_off(run, trained, tmp_path):
    code, out, _ = run("export", trained, tmp_path / "moons")
    assert code == 0
    assert "serve" in out
    assert f"exported to {tmp_path / 'moons' / '1'}" in out
    assert (tmp_path / "moons" / "1" / "saved_model.pb").exists()


def test_list_and_show_have_the_weights(run):
    code, out, _ = run("list", "*relu", "--weights")
    assert code == 0
    assert {"lenet5_relu", "mnist", "semeion", "61,706"} <= set(out.split())
    out = run("show", "lenet5_relu")[1]
    for card in presets.list_weights("lenet5_relu"):
        assert card.sha256[:30] in out
    assert "SHA-256" not in run("show", "nielsen_cnn")[1]


def test_reproduce_shows_the_table_and_rewrites_a_row(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = run("reproduce")
    assert code == 0
    assert all(name in out for name in reproduction.read()["row"])
    assert run("reproduce", "--markdown")[1].strip() == reproduction.markdown(reproduction.read())
    asked = []
    monkeypatch.setattr(reproduction, "reproduce", lambda row, **how: asked.append((row, how)) or reproduction.read())
    code, out, _ = run("reproduce", "nielsen-2", "--results", "mine.csv")
    assert code == 0
    assert asked == [("nielsen-2", {"results": Path("mine.csv")})]
    assert "nielsen-2" in out
    assert "nielsen-3" not in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "deep_mpl"], 'Unknown model "deep_mpl". Did you mean "deep_mlp"?'),
        (["datasets", "minst"], 'Unknown data set "minst". Did you mean "mnist"?'),
        (["train", "deep_mlp", "--dataset", "minst"], 'Did you mean "mnist"?'),
        (["train", "deep_mlp", "--recipe", "nielson"], 'Did you mean "nielsen"?'),
        (["train", "deep_mlp", "--set", "dept=3"], 'Did you mean "depth"?'),
        (
            ["train", "deep_mlp", "--set", "batch_size=8"],
            "of the training, not of deep_mlp; use --batch-size 8.",
        ),
        (["experiment", "--dataset", "digits"], "NAME must be one of depth, dropout"),
        (["train", "deep_mlp", "--set", "depth"], "--set takes OPTION=VALUE"),
        (["train", "deep_mlp", "--set", "depth=0"], "depth must be an integer >= 1; got 0."),
        (["train", "deep_mlp", "--set", "width=-1"], "width must be an integer >= 1; got -1."),
        (["train", "dropout_mlp", "--set", "keep_probability=0"], "> 0 and <= 1; got 0."),
        (["train", "dropout_mlp", "--set", "keep_probability=1.5"], "> 0 and <= 1; got 1.5."),
        (["train", "deep_mlp", "--set", "input_shape=4,4"], "input_shape must be (8, 8, 1) for the data set digits"),
        (["train", "deep_mlp", "--epochs", "0"], "epochs must be an integer >= 1; got 0."),
        (["train", "deep_mlp", "--run-dir", "."], "The run folder . exists already"),
        (["train", "lenet5", "--run-dir", "run"], "must have 28x28 or 32x32 pixels; got 8x8. Use resize=True"),
        (
            ["show", "lenet5", "--layers", "--set", "input_shape=32,32,3"],
            "lenet5: input_shape must be (rows, columns, 1), gray images",
        ),
        (
            ["show", "lenet5", "--layers", "--set", "classes=11"],
            "lenet5: classes must be at most 10, the number of bitmaps; got 11.",
        ),
        (["show", "depth_cnn", "--layers", "--set", "kernel_size=4"], ">= 1 and odd; got 4."),
        (["train", "deep_mlp", "--from-search", "."], "leave out the model name, deep_mlp"),
        (["train", "--from-search", ".", "--dataset", "xor"], "trains the model of the search; leave out --dataset."),
        (["train", "--from-search", "."], "There is no search in ."),
        (
            ["train", "--resume", ".", "--seed", "3", "--set", "depth=2"],
            "was configured; leave out --set and --seed.",
        ),
        (["train", "deep_mlp", "--trial", "3"], "--trial must come with --from-search"),
        (["tune", "deep_mpl"], 'Did you mean "deep_mlp"?'),
        (["tune", "deep_mlp", "--algorithm", "hyperbandit"], "Did you mean 'hyperband'?"),
        (["tune", "deep_mlp", "--range", "dept=1:3"], 'Did you mean "depth"?'),
        (["tune", "deep_mlp", "--resume", "."], "leave out the model name, deep_mlp"),
        (["tune", "--resume", "."], "There is no search in ."),
        (["tune"], "zoo tune needs a model name"),
        (["evaluate", "lenet6"], 'Did you mean "lenet5"?'),
        (["evaluate", "runs/none"], "There is no model file or run runs/none."),
        (["evaluate", "lenet5", "--dataset", "digits"], "takes inputs of shape (28, 28, 1); digits has (8, 8, 1)."),
        (
            ["export", "lenet5", "lenet5", "--dataset", "digits"],
            "takes inputs of shape (28, 28, 1); digits has (8, 8, 1).",
        ),
        (["export", "lenet5", "lenet5", "--weights", "minst"], 'Did you mean "mnist"?'),
        (["export", "lenet5", "lenet5", "--format", "onix"], "format must be one of 'saved_model', 'onnx', 'litert'"),
        (["reproduce", "nielsen-9", "--results", str(reproduction.TABLE)], 'Did you mean "nielsen-'),
    ],
)
def test_a_bad_call_is_one_sentence_and_exit_code_2(run, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*arguments)
    assert code == 2
    assert message in err
    assert err.startswith("zoo: ")
    assert err.count("\n") == 1
    assert out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_fails_ends_with_exit_code_1(run, tmp_path):
    code, _, err = run(
        "train", "deep_mlp", "--recipe", "nielsen", "--set", "activation=relu", "--learning-rate", "1e30",
        "--run-dir", tmp_path / "run",
    )  # fmt: skip
    assert code == 1
    assert "The gradient first broke at step" in err.splitlines()[-1]
    assert "Traceback" not in err


def test_data_that_cannot_be_had_end_with_exit_code_1(run, empty_machine):
    empty_machine.mkdir(parents=True)
    (empty_machine / "mnist.npz").write_bytes(b"rubbish")
    code, _, err = run("datasets", "mnist")
    assert code == 1
    assert str(empty_machine / "mnist.npz") in err


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.large
def test_ctrl_c_ends_tidily_with_exit_code_130(tmp_path):
    folder = tmp_path / "run"
    arguments = ["train", "deep_mlp", "--epochs", "100000", "--run-dir", str(folder)]
    process = subprocess.Popen(
        [sys.executable, "-c", "from zoo.cli import main; main()", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    deadline = time.monotonic() + 60
    while not (folder / "gradients.csv").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out.startswith("interrupted: ")
    assert "Traceback" not in err
    assert (folder / "model.keras").exists()


@pytest.mark.skipif(os.name != "posix", reason="processor time of a child as POSIX has it")
def test_help_and_list_answer_in_half_a_second():
    """Of processor time, the least of three: two processes that share a core slow each other down."""
    import resource

    def spent():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    def measure(arguments):
        before = spent()
        command = [sys.executable, "-c", "from zoo.cli import main; main()", *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
        return spent() - before

    for arguments in (["--help"], ["list"]):
        assert min(measure(arguments) for _ in range(3)) < 0.5


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["list"]])
def test_help_and_list_import_no_numerical_package(arguments):
    program = (
        "import atexit, sys\n"
        "from zoo.cli import main\n"
        "heavy = ('numpy', 'scipy', 'pandas', 'matplotlib', 'sklearn', 'keras', 'tensorflow')\n"
        "atexit.register(lambda: print([name for name in heavy if name in sys.modules], file=sys.stderr))\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], check=True, capture_output=True, text=True, cwd=ROOT
    )
    assert done.stderr.splitlines()[-1] == "[]"
