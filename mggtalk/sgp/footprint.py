"""The analytic estimate of scale and rotation: each point covers its own pixel's share of the driven surface.

A pixel-aligned point and its neighbours on the position map span the surface. Their differences, taken on the *driven*
map, give the tangents; so a Gaussian grows exactly where the deformation stretches the surface, and turns with it.
Across a cut (between the lips, under an eyelid, at the silhouette) the two one-sided differences disagree, and the
smaller one is the surface's own.

Its compiled twin: :mod:`mggtalk.sgp.compiled.kernels`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from mggtalk.avatar.neighbours import Neighbours
from mggtalk.geometry import rotation_to_quaternion

THICKNESS = 0.15  # standard deviation along the normal, over the smaller tangent's
LEAST_STEP = 0.3  # shortest tangent in pixels
LEAST_HEIGHT = 0.3  # of the part of a tangent across the other one, over its length: slivers get no thinner
MOST_STEP = 5.0  # longest tangent in pixels; beyond it the surface is torn


class Footprint(NamedTuple):
    """The surface under N points."""

    tangent_u: Tensor  # [..., N, 3] step to the next column, decimetres
    tangent_v: Tensor  # [..., N, 3] step to the next row


def _one_sided(points: Tensor, before: Tensor, after: Tensor, least: float, most: float) -> Tensor:
    """The smaller of the two differences ``[..., N, 3]``, its length kept within ``[least, most]``."""
    forward, backward = points[..., after, :] - points, points - points[..., before, :]
    length_f, length_b = forward.square().sum(-1), backward.square().sum(-1)  # [..., N]
    # A missing neighbour is the point itself: difference zero, which must not win.
    take_forward = (length_f > 0) & ((length_f <= length_b) | (length_b == 0))
    step = torch.where(take_forward[..., None], forward, backward)  # [..., N, 3]
    length = torch.where(take_forward, length_f, length_b).sqrt().clamp(min=1e-6)
    return step * (length.clamp(least, most) / length)[..., None]


def footprint(points: Tensor, neighbours: Neighbours, pixel_size: float, most: float = MOST_STEP) -> Footprint:
    """Tangents of the driven surface.

    Args:
        points: ``[..., N, 3]`` driven points in the order of the mask.
        neighbours: Who stands beside whom.
        pixel_size: Decimetres that one map pixel covers on a surface that faces the camera.
        most: Longest tangent in pixels.

    Returns:
        The two steps to the next pixel.
    """
    least, longest = LEAST_STEP * pixel_size, most * pixel_size
    return Footprint(
        _one_sided(points, neighbours.left, neighbours.right, least, longest),
        _one_sided(points, neighbours.up, neighbours.down, least, longest),
    )


def scales_and_rotation(surface: Footprint, spread: float) -> tuple[Tensor, Tensor]:
    """Log-scales ``[..., N, 3]`` and quaternions ``[..., N, 4]`` of Gaussians that lie in the surface.

    Args:
        surface: Tangents.
        spread: Standard deviation over the distance of neighbouring points.
    """
    along = F.normalize(surface.tangent_u, dim=-1)
    normal = torch.linalg.cross(surface.tangent_u, surface.tangent_v)
    normal = F.normalize(normal + 1e-12, dim=-1)
    across = torch.linalg.cross(normal, along)
    width = surface.tangent_u.norm(dim=-1)
    height = (surface.tangent_v * across).sum(-1).abs().maximum(LEAST_HEIGHT * surface.tangent_v.norm(dim=-1))
    thin = THICKNESS * torch.minimum(width, height)
    log_scales = torch.stack([width, height, thin], dim=-1).clamp(min=1e-6).log() + math.log(spread)  # [..., N, 3]
    return log_scales, rotation_to_quaternion(torch.stack([along, across, normal], dim=-1))
