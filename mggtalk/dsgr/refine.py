"""Geometry refinement, eq. 2: ``P_f = P_c + Phi_refine(P_c, I_s^h)``."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mggtalk.config import DSGRConfig
from mggtalk.networks import ResidualUNet


class RefineUNet(nn.Module):
    """``Phi_refine``: a UNet that predicts an xyz offset for each point of the coarse cloud."""

    def __init__(self, config: DSGRConfig) -> None:
        super().__init__()
        self.unet = ResidualUNet(6, 3, config.refine_width)

    @property
    def untrained(self) -> bool:
        """Whether the offsets are still identically zero."""
        return self.unet.untrained

    def forward(self, coarse: Tensor, head: Tensor) -> Tensor:
        """Refine a coarse cloud.

        Args:
            coarse: ``P_c`` as a position map ``[B, 3, H, W]``, head frame, decimetres.
            head: Head image ``I_s^h``, ``[B, 3, H, W]`` in [0, 1].

        Returns:
            ``P_f``, ``[B, 3, H, W]``.
        """
        return coarse + self.unet(torch.cat([coarse, head], dim=1))
