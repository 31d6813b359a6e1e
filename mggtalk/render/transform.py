"""Turning Gaussians as a whole."""

from __future__ import annotations

from torch import Tensor

from mggtalk.geometry import multiply_quaternions, rotate_harmonics, rotation_to_quaternion
from mggtalk.scene import Gaussians


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
