"""Sym-Gaussian decoder ``D_gs^s``, eq. 10: parameters of the mirrored points.

Four convolutional nets, one each for s, r, c and o, add a residual to the visible twin's parameters. The base is the
twin's *exact mirror* (rotation and degree-1 harmonics flip at x = 0), which the paper leaves to the network.

Its compiled twin: :mod:`mggtalk.sgp.compiled.residuals`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mggtalk.config import SGPConfig
from mggtalk.nets.unet import conv_block, is_zero, zero_init
from mggtalk.sgp.parameters import CHANNELS

COARSENESS = 4
"""Ratio of the position map's side to that of the nets' maps."""


class _Branch(nn.Module):
    """One of the four nets: ``D_k^s(F, P_d^s, k)``."""

    def __init__(self, features: int, channels: int, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(conv_block(features + 3 + channels, width), conv_block(width, width))
        self.last: nn.Conv2d = nn.Conv2d(width, channels, 1)
        zero_init(self.last)

    def forward(self, features: Tensor, position_map: Tensor, parameter: Tensor) -> Tensor:
        return self.last(self.body(torch.cat([features, position_map, parameter], dim=1)))  # [B, channels, H, W]


class SymGaussianDecoder(nn.Module):
    """Residuals for the mirrored points, kept on the pixels of their visible twins."""

    def __init__(self, config: SGPConfig) -> None:
        super().__init__()
        self.enabled, self.sees_twin = config.sym_decoder, config.sym_twin
        self.branches = nn.ModuleDict(
            {name: _Branch(config.features, channels, config.sym_width) for name, channels in CHANNELS.items()}
        )

    @property
    def untrained(self) -> bool:
        """Whether all four residuals are identically zero and nothing is learning them."""
        zero = all(isinstance(branch, _Branch) and is_zero(branch.last) for branch in self.branches.values())
        return not self.enabled or (zero and not self.training)

    def forward(self, features: Tensor, position_map: Tensor, twin: Tensor) -> Tensor:
        """Predict residuals to the mirrored parameters.

        What the mirrored half lacks is smooth, so the nets work on maps that are :data:`COARSENESS` times smaller.

        Args:
            features: Identity features F ``[B, C, H/stride, W/stride]``.
            position_map: Mirrored driven points ``[B, 3, H, W]``.
            twin: Mirrored parameters of the visible twins ``[B, 20, H, W]``.

        Returns:
            ``[B, 20, H, W]``.
        """
        size = position_map.shape[-2:]
        small = (-(-size[0] // COARSENESS), -(-size[1] // COARSENESS))
        features, position_map, twin = (F.adaptive_avg_pool2d(grid, small) for grid in (features, position_map, twin))
        if not self.sees_twin:
            twin = torch.zeros_like(twin)
        parts = twin.split(list(CHANNELS.values()), dim=1)
        outputs = [branch(features, position_map, part) for branch, part in zip(self.branches.values(), parts)]
        residual = torch.cat(outputs, dim=1)  # [B, 20, H/4, W/4]
        return F.interpolate(residual, size=size, mode="bilinear", align_corners=False)  # [B, 20, H, W]
