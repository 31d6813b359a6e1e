"""The learned completion of torso and background: a UNet whose residual starts at zero."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mggtalk.config import InpaintConfig
from mggtalk.nets.unet import ResidualUNet

LAYERS = 7
"""Channels that the UNet sees: head, alpha, plate."""


class Layers(NamedTuple):
    """What a frame is made of."""

    head: Tensor  # [B, 3, S, S] premultiplied head render
    alpha: Tensor  # [B, 1, S, S] its coverage
    plate: Tensor  # [B, 3, S, S] torso over background
    gate: Tensor  # how far the residual is let through, in [0, 1]; broadcasts to [B, 1, 1, 1]


class Inpainter(nn.Module):
    """Head render and torso-background plate to the final frame.

    The analytic estimate is the composite ``head + (1 - alpha) * plate``; the UNet adds what neither layer holds.
    """

    def __init__(self, config: InpaintConfig) -> None:
        super().__init__()
        self.side = config.side
        self.unet = ResidualUNet(LAYERS, 3, config.width, stride=config.stride)

    @property
    def untrained(self) -> bool:
        """Whether the residual is still identically zero."""
        return self.unet.untrained

    def forward(self, head: Tensor, alpha: Tensor, plate: Tensor, gate: Tensor) -> Tensor:
        """Complete a frame.

        Args:
            head: See :class:`Layers`.
            alpha: See :class:`Layers`.
            plate: See :class:`Layers`.
            gate: See :class:`Layers`.

        Returns:
            RGB ``[B, 3, S, S]`` in [0, 1].
        """
        frame = head + (1.0 - alpha) * plate
        if not self.untrained:
            frame = frame + gate * self._residual(torch.cat([head, alpha, plate], dim=1))
        return frame.clamp(0.0, 1.0)

    def _residual(self, layers: Tensor) -> Tensor:
        """Residual ``[B, 3, S, S]`` of the layers ``[B, 7, S, S]``, predicted at a fixed size."""
        size = layers.shape[-2:]
        if size[0] != self.side:
            layers = F.interpolate(layers, size=(self.side, self.side), mode="bilinear", antialias=True)
        residual = self.unet(layers)  # [B, 3, side, side]
        if size[0] == self.side:
            return residual
        return F.interpolate(residual, size=size, mode="bilinear", align_corners=False)  # [B, 3, S, S]
