"""The neck and the shoulders follow the head: a soft warp of the torso plate.

Points of the neck are taken on a plane through the head's pivot, parallel to the image; long hair lies before it, by
``nearer`` decimetres (:mod:`mggtalk.portrait.hair_depth`), so that it goes where the head's hair goes. With the motion
of the head ``H`` (source pose to driven pose, projected) and that of the shoulders ``A`` (a similarity, where a
driver's were followed), a torso pixel ``p`` moves to ``q = A(p) + w(p) (H(p) - A(p))``. The weight ``w`` is 1 at the
rim of the head and falls to 0 below, within a reach that grows with how far the head went from the shoulders: skin
slides under the jaw, so the neck gives way as near to it as it can without folding, and shoulders that nobody followed
go along with a head that goes far. The renderer needs the inverse, ``p`` for a given ``q``, which a few fixed-point
steps on a coarse grid find. The plate ends at its lower border: a body that rises is stretched above it,
``dy <- dy (1 - exp(-r / (STRETCH dy)))`` at the distance ``r`` from the border.

Its compiled twin: :mod:`mggtalk.inpaint.compiled.frame`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from mggtalk.geometry import (
    angle_between,
    camera_to_head,
    constant,
    head_to_camera,
    project,
    unproject,
    view_direction,
)
from mggtalk.inpaint.plates import SHOULDER, Plates
from mggtalk.nets.maps import step
from mggtalk.scene import STILL_TORSO, MotionFrame

PIVOT_DEPTH = 0.8
"""Decimetres from the head's origin (in the face) back to the axis that the neck turns about."""

GRID = 64
"""Side of the coarse grid on which the warp is solved."""

STEPS = 8
"""Fixed-point steps."""

STRETCH = 2.0
"""Ways of a rising body over which it is stretched above the lower border, twice as high at the border itself."""

LEAST_REACH = 0.15
"""Least reach of the head's pull over that of ``follow``, which is the most."""

FOLLOWED, FREE = 2.0, 5.0
"""Reach over that at which the weight falls by one while the head goes from the shoulders by as much: where these were
followed, and where they were not."""

PARTING = (math.radians(4.0), math.radians(10.0))
"""Angles between two views from which on what head and torso both have, hair beside the cheek and ear lobes beside the
jaw, begins to be only one's, and is."""

NECK = (0.0, -0.8, -0.8)
"""Place in the head frame at which its way from the shoulders is measured."""


def steepness(follow: Tensor) -> Tensor:
    """Steepest fall of a weight ``[1, S, S]`` over the side of the picture."""
    down, right = follow[0].diff(dim=0)[:, 1:], follow[0].diff(dim=1)[1:]  # [S - 1, S - 1]
    return (down.square() + right.square()).max().sqrt() * follow.shape[-1]


def neck_reach(steep: Tensor, source: MotionFrame, driven: MotionFrame, focal_ratio: float) -> Tensor:
    """Compute how far down the neck the head pulls, ``[B]``, 1 where as far as ``follow``.

    Args:
        steep: :func:`steepness` of ``follow``.
        source: Pose of the portrait.
        driven: Pose of the frame, or of B frames.
        focal_ratio: Focal length over the side of the square.
    """
    neck = constant(NECK, steep)[None]  # [1, 3]
    before, after = (
        project(head_to_camera(neck, pose.rotation, pose.translation), focal_ratio, (0.5, 0.5))
        for pose in (source, driven)
    )  # [1, 2], [..., 1, 2] units of the side
    torso = driven.torso.to(steep)
    below = before @ torso[..., :2].mT + torso[..., None, :, 2]  # [..., 1, 2]
    way = (after - below).norm(dim=-1).flatten()  # [B]
    followed = (torso != STILL_TORSO.to(torso)).flatten(-2).any(dim=-1).flatten()  # [B]
    return (torch.where(followed, FOLLOWED, FREE) * steep * way).clamp(LEAST_REACH, 1.0)


def neck_weight(follow: Tensor, reach: Tensor) -> Tensor:
    """Shorten the reach of the head's pull to the neck.

    ``w = 1 - s(t)`` of the depth ``t`` below the rim, with ``s(t) = 3t^2 - 2t^3``, becomes ``1 - s(min(t / r, 1))``.

    Args:
        follow: Weights of any shape in [0, 1].
        reach: ``r``, in (0, 1]; broadcasts.
    """
    depth = 0.5 - torch.sin(torch.asin((2.0 * follow - 1.0).clamp(-1.0, 1.0)) / 3.0)
    nearer = (depth / reach).clamp(0.0, 1.0)
    return 1.0 - nearer * nearer * (3.0 - 2.0 * nearer)


