"""Maps of values: sampling them at points and filling what they do not know."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def to_colour_map(image: Tensor, grid: Tensor, side: float) -> Tensor:
    """Sample a square picture at pixel coordinates.

    Args:
        image: ``[C, S, S]``.
        grid: ``[..., 2]`` pixel coordinates (x, y).
        side: S.

    Returns:
        ``[..., C]``.
    """
    flat = grid.reshape(1, 1, -1, 2) / side * 2 - 1
    values = torch.nn.functional.grid_sample(image[None], flat, padding_mode="border", align_corners=False)
    return values[0, :, 0].T.reshape(*grid.shape[:-1], image.shape[0])


def fill(values: Tensor, weights: Tensor) -> Tensor:
    """Fill the unknown parts of a map smoothly from the known ones, by a weighted pyramid (push-pull).

    Args:
        values: ``[B, C, H, W]``.
        weights: ``[B, 1, H, W]`` in [0, 1]; 1 where a value is known.

    Returns:
        ``[B, C, H, W]``: the known values where the weight is 1, a smooth continuation where it is 0.
    """
    if min(values.shape[-2:]) <= 1 or bool((weights >= 1).all()):
        mean = (values * weights).sum((-2, -1), keepdim=True) / weights.sum((-2, -1), keepdim=True).clamp(min=1e-8)
        return values * weights + mean * (1 - weights)
    size = values.shape[-2:]
    even = (size[0] % 2, size[1] % 2)
    padded = F.pad(values * weights, (0, even[1], 0, even[0]))
    mass = F.avg_pool2d(F.pad(weights, (0, even[1], 0, even[0])), 2)  # [B, 1, H/2, W/2]
    coarse = F.avg_pool2d(padded, 2) / mass.clamp(min=1e-8)  # [B, C, H/2, W/2]
    coarse = fill(coarse, (mass * 4).clamp(max=1.0))
    smooth = F.interpolate(coarse, size=(size[0] + even[0], size[1] + even[1]), mode="bilinear", align_corners=False)
    return values * weights + smooth[..., : size[0], : size[1]] * (1 - weights)  # [B, C, H, W]
