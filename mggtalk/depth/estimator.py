"""The interfaces that depth estimators implement: one of a head, one of a plain picture."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from mggtalk.runtime.progress import Progress, no_progress


class HeadView(NamedTuple):
    """A square crop around the head, with the tracked face mesh in it."""

    image: np.ndarray  # [h, h, 3] float32 in [0, 1]; h is at least H, and more where the portrait has more pixels
    mask: np.ndarray  # [H, W] soft head weight in [0, 1]
    vertices: np.ndarray  # [V, 3] fitted mesh in the camera frame, decimetres
    pixels: np.ndarray  # [V, 2] the same vertices in pixels of the crop
    triangles: np.ndarray  # [F, 3]
    centre: np.ndarray  # [3] middle of the skull in the camera frame, decimetres
    pixel_size: float  # decimetres that one crop pixel covers at the depth of the head


class DepthMap(NamedTuple):
    """Result of an estimator, on the pixels of the crop."""

    depth: np.ndarray  # [H, W] camera z up to scale and shift; larger is farther
    normals: np.ndarray  # [3, H, W] unit; x right, y up, z toward the viewer


class DepthEstimator(Protocol):
    """Anything that gives depth and normals for a head."""

    name: str

    def __call__(self, view: HeadView, on_progress: Progress = no_progress) -> DepthMap:
        """Estimate depth and normals inside the mask; values outside it are not used."""
        ...


class PictureEstimate(NamedTuple):
    """Estimate of a network about a picture. At least one of depth and normals is there."""

    depth: np.ndarray | None = None  # [h, w] up to scale and shift; larger is farther, or nearer if it is disparity
    disparity: bool = False  # the depth is an inverse depth
    normals: np.ndarray | None = None  # [3, h, w] x right, y up, z toward the viewer, unless ``signs_known`` is false
    signs_known: bool = True  # false: each axis of the normals may point either way


class PictureEstimator(Protocol):
    """A network that looks at a picture and knows nothing of faces; :mod:`mggtalk.depth.fusion` makes use of it."""

    name: str
    wants_cut_out: bool  # it expects the head alone, before black

    def __call__(self, picture: np.ndarray, on_progress: Progress = no_progress) -> PictureEstimate:
        """Estimate depth, normals or both for float32 RGB ``[h, w, 3]`` in [0, 1]."""
        ...
