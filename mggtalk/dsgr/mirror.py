"""The mirrored half of the head, eq. 3: ``P_f^s = F_voxel(P_f * [-1, 1, 1])``, made to agree with the photograph.

No head is exactly symmetric, and no pose is exact. A mirrored point that would be seen beside the head in the portrait
is pulled to the silhouette, if it is near, together with its neighbours; the mirrored cheek of a turned head then ends
where the portrait says that the cheek ends. What is farther out, or in front of what the portrait shows, is dropped.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from mggtalk.config import DSGRConfig
from mggtalk.dsgr.reconstruct import CropCamera
from mggtalk.dsgr.voxel_filter import voxel_filter
from mggtalk.geometry import camera_to_head, head_to_camera, mirror_points, project

REACH = 24
"""Pixels of the position map over which a mirrored point is pulled back to the silhouette."""

RIM_DEPTH = 0.15
"""Decimetres by which a point that was pulled to the silhouette may lie before the portrait's surface there."""

SMOOTH, INSET = 9, 3
"""Side in pixels of the neighbourhood over which that pull is averaged: the nearest pixels of a ragged silhouette are
few, and points would gather on them. Averages miss their targets, which therefore lie so many pixels inside."""

SPECK = 7
"""Side in pixels of the neighbourhood of which :data:`SHARE` must pass the voxel filter: specks are errors of the
depth, and so are pinholes."""

SHARE = 0.4

LEAST = 100
"""Pixels of the smallest part that is kept: less is no side of a head, but a slip of the pose."""


class MirroredHalf(NamedTuple):
    """What is kept of the mirror image."""

    kept: Tensor  # [H, W] bool, on the pixels of the visible twins; M of them
    points: Tensor  # [M, 3] head frame, in the row-major order of the kept pixels


def mirrored_half(
    points: Tensor, mask: Tensor, camera: CropCamera, rotation: Tensor, translation: Tensor, config: DSGRConfig
) -> MirroredHalf:
    """Mirror the visible points and filter them.

    Args:
        points: ``P_f`` as a map ``[3, H, W]``, head frame.
        mask: ``[H, W]`` bool, pixels that show the head.
        camera: Place of the crop in the portrait.
        rotation: Source head rotation ``[3, 3]``.
        translation: Source head translation ``[3]``.
        config: Voxel size and switches.

    Returns:
        The mirrored points that are kept.
    """
    if not config.mirror or not bool(mask.any()):
        return MirroredHalf(torch.zeros_like(mask), points.new_zeros(0, 3))
    original = points.permute(1, 2, 0)[mask]  # [N, 3]
    mirrored = mirror_points(original)
    chosen = mask.clone()
    if config.filter:
        mirrored, agrees = _agree_with_portrait(original, mirrored, mask, camera, rotation, translation)
        kept = agrees & voxel_filter(original, mirrored, config.voxel_size, config.thickness, config.drop_hidden)
        chosen[mask] = kept
        around = F.avg_pool2d(chosen.float()[None, None], SPECK, stride=1, padding=SPECK // 2)[0, 0]
        chosen[mask] = agrees & (around > SHARE)[mask]
        labels, _ = ndimage.label(chosen.numpy())
        chosen &= torch.from_numpy(np.bincount(labels.ravel())[labels] >= LEAST)
    return MirroredHalf(chosen, mirrored[chosen[mask]])


def _agree_with_portrait(
    original: Tensor, mirrored: Tensor, mask: Tensor, camera: CropCamera, rotation: Tensor, translation: Tensor
) -> tuple[Tensor, Tensor]:
    """Pull mirrored points ``[N, 3]`` inside the silhouette; ``[N]`` bool: which the portrait does not contradict."""
    size = camera.map_size
    solid = ndimage.binary_erosion(mask.numpy(), iterations=INSET)
    distance, nearest = ndimage.distance_transform_edt(~solid, return_indices=True)
    target = torch.from_numpy(np.stack([nearest[1], nearest[0]], axis=-1)) + 0.5  # [H, W, 2] x, y
    in_camera = head_to_camera(mirrored, rotation, translation)
    pixel = camera.to_crop(project(in_camera, camera.focal, camera.centre))  # [N, 2]
    inside = ((pixel >= 0) & (pixel < size)).all(-1)
    x, y = pixel.floor().long().clamp(0, size - 1).unbind(-1)
    outside = torch.from_numpy(distance)[y, x]  # [N] pixels to the silhouette
    pull = torch.where(outside[:, None] > 0, target[y, x] - pixel, torch.zeros_like(pixel)).float()
    pull = _smooth(pull, mask)
    shift = pull * (camera.side / size) * in_camera[:, 2:] / camera.focal  # decimetres
    in_camera = torch.cat([in_camera[:, :2] + shift, in_camera[:, 2:]], dim=-1)
    depth = torch.full(mask.shape, -float("inf"))
    depth[mask] = head_to_camera(original, rotation, translation)[:, 2]
    x, y = (pixel + pull).floor().long().clamp(0, size - 1).unbind(-1)
    allowed = torch.where(outside > 0, RIM_DEPTH, 0.0)  # at the very rim the portrait's depth is a guess
    agrees = inside & (outside <= REACH) & mask[y, x] & (in_camera[:, 2] > depth[y, x] - allowed)
    return camera_to_head(in_camera, rotation, translation), agrees


def _smooth(values: Tensor, mask: Tensor) -> Tensor:
    """Average values ``[N, C]`` of the points over their neighbourhoods on the position map."""
    grid = torch.zeros(values.shape[1] + 1, *mask.shape)
    grid[:, mask] = torch.cat([values, torch.ones(len(values), 1)], dim=1).T  # [C + 1, H, W]
    blurred = F.avg_pool2d(grid[None], SMOOTH, stride=1, padding=SMOOTH // 2, count_include_pad=False)[0][:, mask]
    return (blurred[:-1] / blurred[-1:]).T  # [N, C]
