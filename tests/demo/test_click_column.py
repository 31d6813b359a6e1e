"""A face that is clicked on the page."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from demo.clicks import SIDE, mark, next_click
from demo.files import picture_key
from demo.film import Portrait, find_avatar
from demo.sessions import Visitors
from mggtalk.face.points import LEAST, POINTS
from mggtalk.runtime.progress import no_progress


def test_the_page_asks_for_one_point_after_the_other() -> None:
    asked = [next_click(((0.0, 0.0),) * count) for count in range(len(POINTS) + 1)]
    assert all(name in line for line, (name, _) in zip(asked, POINTS))
    assert "placed" not in asked[LEAST - 1] and "placed" in asked[LEAST] and "All points" in asked[-1]


def test_points_are_drawn_where_they_were_clicked() -> None:
    picture = np.zeros((1000, 500, 3), np.uint8)
    shown = mark(picture, ((250.0, 500.0),))
    assert max(shown.shape) == SIDE and shown[SIDE // 2, SIDE // 4].max() > 200 and shown[0, 0].max() == 0
    assert not picture.any()


def test_clicked_points_place_the_face_of_their_portrait_only(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitors = Visitors(60.0)
    visitor = visitors.of(SimpleNamespace(session_hash="a"))  # type: ignore[arg-type]
    path, other = (str(tmp_path / name) for name in ("a.png", "b.png"))  # type: ignore[operator]
    for name in (path, other):
        with open(name, "w") as file:
            file.write(name)
    engine = SimpleNamespace(
        placed=lambda portrait, points, pace: ("placed", portrait, points), prepare=lambda *values: ("found", *values)
    )
    monkeypatch.setattr(visitors, "avatar", lambda owner, key, make: (owner, make()))
    points = ((1.0, 2.0),) * LEAST
    visitors.place(visitor, picture_key(path), points)
    owner, placed = find_avatar(engine, visitors, visitor, Portrait(path), no_progress)  # type: ignore[arg-type]
    assert owner is visitor and placed == ("placed", path, points)
    found = find_avatar(engine, visitors, visitor, Portrait(other), no_progress)[1]  # type: ignore[arg-type]
    visitors.place(visitor, picture_key(path), ())
    again = find_avatar(engine, visitors, visitor, Portrait(path), no_progress)[1]  # type: ignore[arg-type]
    assert found[0] == again[0] == "found"
