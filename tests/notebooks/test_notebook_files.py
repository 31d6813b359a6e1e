from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


Notebook = dict[str, Any]


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request: pytest.FixtureRequest) -> Notebook:
    return json.loads(request.param.read_text(encoding="utf-8"))


def code(notebook: Notebook) -> list[Notebook]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def sources(cells: list[Notebook]) -> str:
    return "\n".join("".join(cell["source"]) for cell in cells)


def text(notebook: Notebook) -> str:
    return sources([cell for cell in notebook["cells"] if cell["cell_type"] == "markdown"])


def test_outputs_are_stripped(notebook: Notebook) -> None:
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code(notebook))
    assert not any(cell.get("attachments") for cell in notebook["cells"])
    assert set(notebook["metadata"]) <= {"kernelspec", "language_info"}
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"


def test_no_place_of_one_machine(notebook: Notebook) -> None:
    assert not re.search(r"/(home|root|work|Users|content|tmp)/", sources(notebook["cells"]))


def test_teaches_with_checks_breaks_and_exercises(notebook: Notebook) -> None:
    assert "assert" in sources(code(notebook))
    assert "Break it" in text(notebook)
    assert "## Exercises" in text(notebook) and "<details><summary>Answers</summary>" in text(notebook)


def test_links_lead_somewhere(notebook: Notebook) -> None:
    linked = re.findall(r"\]\((\d\d_\w+\.ipynb)\)", text(notebook))
    assert all((FOLDER / name).is_file() for name in linked)


def test_table_of_contents_names_every_notebook() -> None:
    contents = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert NOTEBOOKS and all(f"({path.name})" in contents for path in NOTEBOOKS)
