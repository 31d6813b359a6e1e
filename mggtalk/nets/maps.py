"""Maps of values: from pictures and back, sampled at points, eroded, and filled where they do not know."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


def to_float(picture: np.ndarray) -> Tensor:
    """Turn uint8 ``[..., H, W, 3]`` into float32 ``[..., 3, H, W]`` in [0, 1]; a copy."""
    return torch.from_numpy(np.array(picture)).movedim(-1, -3).float() / 255.0


def to_bytes(image: Tensor) -> Tensor:
    """Turn ``[..., 3, H, W]`` in [0, 1] into uint8 ``[..., H, W, 3]`` on the same device, rounded."""
    return (image.clamp(0, 1) * 255.0 + 0.5).to(torch.uint8).movedim(-3, -1).contiguous()


def step(values: Tensor, low: float, high: float) -> Tensor:
    """Cubic step from 0 at ``low`` to 1 at ``high``."""
    t = ((values - low) / (high - low)).clamp(0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def erode(maps: Tensor, radius: int) -> Tensor:
    """Least value in the square of ``2 * radius + 1`` pixels around each pixel of ``[B, C, H, W]`` or ``[C, H, W]``."""
    return -dilate(-maps, radius)


def dilate(maps: Tensor, radius: int) -> Tensor:
    """Greatest value in the square of ``2 * radius + 1`` pixels around each of ``[B, C, H, W]`` or ``[C, H, W]``."""
    side = 2 * radius + 1
    along = F.max_pool2d(maps, (1, side), stride=1, padding=(0, radius))
    return F.max_pool2d(along, (side, 1), stride=1, padding=(radius, 0))


def in_picture(places: Tensor, size: int) -> Tensor:
    """Tell which places ``[..., 2]`` a square picture shows: ``[...]`` bool; behind its borders it says nothing."""
    return ((places >= 0) & (places <= size)).all(-1)


def box_mean(value: Tensor, side: int) -> Tensor:
    """Mean of ``[B, C, H, W]`` over the part of a box of an odd side that is inside."""
    for sides, pad in (((side, 1), (side // 2, 0)), ((1, side), (0, side // 2))):
        value = F.avg_pool2d(value, sides, 1, pad, count_include_pad=False)
    return value


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
