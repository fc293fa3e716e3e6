"""Imports point one way, files and functions stay short, and `import zoo` is fast."""

import ast
import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# From the ground up; a room may import from its own floor and below. The picture in README.md is made of this table:
# `python tests/test_architecture.py` writes it.
FLOORS = [
    {
        "zoo": "the public names, imported on first use",
        "zoo.errors": "what every error and its message has in common",
        "zoo.utils": "legal values, records, complete files, figures; keras_private: names that Keras keeps private",
    },
    {"zoo.datasets": "what goes in, as arrays; knows nothing of models"},
    {
        "zoo.activations": "scaled tanh",
        "zoo.initializers": "the initial weights of the papers",
        "zoo.losses": "losses that Keras does not have",
        "zoo.metrics": "metrics that Keras does not have",
        "zoo.layers": "one layer per file",
        "zoo.optimizers": "stochastic diagonal Levenberg-Marquardt, SGD with scheduled momentum",
        "zoo.recipes": "a training as data; objectives: what a loss means",
    },
    {"zoo.models": "create(), list_models(); one family per file, with its recipes and search spaces; weights"},
    {"zoo.saving": "model files, opened safely"},
    {
        "zoo.telemetry": "GradientRecorder, GradientProbe: when, where and what to record; figures",
        "zoo.pretraining": "greedy layer-wise pre-training, without labels",
        "zoo.exporting": "SavedModel, ONNX and LiteRT, each verified in another process",
    },
    {"zoo.distribution": "devices, workers, child processes"},
    {"zoo.loop": "fit() for any Keras model: many steps per compiled call; checkpoints"},
    {"zoo.runs": "run folders: what was trained, how, and with what result; open_run()"},
    {"zoo.training": "train(), resume(), probe(): training by name"},
    {
        "zoo.ensembles": "several networks trained at once and averaged",
        "zoo.prediction": "predict(): names and probabilities for pictures and arrays of one's own",
        "zoo.evaluation": "intervals, confusion matrix and calibration of a trained model",
    },
    {
        "zoo.experiments": "one question of the lecture each: tables and figures",
        "zoo.reproduction": "published results beside ours, row by row; pre-trained weights from finished runs",
        "zoo.tuning": "search(): spaces, KerasTuner's algorithms, workers, results",
    },
    {"zoo.commands": "the `zoo` command, one file per group of commands", "zoo.cli": "its entry point"},
]
FORBIDDEN = {"zoo.models": {"zoo.datasets"}, "zoo.layers": {"zoo.datasets"}}
SOURCES = sorted(path for package in ("zoo", "datasets", "tuning") for path in (ROOT / package).rglob("*.py"))


def module_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts if parts[0] == "zoo" else ("zoo", *parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module):
    rooms = set().union(*FLOORS)
    parts = module.split(".")
    return next((room for n in range(len(parts), 0, -1) if (room := ".".join(parts[:n])) in rooms), None)


def floor_of(room):
    return next(number for number, floor in enumerate(FLOORS) if room in floor)


@functools.cache
def parse(path):
    return ast.parse(path.read_text())


def imports_of(path):
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} has a relative import"
            # `from zoo import telemetry` names a room as much as `import zoo.telemetry` does.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_a_module_imports_only_what_lies_below_it(path):
    room = room_of(module_of(path))
    if module_of(path) == "zoo":
        return  # the front door names what it opens to, lazily
    for module in imports_of(path):
        below = room_of(module)
        if below and below != "zoo":
            assert floor_of(below) <= floor_of(room), f"{module_of(path)} imports {module}"
            assert below not in FORBIDDEN.get(room, ()), f"{module_of(path)} imports {module}"


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_every_module_belongs_to_a_room(path):
    assert room_of(module_of(path)) != "zoo" or module_of(path) == "zoo"


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_a_module_says_what_it_is_for(path):
    assert ast.get_docstring(parse(path))


@pytest.mark.parametrize("path", [p for p in SOURCES if module_of(p).startswith("zoo.models")], ids=module_of)
def test_models_do_not_use_tensorflow_itself(path):
    assert not [module for module in imports_of(path) if module.split(".")[0] == "tensorflow"]


@pytest.mark.parametrize(
    "statement",
    [
        "import zoo; zoo.list_models(); zoo.card('deep_mlp').options",
        "from zoo import datasets; datasets.names()",
        "import zoo.cli",
        "import zoo.training",
        "from zoo import tuning; tuning.space('deep_mlp')",
    ],
)
def test_tensorflow_is_not_imported_before_it_is_needed(statement):
    program = f"import sys; {statement}; print([m for m in ('tensorflow', 'keras', 'sklearn') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def cycles_of(graph):
    """Returns the sets of files that import each other, directly or through others, as sorted lists."""

    @functools.cache
    def reachable(start):
        seen, queue = set(), [start]
        while queue:
            for module in graph[queue.pop()] - seen:
                seen.add(module)
                queue.append(module)
        return seen

    cycles = {frozenset(other for other in reachable(m) if m in reachable(other)) for m in graph if m in reachable(m)}
    return sorted(sorted(cycle) for cycle in cycles)


def test_a_cycle_of_imports_is_seen():
    assert cycles_of({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"d", "a"}}) == [["b", "c"], ["d"]]


