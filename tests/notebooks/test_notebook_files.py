from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request: pytest.FixtureRequest) -> nbformat.NotebookNode:
    return nbformat.read(request.param, as_version=4)


def code(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def text(notebook: nbformat.NotebookNode) -> str:
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def test_outputs_are_stripped(notebook: nbformat.NotebookNode) -> None:
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code(notebook))
    assert not any(cell.get("attachments") for cell in notebook.cells)
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"


def test_no_place_of_one_machine(notebook: nbformat.NotebookNode) -> None:
    sources = "\n".join(cell.source for cell in notebook.cells)
    assert not re.search(r"/(home|root|work|Users|content|tmp)/", sources)


def test_teaches_with_checks_breaks_and_exercises(notebook: nbformat.NotebookNode) -> None:
    assert any("assert" in cell.source for cell in code(notebook))
    assert "Break it" in text(notebook)
    assert "## Exercises" in text(notebook) and "<details><summary>Answers</summary>" in text(notebook)


def test_links_lead_somewhere(notebook: nbformat.NotebookNode) -> None:
    linked = re.findall(r"\]\((\d\d_\w+\.ipynb)\)", text(notebook))
    assert all((FOLDER / name).is_file() for name in linked)


def test_table_of_contents_names_every_notebook() -> None:
    contents = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert NOTEBOOKS and all(f"({path.name})" in contents for path in NOTEBOOKS)
