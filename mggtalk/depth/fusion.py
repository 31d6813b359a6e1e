"""A network's estimate and the tracked face mesh made one: each where it knows more.

The network sees hair, ears, neck and glasses, which the mesh only guesses; the mesh knows where the landmarks are, and
the network may be wrong about that, or about everything. A confidence says which to believe, pixel by pixel::

    network depth ─► affine ─► scale and shift of the mesh ──┐
    network normals, or those of its depth ─► signs checked ─┤   confidence = trust x agreement
    mesh depth and normals (face exact, hair guessed) ───────┴─► blend ─► BiNI

*Agreement* is how close the network comes to the mesh at this pixel, in depth and in direction. On the face it may
differ by what glasses and a beard need; beyond the face, where the mesh is a guess, by much more. Noise, which is
rougher than any face, agrees with nothing. *Trust* is how well the network does on the whole face: one that contradicts
the landmarks is not believed about the hair either.
"""

from __future__ import annotations

import threading
from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional as F

from mggtalk.depth.estimator import DepthMap, HeadView, PictureEstimate, PictureEstimator
from mggtalk.depth.mesh import MeshDepthEstimator, normals_from_depth
from mggtalk.depth.raster import rasterize_mesh
from mggtalk.depth.scale import fit_depth, fit_disparity
from mggtalk.runtime.progress import Progress, no_progress

FACE_TOLERANCE, HEAD_TOLERANCE = 0.20, 1.2
"""Decimetres by which a believed depth may differ from the mesh on the face, and far beyond it."""

FACE_ANGLE, HEAD_ANGLE = 30.0, 75.0
"""Degrees by which a believed normal may differ from the mesh on the face, and far beyond it."""

TRUSTED, DISTRUSTED = 15.0, 40.0
"""Degrees of median error of the smoothed normals on the face: trust falls from 1 to 0 in between."""

REACH = 0.05
"""Part of the crop's side over which the tolerances of the face become those of the head."""

ROUGHNESS = 0.08
"""Length by which the mean of neighbouring normals may fall short of the mesh's: more is noise (23 degrees of it)."""

COMPARED_AT = 1 / 64
"""Deviation of the smoothing before a comparison, over the crop's side: finer detail is nothing to contradict."""


class Blend(NamedTuple):
    """A fused estimate and how it came about."""

    depth: np.ndarray  # [H, W] camera z, decimetres
    normals: np.ndarray  # [3, H, W] unit
    confidence: np.ndarray  # [H, W] in [0, 1]; 1 is the network, 0 the mesh
    trust: float  # in [0, 1], of the network as a whole


class FusedDepthEstimator:
    """A picture network as a :class:`~mggtalk.depth.estimator.DepthEstimator` of heads.

    Args:
        network: Looks at the picture.
        mesh: Knows the face.
    """

    def __init__(self, network: PictureEstimator, mesh: MeshDepthEstimator | None = None) -> None:
        self.network = network
        self.mesh = mesh or MeshDepthEstimator()
        self.name = network.name
        self._lock = threading.Lock()  # one picture at a time: networks have schedulers, and memory for one

    def __call__(self, view: HeadView, on_progress: Progress = no_progress) -> DepthMap:
        """Estimate depth (decimetres, camera z) and normals of a head."""
        picture = view.image
        if self.network.wants_cut_out:
            mask = torch.from_numpy(view.mask)[None, None]  # [1, 1, H, W]
            soft = F.interpolate(mask, size=picture.shape[:2], mode="bilinear", align_corners=False)
            picture = picture * soft[0, 0, :, :, None].numpy()  # [h, h, 3]
        with self._lock:
            estimate = self.network(picture, on_progress)
        blend = fuse(view, estimate, self.mesh(view))
        return DepthMap(blend.depth, blend.normals)


