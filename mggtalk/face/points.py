"""The points that are clicked to place a face by hand: their names, order and checks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mggtalk.errors import OptionError

Points = Sequence[tuple[float, float]]
"""Clicks in pixels of a picture."""

POINTS = (
    ("left eye's outer corner", 33),
    ("its inner corner", 133),
    ("right eye's inner corner", 362),
    ("its outer corner", 263),
    ("tip of the nose", 1),
    ("left corner of the mouth", 61),
    ("right corner of the mouth", 291),
    ("chin", 152),
    ("top of the forehead", 10),
)
"""Names, left and right as seen in the picture, and vertices of the mesh; the last two may be left out."""

LEAST = 7
"""Points that are needed."""


def check_points(points: Points, width: int, height: int) -> np.ndarray:
    """Check clicked points.

    Args:
        points: X and y in pixels.
        width: Of the picture.
        height: Of the picture.

    Returns:
        ``[n, 2]``.

    Raises:
        OptionError: If there are too few or too many, or one lies outside of the picture.
    """
    if not LEAST <= len(points) <= len(POINTS):
        order = ", ".join(name for name, _ in POINTS)
        raise OptionError(f"There are {len(points)} points.", f"Give {LEAST} to {len(POINTS)}: {order}.")
    clicks = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    for (name, _), (x, y) in zip(POINTS, clicks):
        if not (0 <= x <= width and 0 <= y <= height):
            problem = f"The point {name!r} is at {x:g}, {y:g}, the picture has {width} x {height} pixels."
            raise OptionError(problem, "Give pixels of the picture, x to the right and y down.")
    eyes = float(np.linalg.norm(clicks[3] - clicks[0]))
    if eyes < 16:
        raise OptionError(f"The eyes are only {eyes:.0f} pixels apart.", "Use a larger picture.")
    return clicks
