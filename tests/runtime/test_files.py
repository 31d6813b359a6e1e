"""Files that appear when they are whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from mggtalk.runtime.files import whole_file


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "head.PLY"
    target.write_text("old")
    with whole_file(target) as partial:
        partial.write_text("new")
        assert partial.suffix == ".ply" and partial.parent == tmp_path and target.read_text() == "old"
    assert target.read_text() == "new" and list(tmp_path.iterdir()) == [target]


def test_after_an_error_nothing_remains_and_nothing_is_lost(tmp_path: Path) -> None:
    target = tmp_path / "a.npz"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), whole_file(target) as partial:
        partial.write_text("half")
        raise KeyboardInterrupt
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]