def test_no_files_import_each_other_in_a_cycle():
    # Imports inside functions count; a package's __init__ only hands names on.
    modules = {module_of(path): path for path in SOURCES if path.name != "__init__.py"}

    def imported_by(path):
        names = list(imports_of(path))
        return {*names, *(name.rpartition(".")[0] for name in names)} & set(modules)

    assert not cycles_of({module: imported_by(path) - {module} for module, path in modules.items()})


def test_no_file_has_more_than_300_lines():
    assert not {module_of(path) for path in SOURCES if len(path.read_text().splitlines()) > 300}


def length_of(function):
    """Returns the lines of a function after the first one, without its docstring."""
    docstring = function.body[0] if ast.get_docstring(function) is not None else None
    lines = docstring.end_lineno - docstring.lineno + 1 if docstring else 0
    return function.end_lineno - function.lineno - lines


def test_no_function_has_more_than_60_lines_without_its_docstring():
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    functions = [(path, node) for path in SOURCES for node in ast.walk(parse(path)) if isinstance(node, kinds)]
    assert not [f"{module_of(path)}.{node.name}" for path, node in functions if length_of(node) > 60]


def test_zoo_has_at_most_eight_files_beside_its_packages():
    assert len([path for path in (ROOT / "zoo").glob("*.py") if path.name != "__init__.py"]) <= 8


PRIVATE = ROOT / "zoo" / "utils" / "keras_private.py"
PRIVATE_MODULES = ("keras.src", "keras_tuner.src", "tensorflow.python", "tensorflow.compiler", "tensorflow.core")
PUBLIC = {"_asdict", "_replace", "_fields", "_make", "_exit"}  # of named tuples; os._exit


def private_names_of(tree):
    """Returns the names with one underscore that a file uses, as attributes or strings, and those that it defines."""
    nodes = list(ast.walk(tree))
    attributes = [node for node in nodes if isinstance(node, ast.Attribute)]
    strings = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    fields = {node.target.id for node in nodes if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)}
    defined = {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.ClassDef))} | fields
    assigned = {node.attr for node in attributes if isinstance(node.ctx, ast.Store)}
    used = {name for name in {node.attr for node in attributes} | strings if re.fullmatch(r"_[a-z]\w*", name)}
    return used - PUBLIC, used & strings, defined, assigned


USED_THERE, _, DEFINED_THERE, _ = private_names_of(parse(PRIVATE))
PRIVATE_NAMES = USED_THERE - DEFINED_THERE


def private_uses(tree, modules=()):
    """Returns the private names of Keras, TensorFlow and KerasTuner in a file.

    They are imports from private modules; the names in `keras_private.py`, written in any way; and attributes with
    an underscore that the file neither defines nor sets.
    """
    used, strings, defined, assigned = private_names_of(tree)
    found = (used & PRIVATE_NAMES) | (used - strings - defined - assigned)
    return sorted(found | {module for module in modules if module.startswith(PRIVATE_MODULES)})


@pytest.mark.parametrize(
    ("program", "use"),
    [
        ("model._symbolic_build(data_batch=batch)", "_symbolic_build"),
        ("self._flatten_layers()", "_flatten_layers"),
        ("CLIP = '_clip_gradients'", "_clip_gradients"),
        ("class Oracle:\n    def draw(self):\n        self._random_state = 1", "_random_state"),
        ("tf.function(f, experimental_attributes={'_noinline': True})", "_noinline"),
        ("model.optimizer._variables", "_variables"),
    ],
)
def test_a_private_name_is_seen(program, use):
    assert private_uses(ast.parse(program)) == [use]


def test_a_class_s_own_private_names_are_no_use_of_others():
    program = "class A:\n    _c: int\n    def _f(self, x):\n        self._b = x._asdict()\n        self._f(self._c)"
    assert private_uses(ast.parse(program), ["keras.layers"]) == []
    assert private_uses(ast.parse(program), ["keras.src.layers"]) == ["keras.src.layers"]


@pytest.mark.parametrize("path", [path for path in SOURCES if path != PRIVATE], ids=module_of)
def test_private_names_of_keras_are_in_one_file(path):
    assert private_uses(parse(path), imports_of(path)) == []


def picture_of(floors):
    """Returns the rooms as lines of text, from the top floor down."""
    width = max(len(room) for floor in floors for room in floor)
    lines = []
    for number, floor in reversed(list(enumerate(floors))):
        for index, (room, description) in enumerate(floor.items()):
            lines.append(f"{'' if index else number:>2}  {room:<{width}}  {description}")
    return "\n".join(lines)


README = ROOT / "README.md"
BLOCK = re.compile(r"(?<=<!-- python tests/test_architecture.py -->\n```text\n).*?(?=\n```)", re.DOTALL)


def test_a_picture_shows_the_rooms_from_the_top_floor_down():
    floors = [{"a": "ground", "b": "beside it"}, {"attic": "top"}]
    assert picture_of(floors).split("\n") == [" 1  attic  top", " 0  a      ground", "    b      beside it"]


def test_readme_has_the_picture_of_the_house():
    assert BLOCK.findall(README.read_text(encoding="utf-8")) == [picture_of(FLOORS)]


def test_every_room_has_a_description():
    assert all(description for floor in FLOORS for description in floor.values())


if __name__ == "__main__":
    README.write_text(BLOCK.sub(lambda _: picture_of(FLOORS), README.read_text(encoding="utf-8")), encoding="utf-8")