def torso_warp(plates: Plates, source: MotionFrame, driven: MotionFrame, focal_ratio: float) -> Tensor:
    """Compute where each pixel of the new frame comes from in the torso plate.

    Args:
        plates: With ``follow`` and ``nearer [1, S, S]``.
        source: Pose of the portrait.
        driven: Pose of the frame, or of B frames.
        focal_ratio: Focal length over the side of the square.

    Returns:
        Offset to the place in the plate, ``[B, 2, GRID, GRID]`` (x, y) in units of the side; zero without motion.
    """
    follow = plates.follow
    steps = (torch.arange(GRID, dtype=follow.dtype, device=follow.device) + 0.5) / GRID
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    target = torch.stack([x, y], dim=-1)  # [G, G, 2] in units of the side
    depth = source.translation[2] + PIVOT_DEPTH
    pose = driven._replace(rotation=driven.rotation.view(-1, 3, 3), translation=driven.translation.view(-1, 3))
    place = target.expand(len(pose.rotation), GRID, GRID, 2)
    torso = driven.torso.to(place).view(-1, 1, 2, 3)  # [B or 1, 1, 2, 3]
    reach = neck_reach(steepness(follow), source, driven, focal_ratio).view(-1, 1, 1)  # [B, 1, 1]
    maps = torch.cat([follow, plates.nearer]).expand(len(place), 2, *follow.shape[1:])  # [B, 2, S, S]
    for _ in range(STEPS):
        sampled = F.grid_sample(maps, place * 2 - 1, padding_mode="border", align_corners=False)  # [B, 2, G, G]
        weight = neck_weight(sampled[:, 0], reach)  # [B, G, G]
        moved = _move(place, depth - sampled[:, 1], source, pose, focal_ratio)
        below = place @ torso[..., :2].mT + torso[..., None, :, 2]  # [B, G, G, 2]
        place = place + target - (below + weight[..., None] * (moved - below))  # [B, G, G, 2]
    across, down = (place - target).unbind(-1)  # [B, G, G] each
    stretched = 1.0 - torch.exp((y - steps[-1]) / (STRETCH * down.clamp(min=1e-6)))
    return torch.stack([across, torch.where(down > 0, down * stretched, down)], dim=1)  # [B, 2, G, G]


def _move(place: Tensor, depth: Tensor, source: MotionFrame, driven: MotionFrame, focal_ratio: float) -> Tensor:
    """Compute where points ``[B, G, G, 2]`` (units of the side) at depths ``[B, G, G]`` go with the head."""
    flat = place.flatten(1, 2)  # [B, G*G, 2]
    points = unproject(flat, depth.flatten(1), focal_ratio, (0.5, 0.5))
    head = camera_to_head(points, source.rotation, source.translation)
    return project(head_to_camera(head, driven.rotation, driven.translation), focal_ratio, (0.5, 0.5)).view_as(place)


def shed_loose(plates: Plates, source: MotionFrame, driven: MotionFrame) -> Plates:
    """Take from the torso what is the head's alone once it has turned.

    In the portrait's own view an ear lobe beside the jaw is the torso's as well, so that nothing opens between lobe and
    cheek; from aside it would hang in the air.

    Args:
        plates: Layers of any size.
        source: Pose of the portrait.
        driven: Pose of the frame, or of B frames.

    Returns:
        Plates with ``torso [4, S, S]``, or ``[B, 4, S, S]``.
    """
    return plates._replace(torso=plates.torso * (1.0 - parting(source, driven)[..., None, None, None] * plates.loose))


def parting(source: MotionFrame, driven: MotionFrame) -> Tensor:
    """Share ``[...]`` in [0, 1] by which head and torso have parted, see :data:`PARTING`."""
    own, now = (view_direction(pose.rotation, pose.translation) for pose in (source, driven))
    return step(angle_between(own, now), *PARTING)


def torso_and_background(plates: Plates, warp: Tensor, size: int) -> Tensor:
    """Frames without their head: warped torso over the background.

    Args:
        plates: Layers already resized to ``size``.
        warp: Offsets of :func:`torso_warp`.
        size: Side of the frame in pixels.

    Returns:
        RGB ``[B, 3, size, size]``.
    """
    torso = warp_torso(plates.torso, warp, size)  # [B, 4, size, size]
    return torso[:, :3] + (1.0 - torso[:, 3:]) * plates.background  # [B, 3, size, size]


def warp_torso(plate: Tensor, warp: Tensor, size: int) -> Tensor:
    """Move a layer of the torso ``[C, size, size]``, or B layers, by :func:`torso_warp`: ``[B, C, size, size]``."""
    offset = F.interpolate(warp, size=(size, size), mode="bilinear", align_corners=False)  # [B, 2, size, size]
    steps = (torch.arange(size, dtype=warp.dtype, device=warp.device) + 0.5) / size
    x, y = steps + offset[:, 0], steps[:, None] + offset[:, 1]  # [B, size, size]
    beyond = (x - x.clamp(0, 1)).abs()  # beside the picture
    grid = torch.stack([x, y - SHOULDER * beyond], dim=-1) * 2 - 1  # [B, size, size, 2]
    layers = plate.expand(len(grid), *plate.shape[-3:])
    return F.grid_sample(layers, grid, padding_mode="border", align_corners=False)  # [B, C, size, size]
