"""The end of a head that the picture cuts: an ellipsoid around the face model, as large as what is seen of the head.

A ray passes the ellipsoid ``|(p - c) / r| = 1`` at the level ::

    level = min over t of |(e + t d - c) / r|,        1 on the skull's outline
"""

from __future__ import annotations

import torch
from torch import Tensor

from mggtalk.face.masks import CHIN, CROWN, LEFT_EAR, RIGHT_EAR
from mggtalk.geometry import camera_to_head

ABOVE = 0.36
"""Height of the skull above the top of the face mesh, over the height of the face."""

WIDTH, LENGTH = 1.06, 1.25
"""Half width and half length of a skull over half the distance of the ears."""

MOST_HAIR = 1.4
"""How much larger than the skull hair may be where the picture cuts it."""

SOFT = 0.08
"""Half width of the outline, over the radii."""

COARSE = 96
"""Steps of the raster on which the box around a skull is found, over three sides of the picture."""


def skull_level(rays: Tensor, vertices: Tensor, centre: Tensor, rotation: Tensor, translation: Tensor) -> Tensor:
    """Level at which rays pass the skull.

    Args:
        rays: ``[..., 2]``, x / z and y / z in the camera frame.
        vertices: Face model ``[V, 3]``, head frame.
        centre: Middle of the skull ``[3]``, head frame.
        rotation: Source head rotation ``[3, 3]``.
        translation: Source head translation ``[3]``.

    Returns:
        ``[...]``: 0 through the middle, 1 along the outline.
    """
    half = 0.5 * (vertices[LEFT_EAR, 0] - vertices[RIGHT_EAR, 0]).abs()
    top = vertices[CROWN, 1] + ABOVE * (vertices[CROWN, 1] - vertices[CHIN, 1])
    radii = torch.stack([WIDTH * half, top - centre[1], LENGTH * half])  # [3]
    eye = camera_to_head(torch.zeros(1, 3), rotation, translation)[0]
    ahead = torch.cat([rays, torch.ones_like(rays[..., :1])], dim=-1).reshape(-1, 3)  # [R, 3]
    along = (camera_to_head(ahead, rotation, translation) - eye) / radii
    start = (eye - centre) / radii  # [3]
    squared = start.square().sum() - (along @ start).square() / along.square().sum(-1)
    return squared.clamp(min=0.0).sqrt().view(rays.shape[:-1])


def outermost(level: Tensor, head: Tensor) -> float | None:
    """Level of the outline where the borders cut a head, at least the skull's; None where none but the lower one does.

    Args:
        level: Of the picture's pixels ``[S, S]``.
        head: Weight of the head ``[S, S]``.
    """
    borders = ((level[0], head[0]), (level[:, 0], head[:, 0]), (level[:, -1], head[:, -1]))
    cut = torch.cat([at[weight > 0.5] for at, weight in borders])
    return float(cut.max().clamp(1.0, MOST_HAIR)) if len(cut) else None
