"""Border of the upper teeth in an open-mouthed portrait: what is above stays with the skull, the rest with the jaw."""

from __future__ import annotations

import numpy as np

HEIGHTS, BLUR = 24, 0.05
"""Number of heights at which the open mouth is looked at, and how far around each (standard deviation)."""

FEWEST = 40
"""Pixels under which a mouth is too small to tell."""

LOOKED_AT = (0.3, 0.85)
"""Heights, from the upper lip to the lower, between which the dark line that parts the rows may be."""

DARK, BRIGHT = 0.7, 0.6
"""The line is darker than this share of both rows; a lower row is at least this share as bright as the upper."""

ALL_UPPER = 0.92
"""Height down to which all is upper teeth where no second row is seen; what is left is the lower lip's shadow."""


def teeth_border(down: np.ndarray, colour: np.ndarray) -> float:
    """Height of the dark line between upper and lower teeth.

    Teeth are white, so the least of their three channels is high; that of lips and of the dark inside is low.

    Args:
        down: Place of each pixel of the open mouth from the upper lip (0) to the lower (1), ``[P]``.
        colour: RGB of these pixels ``[P, 3]``.

    Returns:
        The height in [0, 1]; :data:`ALL_UPPER` where there is no such line with teeth below it.
    """
    if len(down) < FEWEST:
        return ALL_UPPER
    heights = (np.arange(HEIGHTS) + 0.5) / HEIGHTS
    near = np.exp(-0.5 * ((heights[:, None] - down) / BLUR) ** 2)  # [HEIGHTS, P]
    white = near @ colour.min(axis=-1) / np.maximum(near.sum(axis=1), 1e-6)  # [HEIGHTS]
    first, last = (int(height * HEIGHTS) for height in LOOKED_AT)
    line = first + int(white[first:last].argmin())
    upper, lower = white[:line].max(), white[line + 1 :].max()
    parted = white[line] < DARK * min(upper, lower) and lower > BRIGHT * upper
    return float(heights[line]) if parted else ALL_UPPER
