"""Links, figures and names of the documentation exist."""

import ast
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "zoo").rglob("*.md")])
SOURCES = [path for folder in ("zoo", "datasets", "tuning") for path in sorted((ROOT / folder).rglob("*.py"))]
PACKAGES = {
    **dict.fromkeys(("zoo", "keras", "keras_tuner"), ""),
    **{"datasets": "zoo.datasets", "tuning": "zoo.tuning", "tf": "tensorflow", "np": "numpy"},
}
DOTTED = re.compile(r"(?<!`)`([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+)(?:\([^`\n]*)?`(?!`)")
FILE = re.compile(r"\.(cff|csv|json|keras|md|npz|png|py|svg|toml|txt)$")
LINK = re.compile(r"\]\(([^)\s]+)\)")


def text_of(page):
    """Returns a page without its code."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def links_of(page):
    return [link for link in LINK.findall(text_of(page)) if "://" not in link]


def anchors_of(page):
    """Returns the anchors of a page's headings, as they are formed when Markdown is displayed."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files_and_headings(page):
    for link in links_of(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors_of(target), link


def test_every_page_is_linked_from_readme_and_every_figure_is_shown():
    linked = set(links_of(ROOT / "README.md"))
    assert {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} <= linked
    shown = {(page.parent / link).resolve() for page in PAGES for link in links_of(page)}
    figures = [*(ROOT / "docs").glob("*.png"), *(ROOT / "docs").glob("*.svg")]
    assert not [figure.name for figure in figures if figure.resolve() not in shown]


def test_readme_has_the_two_lines_that_ci_runs():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len([line for line in lines if line.startswith("python3 -m venv ")]) == 2


def names_in_backticks():
    """Returns the dotted names in docstrings and pages with the places where they stand."""
    texts = [
        (page, re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)) for page in PAGES
    ]
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                texts.append((path, ast.get_docstring(node) or ""))
    return {name: path for path, text in texts for name in DOTTED.findall(text) if not FILE.search(name)}


def members_of_classes():
    """Returns the methods and attributes of each class of the zoo by its name."""
    members = {}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                names = {inner.name for inner in ast.walk(node) if isinstance(inner, ast.FunctionDef)}
                names |= {inner.attr for inner in ast.walk(node) if isinstance(inner, ast.Attribute)}
                names |= {inner.target.id for inner in node.body if isinstance(inner, ast.AnnAssign)}
                members.setdefault(node.name, set()).update(names)
    return members


def exists(name):
    package, *parts = name.split(".")
    value = importlib.import_module(PACKAGES[package] or package)
    for part in parts:
        if not hasattr(value, part):
            try:
                importlib.import_module(f"{value.__name__}.{part}")
            except ImportError:
                return part in getattr(value, "__annotations__", ())
        value = getattr(value, part)
    return True


def test_names_in_docstrings_and_pages_exist():
    members, missing = members_of_classes(), {}
    for name, path in names_in_backticks().items():
        first, second, *_ = name.split(".")
        if not (exists(name) if first in PACKAGES else first not in members or second in members[first]):
            missing[name] = path.relative_to(ROOT).as_posix()
    assert not missing
