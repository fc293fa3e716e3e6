"""Installed, everything lies under `zoo`; in a checkout `datasets` and `tuning` name the same modules."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NEEDED = ("pyproject.toml", "README.md", "LICENSE", "zoo", "datasets", "tuning")


def run(program, folder, *paths):
    """Runs a program in a folder, with `paths` before everything else that is installed; returns what it prints."""
    program = f"import sys; sys.path[:0] = {[str(path) for path in paths]}; {program}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("first", ["short", "long"])
@pytest.mark.parametrize("package", ["datasets", "tuning"])
def test_in_a_checkout_both_names_give_the_same_modules(package, first):
    name, module = {"datasets": ("Dataset", "dataset"), "tuning": ("Space", "spaces")}[package]
    short, long = f"{package}.{module}", f"zoo.{package}.{module}"
    imports = [short, long] if first == "short" else [long, short]
    program = f"""
import {imports[0]}, {imports[1]}
import {short} as a, {long} as b
assert a is b and a.__name__ == a.__spec__.name == '{long}'
import {package}, zoo.{package}
assert {package} is zoo.{package}
from {package} import {name} as A
from zoo.{package} import {name} as B
assert A is B is a.{name}
print(A.__module__)"""
    assert run(f"exec({program!r})", ROOT, ROOT) == long


def test_in_a_checkout_datasets_loads():
    assert run("from datasets import load; print(len(load('digits').train))", ROOT, ROOT) == "1294"


def test_imported_by_its_own_name_a_package_leaves_the_import_system_alone():
    program = "n = len(sys.meta_path); import zoo.datasets, zoo.tuning.spaces; print(len(sys.meta_path) - n)"
    program += "; print([name for name in ('datasets', 'tuning') if name in sys.modules])"
    assert run(program, ROOT, ROOT).split("\n") == ["0", "[]"]


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A copy of what a build needs: a build leaves files beside the sources."""
    folder = tmp_path_factory.mktemp("sources")
    unwanted = shutil.ignore_patterns("__pycache__")
    for name in NEEDED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=unwanted)
        else:
            shutil.copy(ROOT / name, folder)
    return folder


def pip(*arguments, folder):
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(sources, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", folder, sources, folder=folder)
    return next(folder.glob("*.whl"))


def test_the_wheel_has_everything_under_zoo(wheel):
    files = zipfile.ZipFile(wheel).namelist()
    tops = {file.split("/")[0] for file in files}
    assert tops == {"zoo", next(top for top in tops if top.endswith(".dist-info"))}
    packed = {file for file in files if file.startswith("zoo/")}
    checkout = {path.relative_to(ROOT).as_posix() for path in (ROOT / "zoo").rglob("*.py")}
    for package in ("datasets", "tuning"):
        checkout |= {f"zoo/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / package).rglob("*.py")}
    assert {file for file in packed if file.endswith(".py")} == checkout
    assert {"zoo/runs/run.py", "zoo/datasets/mnist.py", "zoo/tuning/searching.py"} <= packed
    assert {"zoo/py.typed", "zoo/telemetry/README.md", "zoo/reproduction/results.csv"} <= packed
    assert {f"zoo/{path.relative_to(ROOT / 'zoo').as_posix()}" for path in (ROOT / "zoo").rglob("*.pyi")} <= packed
    weights = {path.name for path in (ROOT / "zoo/models/weights").iterdir() if path.suffix in (".npz", ".json")}
    assert weights
    assert {f"zoo/models/weights/{name}" for name in weights} <= packed
    assert not [file for file in files if "test" in file]


def test_the_wheel_lies_beside_another_package_called_datasets(wheel, tmp_path):
    other = tmp_path / "datasets"
    other.mkdir()
    (other / "__init__.py").write_text("NAME = 'another package'\n")
    pip("install", "--no-deps", "--no-index", "--target", tmp_path, wheel, folder=tmp_path)
    assert [path.name for path in other.iterdir()] == ["__init__.py"]
    program = "import datasets, zoo.datasets, zoo; print(datasets.NAME, len(zoo.datasets.load('digits').train))"
    program += "; print(zoo.__file__); print(datasets.__file__)"
    printed, *files = run(program, tmp_path, tmp_path).split("\n")
    assert printed == "another package 1294"
    assert all(Path(file).is_relative_to(tmp_path) for file in files)
    # What uninstalling removes is what the wheel's record lists.
    record = next(tmp_path.glob("*.dist-info/RECORD")).read_text().splitlines()
    for line in record:
        (tmp_path / line.split(",")[0]).unlink(missing_ok=True)
    shutil.rmtree(tmp_path / "zoo", ignore_errors=True)
    assert run("import datasets; print(datasets.NAME)", tmp_path, tmp_path) == "another package"


def test_the_sdist_has_what_a_build_needs(sources, wheel, tmp_path):
    # After the wheel: both builds write into the sources.
    program = f"from setuptools.build_meta import build_sdist; build_sdist({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=sources)
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        archive.extractall(tmp_path, filter="data")
    unpacked = next(path for path in tmp_path.iterdir() if path.is_dir())
    pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", tmp_path, unpacked, folder=tmp_path)
    again = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    assert sorted(again) == sorted(zipfile.ZipFile(wheel).namelist())
