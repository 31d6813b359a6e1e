"""What the command ``export`` says of an avatar of several photos."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from mggtalk.cli import export


@pytest.mark.parametrize(("photos", "lines"), [(None, 1), ("layers", 2)])
def test_a_head_of_several_photos_is_exported_with_a_note(
    photos: str | None, lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "make_web_head", lambda *_, **__: "head")
    monkeypatch.setattr(export, "write_page", lambda _, path: path)
    told = export.export_head(SimpleNamespace(), SimpleNamespace(photos=photos), None, "me.html")  # type: ignore[arg-type]
    assert told[-1] == "me.html" and len(told) == lines
    assert lines == 1 or "main photo" in told[0]
