"""The gap between the inner lips: how far apart they are, and how that depends on the vertices."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from mggtalk.face.topology import LIPS_INNER_LOWER, LIPS_INNER_UPPER
from mggtalk.geometry import indices

INNER = slice(1, -1)
"""Pairs of inner lips without the corners, which always touch."""


def lip_gap(points: np.ndarray | Tensor) -> np.ndarray:
    """Mean distance between the inner lips, seen from the front.

    Args:
        points: Landmarks or vertices ``[T, 478, 2 or 3]`` in any unit.

    Returns:
        ``[T]`` in that unit, double precision.
    """
    flat = np.asarray(points, dtype=np.float64)[..., :2]  # [T, 478, 2]
    upper, lower = (flat[:, list(rim)[INNER]] for rim in (LIPS_INNER_UPPER, LIPS_INNER_LOWER))  # [T, G, 2]
    return np.linalg.norm(upper - lower, axis=-1).mean(axis=-1)


def lip_heights(vertices: Tensor) -> Tensor:
    """Height of the upper over the lower inner lip at each pair from corner to corner; negative where they overlap.

    It is linear in the vertices, so that of a basis is how the heights change with each component.

    Args:
        vertices: ``[..., 478, 3]``, y up.

    Returns:
        ``[..., 11]`` in the unit of the vertices.
    """
    upper, lower = (vertices[..., indices(rim, vertices), 1] for rim in (LIPS_INNER_UPPER, LIPS_INNER_LOWER))
    return upper - lower
