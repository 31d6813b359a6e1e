"""From one portrait to the point cloud of a head in the head frame: eq. 1.

The step that the paper leaves open is how the relative surface of BiNI gets into the canonical frame. Here it is::

    depth, normals ──► BiNI surface z (pixels, free gauge)
                            │  least squares of scale and shift against the tracked mesh, on the face's pixels
                            ▼
                       camera depth (decimetres) ──► unproject ──► pose inverse ──► P_c (head frame)

The face model is symmetric, so its fitted pose puts the symmetry plane of the head at x = 0, and mirroring is right.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mggtalk.config import DSGRConfig
from mggtalk.depth.estimator import DepthMap, HeadView
from mggtalk.depth.raster import MeshRaster
from mggtalk.depth.scale import ScaleShift, fit_scale_shift
from mggtalk.dsgr.bini import integrate_normals
from mggtalk.geometry import camera_to_head, unproject


class CropCamera(NamedTuple):
    """Where the square head crop lies in the square portrait, and the portrait's camera."""

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
    points = unproject(camera.pixel_grid(), depth, camera.focal, camera.centre)  # [H, W, 3]
    head = camera_to_head(points.reshape(-1, 3), rotation, translation)  # [H*W, 3]
    return head.T.reshape(3, *depth.shape).contiguous(), fit  # [3, H, W]
