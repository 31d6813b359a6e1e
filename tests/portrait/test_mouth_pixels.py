"""The edge of the lower lip below an open mouth is found by colour where the tracked rim misses it."""

from __future__ import annotations

import numpy as np
import pytest

from mggtalk.face.topology import LIPS_INNER_LOWER, LIPS_INNER_UPPER, LOWER_LIP_MIDDLES
from mggtalk.portrait.mouth_pixels import LINE, MIXED, SLIT, dark_slit, inside_pixels, lip_line, thin_rim

SIDE, TOP, LIP = 64, 20, (0.7, 0.35, 0.35)
TEETH, DARKNESS = (0.9, 0.88, 0.8), (0.12, 0.06, 0.06)


def mouth(edge: np.ndarray, inside: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """A picture whose lower lip begins at row ``edge`` in each column, and the vertices in the middle of the lip."""
    image = np.full((SIDE, SIDE, 3), LIP)
    rows = np.arange(SIDE)[:, None]
    image[(rows >= TOP) & (rows < edge)] = inside
    pixels = np.zeros((478, 2))
    pixels[list(LOWER_LIP_MIDDLES)] = (SIDE / 2, 40.0)
    return image, pixels


@pytest.mark.parametrize("missed", [-2, 0, 2])
def test_the_edge_is_found_two_pixels_above_and_below_the_rim(missed: int) -> None:
    columns = np.arange(SIDE)
    edge = 30 + np.round(4 * np.sin(columns / SIDE * np.pi)).astype(int)
    image, pixels = mouth(edge, TEETH)
    opening = np.zeros((SIDE, SIDE), bool)
    for column in range(12, 52):
        opening[TOP : edge[column] + missed, column] = True
    found, toothed = inside_pixels(image, opening, pixels)
    assert toothed[12:52].all() and not toothed[:12].any()
    assert not found[:, :12].any() and not found[:, 52:].any()
    ends = found[:, 12:52].sum(0) + TOP
    assert np.abs(ends - edge[12:52] - MIXED).max() <= 1


def test_a_single_odd_column_moves_nothing() -> None:
    image, pixels = mouth(np.full(SIDE, 30), TEETH)
    opening = np.zeros((SIDE, SIDE), bool)
    opening[TOP:30, 12:52] = True
    image[28:30, 33] = LIP
    ends = inside_pixels(image, opening, pixels)[0][:, 12:52].sum(0)
    assert np.ptp(ends) == 0


def test_a_pale_patch_of_lip_is_no_tooth() -> None:
    image, pixels = mouth(np.full(SIDE, 30), TEETH)
    opening = np.zeros((SIDE, SIDE), bool)
    opening[TOP:30, 12:52] = True
    image[30:34, 28:38] = 0.4 * np.array(LIP) + 0.6 * np.array(TEETH)
    ends = inside_pixels(image, opening, pixels)[0][:, 12:52].sum(0)
    assert np.ptp(ends) <= 1, "a notch"


@pytest.mark.parametrize("inside", [DARKNESS, LIP], ids=["darkness", "tongue"])
def test_without_teeth_the_rim_stays(inside: tuple[float, float, float]) -> None:
    image, pixels = mouth(np.full(SIDE, 30), inside)
    opening = np.zeros((SIDE, SIDE), bool)
    opening[TOP:32, 12:52] = True
    found, toothed = inside_pixels(image, opening, pixels)
    assert (found == opening).all() and not toothed.any()


def test_the_line_between_teeth_and_lip_is_neither() -> None:
    image, pixels = mouth(np.full(SIDE, 30), TEETH)
    image[28:30, 10:54], image[30, 20:30] = DARKNESS, DARKNESS
    inside = np.zeros((SIDE, SIDE), bool)
    inside[TOP:30, 12:52] = True
    line = lip_line(image, inside, pixels)
    assert line[28:30, 12:52].all() and line[30, 20:30].all() and not line[: 30 - LINE, :].any()
    assert not line[30:, 30:].any(), "lip is not darkness"
    assert not lip_line(image, inside & False, pixels).any()
    image[25:30, 10:54] = DARKNESS  # the inside of the mouth, which stays
    assert not lip_line(image, inside, pixels).any()
    image[25:28, 10:54], image[28:31, 10:54] = TEETH, LIP
    assert not lip_line(image, inside, pixels).any(), "lip"
    image[TOP:30, 10:54] = DARKNESS  # no teeth
    assert not lip_line(image, inside, pixels).any()


def test_the_dark_of_a_slit_goes_and_teeth_or_an_open_mouth_stay() -> None:
    inside = np.zeros((SIDE, SIDE), bool)
    inside[TOP:26, 12:52] = True
    dark, pixels = mouth(np.full(SIDE, 26), DARKNESS)

    def slit(image: np.ndarray, height: float) -> bool:
        for rim, row in ((LIPS_INNER_UPPER, 0.0), (LIPS_INNER_LOWER, height)):
            pixels[list(rim)] = np.column_stack([np.linspace(12, 52, len(rim)), np.full(len(rim), TOP + row)])
        pixels[list(LOWER_LIP_MIDDLES)] = (SIDE / 2, 40.0)
        found = dark_slit(image, inside, pixels)
        assert not found.any() or np.array_equal(found, inside)
        return bool(found.any())

    assert slit(dark, 40 * SLIT - 1) and not slit(dark, 40 * SLIT + 1)
    assert not slit(mouth(np.full(SIDE, 26), TEETH)[0], 6.0)
    assert not dark_slit(dark, inside & False, pixels).any(), "lips that are closed"


def test_a_thin_rim_is_shadow_and_a_thick_one_teeth() -> None:
    lower = np.zeros((SIDE, SIDE), bool)
    lower[30:32, 12:52] = True
    lower[28:32, 20] = True
    assert (thin_rim(lower) == lower).all()
    lower[26:32, 12:52] = True
    assert not thin_rim(lower).any()
    assert not thin_rim(lower & False).any()
