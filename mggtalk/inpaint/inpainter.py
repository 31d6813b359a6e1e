"""The learned completion of torso and background: a UNet whose residual starts at zero."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mggtalk.config import InpaintConfig
from mggtalk.inpaint.shrink import shrink
from mggtalk.nets.unet import ResidualUNet

LAYERS = 7
"""Channels that the UNet sees: composite, alpha, plate."""


class Layers(NamedTuple):
    """A frame before its residual, and what it is made of."""

    composite: Tensor  # [B, 3, S, S] head over the plate
    alpha: Tensor  # [B, 1, S, S] coverage of the head
    plate: Tensor  # [B, 3, S, S] torso over background
    gate: Tensor  # how far the residual is let through, in [0, 1]; broadcasts to [B, 1, 1, 1]


def compose(head: Tensor, alpha: Tensor, plate: Tensor, gate: Tensor, block: int = 1) -> Layers:
    """Put a head before its plate, ``head + (1 - alpha) * plate``, on fine pixels; then shrink.

    Args:
        head: Premultiplied render ``[B, 3, F, F]``.
        alpha: Its coverage ``[B, 1, F, F]``.
        plate: Torso over background ``[B, 3, F, F]``.
        gate: See :class:`Layers`.
        block: F over the side S of the frame.

    Returns:
        The layers at the side S, in [0, 1].
    """
    composite = head + (1.0 - alpha) * plate
    layers = shrink(torch.cat([composite, alpha, plate], dim=1), block).clamp(0.0, 1.0)  # [B, 7, S, S]
    return Layers(layers[:, :3], layers[:, 3:4], layers[:, 4:], gate)


class Inpainter(nn.Module):
    """The composite of head, torso and background to the final frame: the UNet adds what none of the layers holds."""

    def __init__(self, config: InpaintConfig) -> None:
        super().__init__()
        self.side = config.side
        self.unet = ResidualUNet(LAYERS, 3, config.width, stride=config.stride)

    @property
    def untrained(self) -> bool:
        """Whether the residual is still identically zero."""
        return self.unet.untrained

    def forward(self, composite: Tensor, alpha: Tensor, plate: Tensor, gate: Tensor) -> Tensor:
        """Complete a frame.

        Args:
            composite: See :class:`Layers`.
            alpha: See :class:`Layers`.
            plate: See :class:`Layers`.
            gate: See :class:`Layers`.

        Returns:
            RGB ``[B, 3, S, S]`` in [0, 1].
        """
        if self.untrained:
            return composite
        return (composite + gate * self._residual(torch.cat([composite, alpha, plate], dim=1))).clamp(0.0, 1.0)

    def _residual(self, layers: Tensor) -> Tensor:
        """Residual ``[B, 3, S, S]`` of the layers ``[B, 7, S, S]``, predicted at a fixed size."""
        size = layers.shape[-2:]
        if size[0] != self.side:
            layers = F.interpolate(layers, size=(self.side, self.side), mode="bilinear", antialias=True)
        residual = self.unet(layers)  # [B, 3, side, side]
        if size[0] == self.side:
            return residual
        return F.interpolate(residual, size=size, mode="bilinear", align_corners=False)  # [B, 3, S, S]
