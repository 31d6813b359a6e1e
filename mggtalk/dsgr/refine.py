"""Geometry refinement, eq. 2: ``P_f = P_c + Phi_refine(P_c, I_s^h)``.

The offsets are taken along the portrait's viewing rays: only what the portrait cannot show, the depth, is refined, and
the picture that the source camera sees stays the portrait.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mggtalk.config import DSGRConfig
from mggtalk.nets.unet import ResidualUNet


class RefineUNet(nn.Module):
    """``Phi_refine``: a UNet that predicts an xyz offset for each point of the coarse cloud."""

    def __init__(self, config: DSGRConfig) -> None:
        super().__init__()
        self.enabled = config.refine
        self.unet = ResidualUNet(6, 3, config.refine_width, depth=3, stride=config.refine_stride)

    @property
    def untrained(self) -> bool:
        """Whether the offsets are still identically zero."""
        return not self.enabled or self.unet.untrained

    def forward(self, coarse: Tensor, head: Tensor, eye: Tensor) -> Tensor:
        """Refine a coarse cloud.

        Args:
            coarse: ``P_c`` as a position map ``[B, 3, H, W]``, head frame, decimetres.
            head: Head image ``I_s^h``, ``[B, 3, H, W]`` in [0, 1].
            eye: Centre of the portrait's camera in the head frame ``[3]``.

        Returns:
            ``P_f``, ``[B, 3, H, W]``.
        """
        rays = torch.nn.functional.normalize(coarse - eye[:, None, None], dim=1)  # [B, 3, H, W]
        offset = self.unet(torch.cat([coarse, head], dim=1))  # [B, 3, H, W]
        return coarse + rays * (offset * rays).sum(1, keepdim=True)
