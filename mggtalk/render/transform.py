"""Turning Gaussians as a whole."""

from __future__ import annotations

import torch
from torch import Tensor

from mggtalk.geometry import rotation_to_quaternion
from mggtalk.scene import Gaussians


def multiply_quaternions(left: Tensor, right: Tensor) -> Tensor:
    """Quaternion of the rotation ``right``, then ``left``; both ``[..., 4]`` w, x, y, z."""
    (a, b, c, d), (w, x, y, z) = left.unbind(-1), right.unbind(-1)
    return torch.stack(
        [
            a * w - b * x - c * y - d * z,
            a * x + b * w + c * z - d * y,
            a * y - b * z + c * w + d * x,
            a * z + b * y - c * x + d * w,
        ],
        dim=-1,
    )  # [..., 4]


def rotate_harmonics(harmonics: Tensor, rotation: Tensor) -> Tensor:
    """Degree-1 harmonics ``[N, 4, 3]`` of Gaussians turned by a rotation ``[3, 3]``.

    The three coefficients of degree 1 stand for (-y, z, -x), so they are a vector (-third, -first, second).
    """
    vector = torch.stack([-harmonics[:, 3], -harmonics[:, 1], harmonics[:, 2]], dim=1)  # [N, xyz, RGB]
    x, y, z = (rotation @ vector).unbind(1)
    return torch.stack([harmonics[:, 0], -y, z, -x], dim=1)  # [N, 4, 3]


def transform_gaussians(gaussians: Gaussians, rotation: Tensor) -> Gaussians:
    """Turn Gaussians about the origin; a camera turned likewise sees the same picture.

    Args:
        gaussians: The Gaussians.
        rotation: ``[3, 3]``, of the same precision.
    """
    quaternion = rotation_to_quaternion(rotation)
    return Gaussians(
        gaussians.means @ rotation.T,
        multiply_quaternions(quaternion.expand_as(gaussians.quaternions), gaussians.quaternions),
        gaussians.scales,
        gaussians.opacities,
        rotate_harmonics(gaussians.harmonics, rotation),
    )
