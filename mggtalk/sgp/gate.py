"""Gate of single points by their own motion."""

from __future__ import annotations

import torch
from torch import Tensor

from mggtalk.sgp.footprint import Footprint

PIXELS = 3.0
"""Displacement of a point that does so, pixels of the position map."""


def change_gate(moved: Tensor, surface: Footprint, pixel_size: float) -> Tensor:
    """Gate of single points by their own motion.

    Args:
        moved: Displacement of the points ``[..., N, 3]``, decimetres.
        surface: Their driven tangents.
        pixel_size: Decimetres per map pixel.

    Returns:
        ``[..., N]`` in [0, 1): 0 where nothing moved, near 1 where a point moved by several pixels or is stretched.
    """
    stretch = surface.tangent_v.norm(dim=-1) / pixel_size - 1.0
    moved_pixels = moved.norm(dim=-1) / pixel_size
    return 1.0 - torch.exp(-(moved_pixels / PIXELS).square() * (1.0 + stretch.abs()))
