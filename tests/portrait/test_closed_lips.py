"""Lips that are closed part where the picture shows the line between them."""

from __future__ import annotations

import numpy as np
import pytest

from mggtalk.face.topology import LIPS_INNER_LOWER, LIPS_INNER_UPPER
from mggtalk.portrait.closed_lips import is_closed, move_closed_lips

SIDE, ROW = 128, 64.0
INNER = [*LIPS_INNER_UPPER, *LIPS_INNER_LOWER]


def mouth(width: float = 44.0) -> np.ndarray:
    """Vertices ``[478, 2]``: closed lips along a row, everything else at the picture's upper border."""
    pixels = np.zeros((478, 2), np.float32)
    across = np.linspace((SIDE - width) / 2, (SIDE + width) / 2, len(LIPS_INNER_UPPER))
    for lip in (LIPS_INNER_UPPER, LIPS_INNER_LOWER):
        pixels[list(lip)] = np.stack([across, np.full_like(across, ROW)], axis=-1)
    return pixels


def picture(rows: slice) -> np.ndarray:
    """Red lips ``[H, W, 3]`` with a dark line over some rows."""
    image = np.full((SIDE, SIDE, 3), (0.7, 0.4, 0.4), np.float32)
    image[rows] = 0.1
    return image


@pytest.mark.parametrize("rows", [slice(60, 62), slice(65, 67)])
def test_they_part_in_the_dark_line(rows: slice) -> None:
    moved = move_closed_lips(picture(rows), mouth())
    assert np.allclose(moved[INNER, 1], rows.start + 1.0, atol=0.3)
    assert np.allclose(moved[INNER, 0], mouth()[INNER, 0], atol=1e-4)


def test_what_is_far_from_the_mouth_stays() -> None:
    others = np.setdiff1d(np.arange(478), INNER)
    assert np.allclose(move_closed_lips(picture(slice(66, 68)), mouth())[others], 0.0, atol=1e-4)


def test_a_gap_is_as_wide_as_before() -> None:
    pixels = mouth()
    pixels[list(LIPS_INNER_LOWER[1:-1]), 1] += 1.0
    moved = move_closed_lips(picture(slice(66, 68)), pixels)
    gap = moved[list(LIPS_INNER_LOWER), 1] - moved[list(LIPS_INNER_UPPER), 1]
    assert np.allclose(gap[1:-1], 1.0, atol=1e-3)


def test_a_mouth_of_a_few_pixels_stays() -> None:
    small = mouth(8.0)
    assert move_closed_lips(picture(slice(66, 68)), small) is small


def test_lips_that_are_apart_are_not_closed() -> None:
    pixels = mouth()
    assert is_closed(pixels, SIDE)
    pixels[LIPS_INNER_LOWER[5], 1] += 4.0
    assert not is_closed(pixels, SIDE)