def fuse(view: HeadView, estimate: PictureEstimate, mesh: DepthMap) -> Blend:
    """Blend a network's estimate with the mesh's.

    Args:
        view: The head.
        estimate: Of the network, any resolution.
        mesh: Of :class:`MeshDepthEstimator`.

    Returns:
        The blend; where the estimate is not finite, it is the mesh.
    """
    size = view.mask.shape[0]
    raster = rasterize_mesh(view.pixels, view.vertices[:, 2], view.triangles, size)
    face = (raster.triangle >= 0) & (view.mask > 0.5)  # [H, W]
    away = np.clip(ndimage.distance_transform_edt(~face) / (REACH * size), 0.0, 1.0)  # [H, W] 0 on the face
    depth, known = _metric_depth(estimate, mesh, face, size)
    normals, certain = _normals(estimate, depth, known, mesh, face, view.pixel_size)
    sigma = COMPARED_AT * size
    (seen, unity), (guessed, smoothness) = _smooth(normals, sigma), _smooth(mesh.normals, sigma)
    angle = np.degrees(np.arccos(np.clip((seen * guessed).sum(0), -1.0, 1.0)))  # [H, W]
    trust = _trust(angle, face & certain)
    agreement = _falloff(angle, FACE_ANGLE + away * (HEAD_ANGLE - FACE_ANGLE)) * certain
    agreement *= _falloff(np.maximum(smoothness - unity, 0.0), ROUGHNESS)
    if estimate.depth is not None:
        apart = np.abs(ndimage.gaussian_filter(np.where(known, depth - mesh.depth, 0.0), sigma))
        agreement *= _falloff(apart, FACE_TOLERANCE + away * (HEAD_TOLERANCE - FACE_TOLERANCE)) * known
    confidence = trust * ndimage.gaussian_filter(agreement, sigma)  # [H, W]
    confidence = np.where(certain & known, confidence, 0.0)
    blended = normals * confidence + mesh.normals * (1.0 - confidence)  # [3, H, W]
    blended /= np.maximum(np.linalg.norm(blended, axis=0), 1e-6)
    return Blend(
        (mesh.depth + confidence * (depth - mesh.depth)).astype(np.float32),
        blended.astype(np.float32),
        confidence.astype(np.float32),
        trust,
    )


def _metric_depth(
    estimate: PictureEstimate, mesh: DepthMap, face: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """The estimate's depth ``[H, W]`` in the mesh's decimetres, and where it is known.

    Without a depth, or with one that runs against the face, it is the mesh's.
    """
    if estimate.depth is None:
        return mesh.depth, np.isfinite(mesh.depth)
    relative = _at_size(estimate.depth[None], size)[0]
    known = np.isfinite(relative)
    fit = fit_disparity if estimate.disparity else fit_depth
    depth = fit(np.where(known, relative, 0.0), mesh.depth, face & known)
    if depth is None:
        return mesh.depth, np.zeros_like(known)
    return np.where(known, depth, mesh.depth), known


def _normals(
    estimate: PictureEstimate, depth: np.ndarray, known: np.ndarray, mesh: DepthMap, face: np.ndarray, pixel_size: float
) -> tuple[np.ndarray, np.ndarray]:
    """Unit normals ``[3, H, W]`` of the estimate, those of its depth where it has none, and where they are known."""
    if estimate.normals is None:
        return normals_from_depth(depth, pixel_size), known
    normals = _at_size(estimate.normals, depth.shape[0])
    certain = np.isfinite(normals).all(axis=0)
    normals = np.where(certain, normals, 0.0)
    length = np.linalg.norm(normals, axis=0)
    certain &= length > 1e-3
    normals = normals / np.maximum(length, 1e-3)
    if not estimate.signs_known:
        # An axis that points the wrong way runs against the mesh on the whole face.
        for axis in range(3):
            if (normals[axis] * mesh.normals[axis])[face & certain].sum() < 0:
                normals[axis] *= -1.0
    return np.where(certain, normals, mesh.normals), certain


def _trust(angle: np.ndarray, seen: np.ndarray) -> float:
    """Weigh how far the network is believed at all, from its angular errors ``[H, W]`` on the face."""
    if not seen.any():
        return 0.0
    return float(np.clip((DISTRUSTED - np.median(angle[seen])) / (DISTRUSTED - TRUSTED), 0.0, 1.0))


def _falloff(error: np.ndarray, tolerance: np.ndarray | float) -> np.ndarray:
    """1 without an error, 1/2 at the tolerance, 0 far beyond."""
    return 1.0 / (1.0 + (error / tolerance) ** 4)


def _smooth(normals: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean directions ``[3, H, W]`` of unit vectors, and how united they are, ``[H, W]``: 1 for equal ones."""
    soft = np.stack([ndimage.gaussian_filter(axis, sigma) for axis in normals])
    length = np.linalg.norm(soft, axis=0)
    return soft / np.maximum(length, 1e-6), length


def _at_size(maps: np.ndarray, size: int) -> np.ndarray:
    """Maps ``[C, h, w]`` at ``[C, size, size]``."""
    tensor = torch.from_numpy(np.ascontiguousarray(maps, dtype=np.float32))[None]
    resized = F.interpolate(tensor, size=(size, size), mode="bilinear", antialias=True, align_corners=False)
    return resized[0].numpy()
