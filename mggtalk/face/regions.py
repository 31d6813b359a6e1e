"""Regions of a face, from 478 landmarks."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw
from scipy.spatial import ConvexHull
from torch import Tensor

from mggtalk.face.topology import LIPS

Array = np.ndarray | Tensor


MOUTH_MARGIN = 1.3
"""The mouth region is the hull of the lips, enlarged by this factor."""


def hull_mask(points: Array, height: int, width: int) -> np.ndarray:
    """Convex hull of points as a mask.

    Args:
        points: ``[P, 2 or 3]`` pixels, x right, y down, pixel centres at +0.5.
        height: Of the picture.
        width: Of the picture.

    Returns:
        ``[height, width]`` bool.
    """
    xy = np.asarray(points, dtype=np.float64)[:, :2]  # [P, 2]
    outline = xy[ConvexHull(xy).vertices] - 0.5  # [Q, 2]; Pillow counts from the centre of the first pixel
    picture = Image.new("1", (width, height))
    ImageDraw.Draw(picture).polygon([tuple(corner) for corner in outline.tolist()], fill=1, outline=1)
    return np.array(picture)


def face_mask(landmarks: Array, height: int, width: int) -> np.ndarray:
    """Hull of a face's landmarks ``[478, 2 or 3]`` in pixels, ``[height, width]`` bool."""
    return hull_mask(landmarks, height, width)


def mouth_mask(landmarks: Array, height: int, width: int) -> np.ndarray:
    """Hull of the lips of ``[478, 2 or 3]`` landmarks, enlarged by :data:`MOUTH_MARGIN`, ``[height, width]`` bool."""
    lips = np.asarray(landmarks, dtype=np.float64)[list(LIPS), :2]  # [40, 2]
    centre = lips.mean(axis=0)
    return hull_mask(centre + MOUTH_MARGIN * (lips - centre), height, width)
