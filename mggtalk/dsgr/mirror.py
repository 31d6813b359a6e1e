"""The mirrored half of the head, eq. 3: ``P_f^s = F(P_f * [-1, 1, 1])``, and what it replaces of the visible one.

Both halves stand in the head frame. On the far side of a turned head a seam is laid: before it the portrait's own
points stay, behind it their twins take over (see :mod:`mggtalk.dsgr.seam`), by how well the portrait saw either
(:mod:`mggtalk.dsgr.trust`). Which two points are the same place of the head is known on the face, by its model.

A mirrored point that would be seen beside the head in the portrait is pulled to the silhouette, if it is near, together
with its neighbours. What is farther out is dropped. The detail of a twin
comes in the light of its own side: the ratio of the two halves' colours, where both were seen, goes with it.

The paper's voxel filter stands in :mod:`mggtalk.dsgr.voxel_filter`, for the ablation.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from mggtalk.config import DSGRConfig
from mggtalk.dsgr.reconstruct import CropCamera
from mggtalk.dsgr.seam import BLEND, Half, Seam, find_seam
from mggtalk.dsgr.voxel_filter import voxel_filter
from mggtalk.geometry import camera_to_head, head_to_camera, mirror_points, project
from mggtalk.nets.maps import step

REACH = 24
"""Pixels of the position map over which a mirrored point is pulled back to the silhouette."""

RIM_DEPTH = 0.15
"""Decimetres by which a point at the silhouette may lie before the portrait's surface there."""

SMOOTH, INSET = 9, 3
"""Side in pixels of the neighbourhood over which that pull is averaged: the nearest pixels of a ragged silhouette are
few, and points would gather on them. Averages miss their targets, which therefore lie so many pixels inside."""

MEETING = 0.16
"""Decimetres within which two points count as the same place of the head: what two halves of a real one differ by."""

SPECK, SHARE = 7, 0.4
"""Side in pixels of the neighbourhood of which that share must be kept: specks are errors of the depth, and so are
pinholes."""

LEAST = 100
"""Pixels of the smallest part that is kept: less is no side of a head, but a slip of the pose."""

LIGHT_BLUR = 11
"""Side in pixels of the position map of the neighbourhood whose light is compared: detail is not light."""

MOST_LIGHT = 1.3
"""By how much the light of a side may differ from that of the other."""

BESIDE = 0.3
"""Decimetres from the middle of the face from which the two halves are fully compared."""


class MirroredHalf(NamedTuple):
    """The kept part of the mirror image, and of the visible points."""

    kept: Tensor  # [H, W] bool, on the pixels of the visible twins; M of them
    points: Tensor  # [M, 3] head frame, in the row-major order of the kept pixels
    colour: Tensor  # [M, 3] RGB to add to the twins'
    replaced: Tensor  # [N] in [0, 1], how much of each visible point is replaced where the head is seen from the front
    replacing: Tensor  # [M] in [0, 1], how much each mirrored point stands where visible ones are replaced


class VisibleHead(NamedTuple):
    """The visible half of a head, on the position map. N pixels of it are points."""

    points: Tensor  # [3, H, W] P_f, head frame
    colour: Tensor  # [3, H, W] RGB
    weight: Tensor  # [H, W] soft head weight
    mask: Tensor  # [H, W] bool, the N points
    camera: CropCamera
    rotation: Tensor  # [3, 3] source pose
    translation: Tensor  # [3]
    trust: Tensor  # [N] how well each was seen
    face: Tensor  # [N] bool: in the face, where the model knows the twin
    eye: Tensor  # [N] bool: of an eye
    axis: float  # z of the vertical axis through the head, decimetres
    slightly: bool  # whether it is hardly turned, so that hair above the ears does not give way
    shift: Tensor  # [N, 3] by how much the mirror image of each differs from an exact one


class _Sight(NamedTuple):
    """Points as the portrait would see them."""

    pixel: Tensor  # [N, 2] on the position map
    depth: Tensor  # [N] camera z
    surface: Tensor  # [N] camera z of what the portrait shows there, inf beside the head


