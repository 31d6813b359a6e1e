from __future__ import annotations

import sys
from pathlib import Path

import pytest


def write(path: Path, source: str) -> Path:
    import nbformat  # takes seconds

    cells = [nbformat.v4.new_markdown_cell("[next](01_next.ipynb)"), nbformat.v4.new_code_cell(source)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    from scripts import render_notebooks

    monkeypatch.setattr(sys, "argv", ["render_notebooks", *map(str, arguments)])
    monkeypatch.setenv("MGGTALK_FAST", "0")
    return render_notebooks.main()


def test_executed_copy_has_outputs_and_the_notebook_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path / "00_small.ipynb", "import os\nprint('fast is', os.environ['MGGTALK_FAST'], 6 * 7)")
    before = source.read_bytes()
    assert run(monkeypatch, source, "--out", tmp_path / "html", "--fast") == 0
    html = (tmp_path / "html" / "00_small.html").read_text(encoding="utf-8")
    assert "fast is 1 42" in html and "01_next.html" in html
    assert source.read_bytes() == before


def test_failing_cell_leaves_no_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write(tmp_path / "broken.ipynb", "assert 1 == 2, 'they do not agree'")
    assert run(monkeypatch, source, "--out", tmp_path / "html") == 1
    assert "they do not agree" in capsys.readouterr().err
    assert not list((tmp_path / "html").iterdir())


def test_missing_notebook_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, tmp_path / "99_none.ipynb") == 2
    assert capsys.readouterr().err.count("\n") == 1
