"""The arrows of the house run one way, and the door opens quickly."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# From the ground up; a room may import those on its own floor and below. README's picture is made of this table.
FLOORS = [
    {"zoo": "", "zoo.errors": "", "zoo.utils": ""},
    {"zoo.datasets": ""},
    {
        "zoo.activations": "",
        "zoo.initializers": "",
        "zoo.losses": "",
        "zoo.metrics": "",
        "zoo.layers": "",
        "zoo.optimizers": "",
        "zoo.recipes": "",
    },
    {"zoo.models": ""},
    {"zoo.saving": ""},
    {"zoo.telemetry": "", "zoo.pretraining": "", "zoo.exporting": ""},
    {"zoo.distribution": ""},
    {"zoo.loop": ""},
    {"zoo.runs": ""},
    {"zoo.training": ""},
    {"zoo.ensembles": "", "zoo.evaluation": "", "zoo.models.weights.making": ""},
    {"zoo.experiments": "", "zoo.reproduction": "", "zoo.tuning": ""},
    {"zoo.cli": ""},
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


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
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
    assert ast.get_docstring(ast.parse(path.read_text()))


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
