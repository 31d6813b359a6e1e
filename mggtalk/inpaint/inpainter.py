"""The learned completion of torso and background: a UNet whose residual starts at zero."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mggtalk.config import InpaintConfig
from mggtalk.networks import ResidualUNet


class Inpainter(nn.Module):
    """Head render and torso-background plate to the final frame.

    The analytic estimate is the composite ``head + (1 - alpha) * plate``; the UNet adds what neither layer holds.
    """

    def __init__(self, config: InpaintConfig) -> None:
        super().__init__()
        self.unet = ResidualUNet(7, 3, config.width)

    @property
    def untrained(self) -> bool:
        """Whether the residual is still identically zero."""
        return self.unet.untrained

    def forward(self, head: Tensor, alpha: Tensor, plate: Tensor, gate: Tensor) -> Tensor:
        """Complete a frame.

        Args:
            head: Premultiplied head render ``[B, 3, S, S]``.
            alpha: Its coverage ``[B, 1, S, S]``.
            plate: Torso over background ``[B, 3, S, S]``.
            gate: How far the residual is let through, in [0, 1]; broadcasts to ``[B, 1, 1, 1]``.

        Returns:
            RGB ``[B, 3, S, S]`` in [0, 1].
        """
        frame = head + (1.0 - alpha) * plate
        if not self.untrained:
            frame = frame + gate * self.unet(torch.cat([head, alpha, plate], dim=1))
        return frame.clamp(0.0, 1.0)
