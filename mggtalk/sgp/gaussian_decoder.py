"""Gaussian decoder ``D_gs``, eq. 4: residual parameters of the visible points.

Its compiled twin: :mod:`mggtalk.sgp.compiled.residuals`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mggtalk.config import EXPRESSION_COMPONENTS, SGPConfig
from mggtalk.nets.unet import ResidualUNet
from mggtalk.sgp.parameters import CHANNELS

DEPTH = 3
"""Halvings of the UNet."""

MOTION_SCALE = 10.0
"""What displacements, decimetres, are multiplied with for the network: they are small beside positions."""


class GaussianDecoder(nn.Module):
    """A UNet on the position map of the driven points and the identity features.

    It sees the part of the map that expressions move; beyond it nothing changes and no residual is let through.
    """

    def __init__(self, config: SGPConfig) -> None:
        super().__init__()
        self.stride = config.stride
        self.sees_points = config.points
        folded = config.stride**2
        self.unet = ResidualUNet(
            6 * folded + config.features,
            sum(CHANNELS.values()) * folded,
            config.decoder_width,
            depth=DEPTH,
            condition=EXPRESSION_COMPONENTS,
        )

    @property
    def untrained(self) -> bool:
        """Whether the residual is still identically zero."""
        return self.unet.untrained

    def forward(self, features: Tensor, driven: Tensor, moved: Tensor, change: Tensor) -> Tensor:
        """Predict residuals of s, r, c and o.

        Args:
            features: Identity features F ``[B, C, H/stride, W/stride]``.
            driven: Driven points ``P_d`` as a map ``[B, 3, H, W]``, head frame, decimetres; zero off the head.
            moved: Their displacement ``P_d - P_f``, ``[B, 3, H, W]``; the UNet sees centimetres.
            change: ``beta_d - beta_s``, ``[B, K]``.

        Returns:
            ``[B, 20, H, W]``.
        """
        positions = torch.cat([driven, MOTION_SCALE * moved], dim=1)  # [B, 6, H, W]
        if not self.sees_points:
            positions = torch.zeros_like(positions)
        folded = F.pixel_unshuffle(positions, self.stride)  # [B, 6 * stride^2, H/stride, W/stride]
        residual = self.unet(torch.cat([folded, features], dim=1), change)
        return F.pixel_shuffle(residual, self.stride)  # [B, 20, H, W]
