"""Trust in a point, by how the portrait sees it.

A pixel at the rim of a head shows little of the surface, at a grazing angle, and some of the background. What is
learned from it when the head turns is worth nothing, and its twin on the other half may have been seen well::

    trust = step(cosine of normal and ray) * step(head weight of the least pure pixel around)
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mggtalk.nets.maps import erode, step

GRAZING, FULL_VIEW = 0.12, 0.55
"""Cosines between normal and ray under which a point is not seen, and over which it is seen as well as can be: from 83
and 57 degrees on. Between them a pixel is stretched eight times and twice."""

MIXED = 2
"""Pixels of the position map over which the matte's edge and the camera's sharpening mix head and background."""


def sight_trust(points: Tensor, head: Tensor) -> Tensor:
    """Trust in every pixel of the position map.

    Args:
        points: Surface ``[3, H, W]`` in the camera frame, decimetres.
        head: Soft head weight ``[H, W]``.

    Returns:
        ``[H, W]`` in [0, 1].
    """
    return step(facing(points), GRAZING, FULL_VIEW) * purity(head)


def facing(points: Tensor) -> Tensor:
    """Cosine ``[H, W]`` between the normal of a surface ``[3, H, W]`` (camera frame) and the ray to the camera."""
    smooth = F.avg_pool2d(points[None], 5, stride=1, padding=2, count_include_pad=False)[0]  # [3, H, W]
    padded = F.pad(smooth[None], (1, 1, 1, 1), mode="replicate")[0]  # [3, H + 2, W + 2]
    along = padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]
    down = padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]
    normal = F.normalize(torch.linalg.cross(down, along, dim=0), dim=0)
    return (normal * F.normalize(-points, dim=0)).sum(0)


def purity(head: Tensor) -> Tensor:
    """Measure how purely the neighbourhood of each pixel shows the head ``[H, W]``, in [0, 1], of its soft weight."""
    return step(erode(head[None, None], MIXED)[0, 0], 0.5, 0.95)  # [H, W] eroded
