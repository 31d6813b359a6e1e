"""The position code of the motion fields: three planes of grids of several resolutions (TalkingGaussian, eq. 3).

A point is projected onto the planes xy, yz and xz, and every level of each plane gives one bilinear feature::

    f(x) = [F_xy(x, y), F_yz(y, z), F_xz(x, z)],   F = features of L levels,   36 numbers for L = 12

The released code takes hash tables for it that are far larger than the grids, so that nothing is ever hashed: these are
the grids themselves.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mggtalk.person.talking_gaussian.config import GridConfig

AXES = ((0, 1), (1, 2), (0, 2))
"""Axes of the planes xy, yz and xz."""

WAVES = 2.0
"""Cycles across a plane of the finest waves that a grid starts with."""


def level_scales(config: GridConfig) -> list[float]:
    """Scale of each level ``s_l = base b^l - 1``, with ``b`` such that the last one has ``finest`` nodes."""
    growth = (config.finest / config.base) ** (1.0 / max(config.levels - 1, 1))
    return [config.base * growth**level - 1.0 for level in range(config.levels)]


def level_nodes(config: GridConfig) -> list[int]:
    """Nodes along a side of each level's grid, with the one beyond the last cell."""
    return [math.ceil(scale) + 2 for scale in level_scales(config)]


class TriPlane(nn.Module):
    """Position codes of points.

    The grids start as slow waves of random direction, not with the published 1e-4 of noise: in the minutes that a CPU
    has, gates and motion could learn nothing from codes that are alike everywhere.

    Args:
        config: Resolutions and bound.
    """

    centre: Tensor  # [3] of the cube, head frame

    def __init__(self, config: GridConfig) -> None:
        super().__init__()
        self.config = config
        self.scales = level_scales(config)
        self.planes = nn.ParameterList([nn.Parameter(_waves(nodes)) for nodes in level_nodes(config)])
        self.register_buffer("centre", torch.zeros(3))

    def forward(self, points: Tensor) -> Tensor:
        """Codes ``[N, 3 L]`` of points ``[N, 3]``, head frame, decimetres; outside the cube those of its border."""
        bound = self.config.bound
        unit = ((points - self.centre + bound) / (2.0 * bound)).clamp(0.0, 1.0)  # [N, 3]
        projected = torch.stack([unit[:, axes] for axes in AXES])  # [3, N, 2]
        levels = [self._level(grid, projected, scale) for grid, scale in zip(self.planes, self.scales)]
        return torch.stack(levels, dim=-1).movedim(0, 1).flatten(1)  # [3, N, L] -> [N, 3 L]

    @staticmethod
    def _level(grid: Tensor, projected: Tensor, scale: float) -> Tensor:
        """Bilinear features ``[3, N]`` of grids ``[3, 1, n, n]`` (rows: second axis) at places ``[3, N, 2]``."""
        place = projected * scale + 0.5  # in nodes, as the released kernel counts them
        place = 2.0 * place / (grid.shape[-1] - 1) - 1.0
        return F.grid_sample(grid, place[:, :, None], mode="bilinear", align_corners=True)[:, 0, :, 0]


def _waves(nodes: int) -> Tensor:
    """Three planes ``[3, 1, nodes, nodes]`` of slow waves."""
    steps = torch.linspace(-1.0, 1.0, nodes)
    angle, phase = 2.0 * math.pi * torch.rand(2, 3, 1, 1)
    cycles = WAVES * torch.rand(3, 1, 1)
    along = steps[None, :] * angle.cos() + steps[:, None] * angle.sin()  # [3, nodes, nodes]
    return torch.sin(math.pi * cycles * along + phase)[:, None]  # [3, 1, nodes, nodes]
