"""Where the lips of a film are gripped when its open mouth closes."""

from __future__ import annotations

import numpy as np
import pytest

from mggtalk.dub.grip import LEAST, MOST, RIMS, SURE, find_lip, grip_lips

LIP, TEETH, DARK = (150, 70, 75), (190, 170, 160), (35, 20, 20)
ACROSS = np.linspace(20.0, 120.0, 11)


def lip_under(strip: tuple[int, int, int], height: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A lip 20 pixels high whose tracked edge lies on something else: frame, edge and rim ``[11, 2]``."""
    frame = np.full((60, 140, 3), LIP, np.uint8)
    frame[: 20 + round(height)] = strip
    return frame, np.stack([ACROSS, np.full(11, 20.0)], -1), np.stack([ACROSS, np.full(11, 40.0)], -1)


@pytest.mark.parametrize("strip", [TEETH, DARK])
@pytest.mark.parametrize("height", [6, 12])
def test_a_lip_begins_behind_teeth_and_shadow(strip: tuple[int, int, int], height: int) -> None:
    found = find_lip(*lip_under(strip, height))
    np.testing.assert_allclose(found, np.minimum(height / 20.0 + SURE, MOST), atol=0.08)


def test_a_lip_that_was_tracked_well_is_gripped_near_its_edge_and_never_beyond_its_own_part() -> None:
    np.testing.assert_allclose(find_lip(*lip_under(LIP, 0)), LEAST)
    assert find_lip(*lip_under(TEETH, 18)).max() <= MOST


def test_only_an_open_mouth_that_closes_is_gripped() -> None:
    landmarks = {}
    for name, gap in (("open", 10.0), ("shut", 0.0)):
        points = np.zeros((478, 2))
        points[152] = (0.0, 100.0)
        for (inner, outer), way in zip(RIMS, (-1.0, 1.0)):
            points[list(inner)] = np.stack([ACROSS, np.full(11, 30.0 + way * gap / 2)], -1)
            points[list(outer)] = np.stack([ACROSS, np.full(11, 30.0 + way * (gap / 2 + 12.0))], -1)
        landmarks[name] = points
    frame = np.full((60, 140, 3), LIP, np.uint8)
    frame[20:40] = TEETH  # five pixels more than the tracked gap
    gripped = grip_lips(frame, landmarks["open"], landmarks["shut"])
    np.testing.assert_allclose(gripped[13, 1], 20.0 - 12.0 * SURE, atol=1.0)
    np.testing.assert_allclose(gripped[14, 1], 40.0 + 12.0 * SURE, atol=1.0)
    assert grip_lips(frame, landmarks["open"], landmarks["open"]) is landmarks["open"]
