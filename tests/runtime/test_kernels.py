"""Kernels kept between runs follow the constants and helpers of other files."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

import pytest

CONSTANTS = "FACTOR = {factor}\n"
HELPERS = "from mggtalk.runtime.kernels import helper\n@helper\ndef shifted(x):\n    return x + {shift}\n"
KERNELS = """
from frozen_constants import FACTOR
from frozen_helpers import shifted
from mggtalk.runtime.kernels import kernel

@kernel
def scaled(x):
    return shifted(FACTOR * x)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of modules, with numba's cache beside them."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "frozen_kernels.py").write_text(KERNELS)
    return tmp_path


def run(folder: Path, factor: float, shift: float) -> tuple[float, int]:
    """What a new process would compute for 3, and how often it found the kernel in the cache."""
    for name in ("frozen_constants", "frozen_helpers", "frozen_kernels"):
        sys.modules.pop(name, None)
    sources = {"frozen_constants": CONSTANTS.format(factor=factor), "frozen_helpers": HELPERS.format(shift=shift)}
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source)
        (Path(importlib.util.cache_from_source(str(folder / f"{name}.py")))).unlink(missing_ok=True)
    importlib.invalidate_caches()
    scaled = importlib.import_module("frozen_kernels").scaled
    return scaled(3.0), sum(scaled.stats.cache_hits.values())


def test_a_kernel_is_kept_until_a_constant_or_a_helper_elsewhere_changes(folder: Path) -> None:
    assert run(folder, 2.0, 1.0) == (7.0, 0)
    assert run(folder, 2.0, 1.0) == (7.0, 1), "nothing changed: it comes from the cache"
    assert run(folder, 5.0, 1.0) == (16.0, 0), "a constant of another file changed"
    assert run(folder, 5.0, 4.0) == (19.0, 0), "a helper of another file changed"
