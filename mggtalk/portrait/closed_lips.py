"""The line between closed lips, where the picture shows it.

Tracked lips that touch meet up to two pixels beside the dark line between them. What lies between the two lines would
move with the other lip when the mouth opens: a frayed edge, dark spots. So the line is looked for across each place
between the corners, as the darkest valley of all ways along the mouth, and the lips around it are moved there.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from mggtalk.face.topology import LIPS_INNER_LOWER, LIPS_INNER_UPPER
from mggtalk.nets.paths import likeliest_path

CLOSED_MOUTH = 0.014
"""Gap between the lips, over the side of the map, under which a mouth counts as closed."""

REACH = 0.1
"""How far from the tracked line the line may be, over the mouth's width: a lip is thicker."""

STEPS = 2
"""Places that are tried for each pixel across the line."""

BESIDE = 0.04
"""Half width of a valley, over the mouth's width; the lips' own shadows are broader."""

BLUR = 0.7
"""Standard deviation of the blur before, pixels: noise is no line."""

NEARER = 0.02
"""What a pixel away from the tracked line costs, in the log of the brightness beside the valley over that in it."""

STIFF = 0.08
"""What a step of one pixel across the line costs from pixel to pixel along it, and four times that of two."""

SOFT = 0.08
"""Distance from the line at which vertices move by 1 / e of it, over the mouth's width: the lips' outlines stay."""

DARKEST = 0.05
"""Brightness below which all is black."""


def is_closed(pixels: np.ndarray, map_size: int) -> bool:
    """Whether the lips of tracked vertices ``[V, 2]`` touch, in pixels of a map of that side."""
    gap = np.linalg.norm(pixels[LIPS_INNER_UPPER[5]] - pixels[LIPS_INNER_LOWER[5]])
    return bool(gap < CLOSED_MOUTH * map_size)


def move_closed_lips(image: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Move the vertices of closed lips to the line that is seen between them.

    Args:
        image: RGB ``[H, W, 3]`` in [0, 1].
        pixels: Tracked vertices of the face model ``[V, 2]`` (x, y).

    Returns:
        ``[V, 2]``; vertices far from the mouth stay.
    """
    line = (pixels[list(LIPS_INNER_UPPER)] + pixels[list(LIPS_INNER_LOWER)]) / 2  # [11, 2] from corner to corner
    width = float(np.linalg.norm(line[-1] - line[0]))
    if width < 1.0 / REACH:  # too small to see a line
        return pixels
    along = (line[-1] - line[0]) / width
    across = np.array([-along[1], along[0]])  # down the face
    place = (line - line[0]) @ along  # [11] pixels from the corner
    columns = np.arange(round(width)) + 0.5  # [C]
    middles = np.stack([np.interp(columns, place, line[:, axis]) for axis in (0, 1)], axis=-1)  # [C, 2]
    reach = int(np.ceil(REACH * width)) * STEPS
    offsets = np.arange(-reach, reach + 1) / STEPS  # [O] pixels down
    light = np.log(ndimage.gaussian_filter(image.mean(-1), BLUR) + DARKEST)  # [H, W]
    depth = _valley(light, middles + offsets[:, None, None] * across, BESIDE * width * across)  # [O, C]
    best = likeliest_path(depth - NEARER * np.abs(offsets)[:, None], STIFF / STEPS**2)  # [C]
    shift = ndimage.gaussian_filter1d(offsets[best], BLUR, mode="nearest")  # [C]
    # The lips' own vertices go all the way, what is around them less and less.
    offset = pixels - line[0]
    column, below = offset @ along, offset @ across - np.interp(offset @ along, place, (line - line[0]) @ across)  # [V]
    outside = np.maximum(np.maximum(-column, column - width), 0.0)
    inner = np.isin(np.arange(len(pixels)), (*LIPS_INNER_UPPER, *LIPS_INNER_LOWER))
    away = np.where(inner, 0.0, np.hypot(below, outside)) / (SOFT * width)
    share = np.exp(-(away**2)) * np.interp(column, columns, shift)  # [V]
    moved: np.ndarray = pixels + (share[:, None] * across).astype(pixels.dtype)
    return moved


def _valley(light: np.ndarray, places: np.ndarray, beside: np.ndarray) -> np.ndarray:
    """Light, log ``[H, W]``, on both sides of places ``[..., 2]`` (x, y), a step ``[2]`` away, over that in them."""
    left, middle, right = (
        ndimage.map_coordinates(light, (at[..., 1] - 0.5, at[..., 0] - 0.5), order=1, mode="nearest")
        for at in (places - beside, places, places + beside)
    )
    depth: np.ndarray = (left + right) / 2 - middle
    return depth
