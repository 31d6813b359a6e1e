"""The plan of the house: which room may import which, no circles, few loose modules. Read, not imported."""

from __future__ import annotations

import ast
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]

ROOMS = (
    *("errors", "config", "geometry", "runtime", "media", "scene", "nets", "render", "face", "depth", "dsgr"),
    *("inpaint", "speech", "avatar", "motion", "sgp", "portrait", "animate", "checkpoint", "pipeline", "performance"),
    *("photo", "export", "evaluation", "training", "person", "dub", "notebook", "cli", "__main__"),
)
"""Rooms and loose modules, from the ground up: each may import those before it."""

MOST_LOOSE = 8


def modules() -> dict[str, Path]:
    """All modules of the package by name."""
    names = {path: path.relative_to(ROOT).with_suffix("").parts for path in (ROOT / "mggtalk").rglob("*.py")}
    return {".".join(parts).removesuffix(".__init__"): path for path, parts in names.items()}


def imports_of(path: Path, known: dict[str, Path]) -> set[str]:
    """Modules of the package that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {name if (name := f"{node.module}.{alias.name}") in known else node.module for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & set(known)


def room(module: str) -> str:
    """The room of a module."""
    return module.split(".")[1] if "." in module else "__init__"


KNOWN = modules()


@cache
def graph() -> dict[str, set[str]]:
    """What each module imports. The package's face is left out: it imports when a public name is first used."""
    return {name: imports_of(path, KNOWN) - {name} for name, path in KNOWN.items() if name != "mggtalk"}


def test_imports_have_no_circle() -> None:
    try:
        TopologicalSorter(graph()).prepare()
    except CycleError as error:
        raise AssertionError(f"A circle of imports: {' <- '.join(error.args[1])}") from error


def test_no_room_imports_one_above_it() -> None:
    level = {name: index for index, name in enumerate(ROOMS)}
    upward = [
        f"{name} imports {other}"
        for name, others in graph().items()
        for other in others
        if "__init__" not in (room(name), room(other)) and level[room(other)] > level[room(name)]
    ]
    assert not upward, upward


def test_every_room_has_its_place_and_few_modules_are_loose() -> None:
    assert {room(name) for name in KNOWN} - {"__init__"} <= set(ROOMS)
    loose = {path.stem for path in (ROOT / "mggtalk").glob("*.py")} - {"__init__", "__main__"}
    assert len(loose) <= MOST_LOOSE, sorted(loose)


def test_tests_stand_in_the_rooms_that_they_test() -> None:
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")}
    assert folders - {"demo", "notebooks", "scripts"} <= set(ROOMS)
