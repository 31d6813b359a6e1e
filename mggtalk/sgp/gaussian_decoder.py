"""Gaussian decoder ``D_gs``, eq. 4: residual parameters of the visible points."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mggtalk.config import EXPRESSION_COMPONENTS, SGPConfig
from mggtalk.networks import ResidualUNet
from mggtalk.sgp.parameters import CHANNELS


class GaussianDecoder(nn.Module):
    """A UNet on the position map of the driven points and the identity features."""

    def __init__(self, config: SGPConfig) -> None:
        super().__init__()
        self.unet = ResidualUNet(
            3 + config.features, sum(CHANNELS.values()), config.decoder_width, condition=EXPRESSION_COMPONENTS
        )

    @property
    def untrained(self) -> bool:
        """Whether the residual is still identically zero."""
        return self.unet.untrained

    def forward(self, features: Tensor, position_map: Tensor, change: Tensor) -> Tensor:
        """Predict residuals of s, r, c and o.

        Args:
            features: Identity features F ``[B, C, H, W]``.
            position_map: Driven points ``[B, 3, H, W]``, head frame, decimetres; zero off the head.
            change: ``beta_d - beta_s``, ``[B, K]``.

        Returns:
            ``[B, 20, H, W]``.
        """
        return self.unet(torch.cat([position_map, features.expand(len(position_map), -1, -1, -1)], dim=1), change)
