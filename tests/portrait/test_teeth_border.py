"""Upper and lower teeth of a portrait."""

from __future__ import annotations

import numpy as np
import pytest

from mggtalk.portrait.teeth_border import ALL_UPPER, teeth_border

TEETH, DARK, LIP = (0.8, 0.75, 0.7), (0.15, 0.08, 0.08), (0.8, 0.3, 0.3)


def mouth(*rows: tuple[float, tuple[float, float, float]], noise: float = 0.03) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of an open mouth whose rows end at these heights: places ``[2000]`` and RGB ``[2000, 3]``."""
    generator = np.random.default_rng(0)
    down = generator.random(2000)
    ends = [end for end, _ in rows]
    colour = np.array([row for _, row in rows])[np.searchsorted(ends, down)]
    return down, np.clip(colour + noise * generator.standard_normal((2000, 3)), 0, 1)


@pytest.mark.parametrize("height", [0.45, 0.6, 0.75])
def test_a_dark_line_between_two_rows_is_found(height: float) -> None:
    border = teeth_border(*mouth((height - 0.05, TEETH), (height + 0.05, DARK), (1.0, TEETH)))
    assert abs(border - height) < 0.06


@pytest.mark.parametrize(
    "rows",
    [
        ((1.0, TEETH),),  # a smile
        ((0.5, TEETH), (1.0, DARK)),  # upper teeth over a dark mouth
        ((0.5, TEETH), (0.85, DARK), (1.0, LIP)),  # a bright lip is no row of teeth
        ((1.0, DARK),),
        ((0.9, TEETH), (1.0, LIP)),
    ],
)
def test_without_a_second_row_all_is_upper(rows: tuple[tuple[float, tuple[float, float, float]], ...]) -> None:
    assert teeth_border(*mouth(*rows)) == ALL_UPPER


def test_a_mouth_of_few_pixels_is_not_looked_at() -> None:
    down, colour = mouth((0.45, TEETH), (0.55, DARK), (1.0, TEETH))
    assert teeth_border(down[:20], colour[:20]) == ALL_UPPER
    assert teeth_border(down[:0], colour[:0]) == ALL_UPPER
