"""The interface that every depth estimator implements."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np


class HeadView(NamedTuple):
    """A square crop around the head, with the tracked face mesh in it."""

    image: np.ndarray  # [H, W, 3] float32 in [0, 1]
    mask: np.ndarray  # [H, W] soft head weight in [0, 1]
    vertices: np.ndarray  # [V, 3] fitted mesh in the camera frame, decimetres
    pixels: np.ndarray  # [V, 2] the same vertices in pixels of the crop
    triangles: np.ndarray  # [F, 3]
    centre: np.ndarray  # [3] middle of the skull in the camera frame, decimetres
    pixel_size: float  # decimetres that one crop pixel covers at the depth of the head


class DepthMap(NamedTuple):
    """What an estimator returns, on the pixels of the crop."""

    depth: np.ndarray  # [H, W] camera z up to scale and shift; larger is farther
    normals: np.ndarray  # [3, H, W] unit; x right, y up, z toward the viewer


class DepthEstimator(Protocol):
    """Anything that gives depth and normals for a head."""

    name: str

    def __call__(self, view: HeadView) -> DepthMap:
        """Estimate depth and normals inside the mask; values outside it are not used."""
        ...