def mirror_half(head: VisibleHead, config: DSGRConfig) -> MirroredHalf:
    """Mirror the visible points, and let the better-seen half win.

    Args:
        head: The visible points.
        config: Voxel size and switches.

    Returns:
        What is kept of both halves.
    """
    mask = head.mask
    replaced = replacing = torch.zeros(int(mask.sum()))  # [N]
    if not config.mirror or not bool(mask.any()):
        none = head.points.new_zeros(0, 3)
        return MirroredHalf(torch.zeros_like(mask), none, none, replaced, none[:, 0])
    original = head.points.permute(1, 2, 0)[mask]  # [N, 3]
    mirrored = mirror_points(original) + head.shift
    usable = (head.weight > 0.9)[mask]
    light = torch.zeros_like(mirrored)  # [N, 3]
    if config.filter:
        mirrored, agrees = _pull_inside(mirrored, head)
        usable &= agrees
    if config.filter and config.trust:
        side = _relight(mirrored, head)  # [3]
        seam = _lay_seam(original, mirrored, usable, side, head)
        replaced = step(seam.behind(original), 0.0, BLEND)
        usable &= seam.behind(mirrored) > 0.0
        mirrored, gain = seam.join(mirrored)
        replacing = 1.0 - step(seam.beyond(mirrored, original[(head.weight > 0.9)[mask]]), -BLEND, 0.0)
        if head.slightly:  # seen from further aside, twins would stand out beside the head
            replacing = torch.ones_like(replacing)
        light = head.colour[:, mask].T * ((side + gain).exp() - 1.0)
    elif config.filter:
        kept = usable & ~_in_front(mirrored, head)
        kept &= voxel_filter(original, mirrored, config.voxel_size, config.thickness, config.drop_hidden)
        usable &= _without_specks(_scatter(kept, mask), mask)[mask]
    chosen = _scatter(usable, mask)
    return MirroredHalf(chosen, mirrored[usable], light[usable], replaced, replacing[usable])


def _lay_seam(original: Tensor, mirrored: Tensor, usable: Tensor, side: Tensor, head: VisibleHead) -> Seam:
    """Lay the seam between visible points ``[N, 3]`` and those of their mirror images that are ``usable [N]``.

    Args:
        original: Visible points.
        mirrored: Their mirror images.
        usable: Which of these are.
        side: Log gain ``[3]`` of colour from one side to the other.
        head: The portrait's.
    """
    eye = camera_to_head(torch.zeros(1, 3), head.rotation, head.translation)[0]  # the camera, on the near side
    colour = head.colour[:, head.mask].T  # [N, 3]
    own = Half(original, colour, head.trust, head.eye, head.face).select((head.weight > 0.9)[head.mask])
    twins = Half(mirrored, colour * side.exp(), head.trust, head.eye, head.face).select(usable)
    return find_seam(own, twins, head.axis, math.atan2(float(eye[0]), float(eye[2])), head.slightly)


def _scatter(values: Tensor, mask: Tensor) -> Tensor:
    """Put values ``[N]`` on their pixels of a map ``[H, W]``."""
    grid = torch.zeros(mask.shape, dtype=values.dtype)
    grid[mask] = values
    return grid


def _in_front(mirrored: Tensor, head: VisibleHead) -> Tensor:
    """Tell which mirrored points ``[N, 3]`` would cover in the portrait what it shows, ``[N]`` bool."""
    sight = _look(mirrored, head)
    x, y = _cells(sight.pixel, head.mask)
    edge = ndimage.binary_erosion(head.mask.numpy(), iterations=INSET)  # at the rim the portrait's depth is a guess
    allowed = torch.where(torch.from_numpy(edge)[y, x], 0.0, RIM_DEPTH)
    return sight.depth < sight.surface - allowed


