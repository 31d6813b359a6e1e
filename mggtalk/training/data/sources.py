"""Choice of the frames of a clip that become portraits: spread over pose and expression, each useful."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mggtalk.face.lips import lip_gap
from mggtalk.face.masks import CHIN, CROWN
from mggtalk.geometry import rotation_to_euler
from mggtalk.motion.deformation import LEFT_LIDS, RIGHT_LIDS
from mggtalk.scene import Motion

TURN = math.radians(10.0)
"""Head rotation that counts as much as a change of the whole expression by one standard deviation."""

MOST_YAW = math.radians(40.0)
"""Beyond this a portrait shows too little of the far side."""

OPEN_EYES = 0.8
"""Share of the clip's usual lid gap from which eyes count as open."""

LEAST_SPREAD = 0.25
"""Least distance (see :func:`distances`) between two sources, unless the clip has nothing else."""


def lip_gaps(landmarks: Tensor) -> Tensor:
    """Mean gap between the inner lips over the height of the face, ``[T]``, for landmarks ``[T, V, 2 or 3]``."""
    return torch.from_numpy(lip_gap(landmarks)).to(landmarks) / face_heights(landmarks)


def lid_gaps(landmarks: Tensor) -> Tensor:
    """Gap between the lids, the mean of both eyes over the height of the face, ``[T]``."""
    points = landmarks[..., :2]
    gaps = [(points[:, upper] - points[:, lower]).norm(dim=-1) for upper, lower in (RIGHT_LIDS, LEFT_LIDS)]
    return (gaps[0] + gaps[1]) / 2 / face_heights(landmarks)


def face_heights(landmarks: Tensor) -> Tensor:
    """Pixels from the forehead's top to the chin, ``[T]``."""
    return (landmarks[:, CHIN, :2] - landmarks[:, CROWN, :2]).norm(dim=-1)


def distances(motion: Motion, index: int) -> Tensor:
    """Measure the distance of each frame from one of them in pose and expression.

    ``sqrt(mean (beta - beta_i)^2 + (angle / TURN)^2)``

    Args:
        motion: Of a clip.
        index: A frame.

    Returns:
        ``[T]``.
    """
    expression = (motion.expression - motion.expression[index]).square().mean(-1)
    # |R_1 - R_2|^2 = 8 sin^2(angle / 2), about 2 angle^2
    turn = 0.5 * (motion.rotation - motion.rotation[index]).square().sum((-1, -2)) / TURN**2
    return (expression + turn).sqrt()


def choose_sources(motion: Motion, count: int) -> tuple[int, ...]:
    """Choose the frames of a clip that become portraits.

    In this order, as far as the clip has them: the first frame (what evaluation starts from), the widest open mouth
    (which mostly shows teeth), the most turned head, the calmest face with closed lips; then whatever is farthest from
    those chosen. Eyes are open in all but the first, if they ever are.

    Args:
        motion: Tracked, with landmarks.
        count: How many.

    Returns:
        Different frames, the first frame first; fewer if the clip is shorter.
    """
    assert motion.landmarks is not None
    lips, lids = lip_gaps(motion.landmarks), lid_gaps(motion.landmarks)  # [T]
    angles = rotation_to_euler(motion.rotation)  # [T, 3]
    yaw = angles[:, 1].abs()
    fit = (lids >= OPEN_EYES * lids.quantile(0.75)) & (yaw <= MOST_YAW)
    if motion.found is not None:
        fit &= motion.found
    if not bool(fit.any()):
        fit = torch.ones_like(fit)
    strain = motion.expression.square().mean(-1) + (angles / TURN).square().sum(-1)
    closed = lips <= lips.quantile(0.3)
    scores = (lips, yaw, -strain + torch.where(closed, 1e3, 0.0))
    chosen = [0]
    nearest = distances(motion, 0)  # [T] to the nearest chosen frame
    for score in scores:
        allowed = fit & (nearest >= LEAST_SPREAD)
        if len(chosen) < count and bool(allowed.any()):
            chosen.append(int(score.masked_fill(~allowed, -math.inf).argmax()))
            nearest = torch.minimum(nearest, distances(motion, chosen[-1]))
    while len(chosen) < min(count, len(motion)):
        left = torch.ones_like(fit)
        left[chosen] = False
        pool = fit & left if bool((fit & left).any()) else left
        chosen.append(int(nearest.masked_fill(~pool, -math.inf).argmax()))
        nearest = torch.minimum(nearest, distances(motion, chosen[-1]))
    return tuple(chosen)
