"""From one portrait to the point cloud of a head in the head frame: eq. 1.

The step that the paper leaves open is how the relative surface of BiNI gets into the canonical frame. Here it is::

    depth, normals ──► BiNI surface z (pixels, free gauge)
                            │  least squares of scale and shift against the tracked mesh, on the face's pixels
                            ▼
                       camera depth (decimetres) ──► unproject ──► pose inverse ──► P_c (head frame)

The face model is symmetric, so its fitted pose puts the symmetry plane of the head at x = 0, and mirroring is right.
"""

from __future__ import annotations

import math
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mggtalk.config import DSGRConfig
from mggtalk.depth.estimator import DepthMap, HeadView
from mggtalk.depth.raster import MeshRaster
from mggtalk.depth.scale import ScaleShift, fit_scale_shift
from mggtalk.dsgr.bini import integrate_normals
from mggtalk.geometry import camera_to_head, unproject
from mggtalk.nets.maps import dilate

STEEPEST = 3.0
"""Steepest slope of the surface, depth over width. A pixel that falls away more steeply shows next to nothing of what
it would have to cover when the head turns; the mirrored half and the back of the head do."""

RIM, MESH_EDGE = 12, 4
"""Pixels of the position map over which a steeper rim is brought forward, and over which it reaches into the face mesh:
the mesh knows the slopes of the face, but is cut off at the cheeks."""


class CropCamera(NamedTuple):
    """Place of the square head crop in the square portrait, and the portrait's camera."""

    x0: float  # left edge in portrait pixels
    y0: float  # upper edge in portrait pixels
    side: float  # side of the crop in portrait pixels
    map_size: int  # pixels of the crop's side
    focal: float  # of the portrait, pixels
    centre: tuple[float, float]  # principal point of the portrait, pixels

    def pixel_grid(self) -> Tensor:
        """Portrait pixel coordinates ``[H, W, 2]`` of the crop's pixel centres."""
        steps = (torch.arange(self.map_size) + 0.5) * (self.side / self.map_size)
        y, x = torch.meshgrid(self.y0 + steps, self.x0 + steps, indexing="ij")
        return torch.stack([x, y], dim=-1)  # [H, W, 2]

    def to_crop(self, pixels: Tensor) -> Tensor:
        """Portrait pixels ``[..., 2]`` to crop pixels."""
        origin = torch.tensor((self.x0, self.y0), dtype=pixels.dtype)
        return (pixels - origin) * (self.map_size / self.side)


def coarse_cloud(
    view: HeadView,
    estimate: DepthMap,
    raster: MeshRaster,
    camera: CropCamera,
    rotation: Tensor,
    translation: Tensor,
    config: DSGRConfig,
) -> tuple[Tensor, ScaleShift]:
    """BiNI surface placed in the head frame: the coarse point cloud ``P_c`` of eq. 1.

    Args:
        view: The head crop.
        estimate: Depth and normals of the crop.
        raster: The tracked mesh on the crop.
        camera: Place of the crop in the portrait.
        rotation: Source head rotation ``[3, 3]``.
        translation: Source head translation ``[3]``.
        config: BiNI settings.

    Returns:
        Position map ``[3, H, W]`` in the head frame (decimetres, defined on the whole mask), and the fit of its scale.
    """
    mask = view.mask > 0.02
    on_face = (raster.triangle >= 0) & mask
    target = np.where(on_face, raster.depth, 0.0)
    # The estimator's depth has a free scale, its normals have none: bring it to theirs, or the two pull apart.
    metric = fit_scale_shift(estimate.depth, target, on_face & np.isfinite(estimate.depth))
    prior = (metric.scale * estimate.depth + metric.shift) / view.pixel_size
    surface = integrate_normals(
        torch.from_numpy(estimate.normals),
        torch.from_numpy(mask),
        depth_prior=torch.from_numpy(prior.astype(np.float32)),
        prior_weight=1e-3,
        k=config.bini_k,
        iterations=config.bini_iterations,
        tolerance=config.bini_tolerance,
    ).depth.numpy()
    relative = np.where(mask, np.nan_to_num(surface), 0.0) * view.pixel_size
    fit = fit_scale_shift(relative, target, on_face)
    depth = torch.from_numpy((fit.scale * relative + fit.shift).astype(np.float32))  # [H, W]
    beside = dilate(torch.from_numpy(raster.triangle < 0).float()[None], MESH_EDGE)[0] > 0
    depth = torch.where(beside, ease_rim(depth, torch.from_numpy(mask), STEEPEST * view.pixel_size), depth)
    points = unproject(camera.pixel_grid(), depth, camera.focal, camera.centre)  # [H, W, 3]
    head = camera_to_head(points.reshape(-1, 3), rotation, translation)  # [H*W, 3]
    return head.T.reshape(3, *depth.shape).contiguous(), fit  # [3, H, W]


def ease_rim(depth: Tensor, mask: Tensor, rise: float, reach: int = RIM) -> Tensor:
    """Bring forward what falls away more steeply than a given slope.

    ::

        eased(x) = min over y of depth(y) + rise |x - y|

    Args:
        depth: Camera depth ``[H, W]``.
        mask: ``[H, W]`` bool, where it counts.
        rise: Most that depth may grow from a pixel to the next.
        reach: Farthest ``y``, pixels.

    Returns:
        ``[H, W]``; unchanged outside the mask.
    """
    eased = torch.where(mask, depth, torch.inf)
    for _ in range(reach):
        padded = F.pad(eased, (1, 1, 1, 1), value=torch.inf)  # [H + 2, W + 2]
        for down, right in product((0, 1, 2), repeat=2):
            step = rise * math.hypot(down - 1, right - 1)
            eased = torch.minimum(eased, padded[down : down + depth.shape[0], right : right + depth.shape[1]] + step)
    return torch.where(mask, eased, depth)
