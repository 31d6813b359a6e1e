"""Every notebook runs from its first cell to its last, on small sizes, where it still computes everything.

The cells run in IPython inside the test's process: the networks, the kernels and what is imported are there already.
``MGGTALK_FAST=0 pytest tests/notebooks`` runs the notebooks in full.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from matplotlib import pyplot
from traitlets.config import Config

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    """A fresh IPython, as a notebook's kernel has one; nothing of it is left afterwards."""
    monkeypatch.chdir(FOLDER)
    monkeypatch.syspath_prepend(FOLDER.parent)
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])  # IPython puts its own there
    monkeypatch.setenv("MGGTALK_FAST", os.environ.get("MGGTALK_FAST", "1"))
    before = torch.is_grad_enabled(), torch.get_num_threads(), torch.get_default_dtype()
    with matplotlib.rc_context({"backend": "agg"}):
        yield InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
        pyplot.close("all")
    InteractiveShell.clear_instance()
    assert before == (torch.is_grad_enabled(), torch.get_num_threads(), torch.get_default_dtype())


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_every_cell_runs(path: Path, shell: InteractiveShell) -> None:
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            shell.run_cell("".join(cell["source"])).raise_error()