def _without_specks(chosen: Tensor, mask: Tensor) -> Tensor:
    """Smooth a choice ``[H, W]`` of pixels and drop its small parts."""
    around = F.avg_pool2d(chosen.float()[None, None], SPECK, stride=1, padding=SPECK // 2)[0, 0]
    chosen = mask & (around > SHARE)
    labels, _ = ndimage.label(chosen.numpy())
    return chosen & torch.from_numpy(np.bincount(labels.ravel())[labels] >= LEAST)


def _cells(pixel: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Column and row ``[N]`` of places ``[N, 2]`` on the position map."""
    x, y = pixel.floor().long().unbind(-1)
    return x.clamp(0, mask.shape[1] - 1), y.clamp(0, mask.shape[0] - 1)


def _look(points: Tensor, head: VisibleHead) -> _Sight:
    """Head-frame points ``[N, 3]`` as the portrait would see them."""
    in_camera = head_to_camera(points, head.rotation, head.translation)
    pixel = head.camera.to_crop(project(in_camera, head.camera.focal, head.camera.centre))  # [N, 2]
    depth = torch.full(head.mask.shape, torch.inf)
    depth[head.mask] = head_to_camera(head.points.permute(1, 2, 0)[head.mask], head.rotation, head.translation)[:, 2]
    x, y = _cells(pixel, head.mask)
    return _Sight(pixel, in_camera[:, 2], depth[y, x])


def _relight(mirrored: Tensor, head: VisibleHead) -> Tensor:
    """Log gain of colour ``[3]`` that gives mirrored points ``[N, 3]`` the light of their own side.

    One ratio of the halves per channel, the weighted median over the places of the face that were both seen, and the
    nearer to 1 the fewer there are.
    """
    sight = _look(mirrored, head)
    x, y = _cells(sight.pixel, head.mask)
    around = torch.cat([head.colour * head.weight, head.weight[None]])[None]  # [1, 4, H, W]
    around = F.avg_pool2d(around, LIGHT_BLUR, stride=1, padding=LIGHT_BLUR // 2)[0]
    light = (around[:3] / around[3:].clamp(min=1e-3)).clamp(min=0.02).log()  # [3, H, W]
    ratio = light[:, y, x].T - light[:, head.mask].T  # [N, 3]
    seen = (
        head.trust
        * step(_scatter(head.trust, head.mask)[y, x], 0.3, 0.9)
        * (mirrored[:, 0].abs() / BESIDE).clamp(max=1.0)
    )
    weight = torch.where(~head.face | ((sight.depth - sight.surface).abs() > MEETING), 0.0, seen)  # [N]
    order = ratio.argsort(0)  # [N, 3]
    half = (weight[order].cumsum(0) < weight.sum() / 2).sum(0).clamp(max=len(ratio) - 1)  # [3]
    median = ratio.gather(0, order).gather(0, half[None])[0] * weight.sum() / (weight.sum() + LEAST)
    return median.clamp(-math.log(MOST_LIGHT), math.log(MOST_LIGHT))


def _pull_inside(mirrored: Tensor, head: VisibleHead) -> tuple[Tensor, Tensor]:
    """Pull mirrored points ``[N, 3]`` inside the silhouette; ``[N]`` bool: which were near enough to it."""
    camera, mask, size = head.camera, head.mask, head.camera.map_size
    solid = ndimage.binary_erosion(mask.numpy(), iterations=INSET)
    distance, nearest = ndimage.distance_transform_edt(~solid, return_indices=True)
    target = torch.from_numpy(np.stack([nearest[1], nearest[0]], axis=-1)) + 0.5  # [H, W, 2] x, y
    in_camera = head_to_camera(mirrored, head.rotation, head.translation)
    pixel = camera.to_crop(project(in_camera, camera.focal, camera.centre))  # [N, 2]
    inside = ((pixel >= 0) & (pixel < size)).all(-1)
    x, y = _cells(pixel, mask)
    outside = torch.from_numpy(distance)[y, x]  # [N] pixels to the silhouette
    pull = torch.where(outside[:, None] > 0, target[y, x] - pixel, torch.zeros_like(pixel)).float()
    pull = _average(pull, mask)
    shift = pull * (camera.side / size) * in_camera[:, 2:] / camera.focal  # decimetres
    in_camera = torch.cat([in_camera[:, :2] + shift, in_camera[:, 2:]], dim=-1)
    x, y = _cells(pixel + pull, mask)
    return camera_to_head(in_camera, head.rotation, head.translation), inside & (outside <= REACH) & mask[y, x]


def _average(values: Tensor, mask: Tensor) -> Tensor:
    """Average values ``[N, C]`` of the points over their neighbourhoods on the position map."""
    grid = torch.zeros(values.shape[1] + 1, *mask.shape)
    grid[:, mask] = torch.cat([values, torch.ones(len(values), 1)], dim=1).T  # [C + 1, H, W]
    blurred = F.avg_pool2d(grid[None], SMOOTH, stride=1, padding=SMOOTH // 2, count_include_pad=False)[0][:, mask]
    return (blurred[:-1] / blurred[-1:]).T  # [N, C]
