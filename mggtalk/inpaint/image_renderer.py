"""The learned image: the composite of head, torso and background in, the finished frame out.

A UNet adds a bounded residual to the composite, ``I = C + g b r / (b + |r|)``: it starts at zero, and the gate ``g`` is
closed at the portrait's own pose and expression, where the composite is the portrait.

Its compiled twin: :mod:`mggtalk.inpaint.compiled.finisher`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mggtalk.config import InpaintConfig
from mggtalk.geometry import rotation_to_euler
from mggtalk.inpaint.shrink import shrink
from mggtalk.nets.unet import ResidualUNet
from mggtalk.scene import MotionFrame

LAYERS = 4
"""Channels that the UNet sees: composite and alpha."""

EXPRESSION = 64
"""Components of the expression, the first part of what it is told of the change."""

CHANGE = EXPRESSION + 9
"""Length of :func:`describe_change`."""

BOUND = 0.5
"""Largest residual, b."""

ANGLE, SHIFT = 4.0, 4.0
"""Factors that bring angles in radians and shifts in decimetres to the size of the expression's coefficients."""


class Layers(NamedTuple):
    """A frame before its residual, and what the image network is told of it."""

    composite: Tensor  # [B, 3, S, S] head over torso and background, in [0, 1]
    alpha: Tensor  # [B, 1, S, S] coverage of the head
    gate: Tensor  # how far the residual is let through, in [0, 1]; broadcasts to [B, 1, 1, 1]
    change: Tensor  # [B, CHANGE] of the frame against the portrait, see describe_change


class ImageRenderer(nn.Module):
    """The paper's completion network, as a residual on the composite."""

    def __init__(self, config: InpaintConfig) -> None:
        super().__init__()
        self.side = config.side
        self.unet = ResidualUNet(LAYERS, 3, config.width, config.depth, CHANGE, config.stride)

    @property
    def untrained(self) -> bool:
        """Whether the residual is still identically zero."""
        return self.unet.untrained

    def forward(self, composite: Tensor, alpha: Tensor, gate: Tensor, change: Tensor) -> Tensor:
        """Finish frames.

        Args:
            composite: See :class:`Layers`.
            alpha: See :class:`Layers`.
            gate: See :class:`Layers`.
            change: See :class:`Layers`.

        Returns:
            RGB ``[B, 3, S, S]`` in [0, 1].
        """
        if self.untrained:
            return composite
        maps = torch.cat([composite, alpha], dim=1)  # [B, 4, S, S]
        return (composite + gate * self._resized_residual(maps, change)).clamp(0.0, 1.0)

    def residual(self, maps: Tensor, change: Tensor) -> Tensor:
        """Bounded residual ``[B, 3, H, W]``, not yet gated, of composite and alpha ``[B, 4, H, W]`` as they are."""
        return bounded(self.unet(maps, change))

    def _resized_residual(self, maps: Tensor, change: Tensor) -> Tensor:
        """Residual ``[B, 3, S, S]``, predicted at the inner side, at which the network was trained."""
        size = maps.shape[-1]
        if size == self.side:
            return self.residual(maps, change)
        if size % self.side == 0:
            inner = shrink(maps, size // self.side).clamp(0.0, 1.0)  # [B, 4, side, side]
        else:
            inner = F.interpolate(maps, size=(self.side, self.side), mode="bilinear", antialias=True)
        residual = self.residual(inner, change)  # [B, 3, side, side]
        return F.interpolate(residual, size=(size, size), mode="bilinear", align_corners=False)  # [B, 3, S, S]


def bounded(residual: Tensor) -> Tensor:
    """``b r / (b + |r|)``: unchanged where it is small, never beyond the bound b."""
    return residual / (1.0 + residual.abs() / BOUND)


def compose(head: Tensor, alpha: Tensor, plate: Tensor, gate: Tensor, change: Tensor, block: int = 1) -> Layers:
    """Put a head before its plate, ``head + (1 - alpha) * plate``, on fine pixels; then shrink.

    Args:
        head: Premultiplied render ``[B, 3, F, F]``.
        alpha: Its coverage ``[B, 1, F, F]``.
        plate: Torso over background ``[B, 3, F, F]``.
        gate: See :class:`Layers`.
        change: See :class:`Layers`.
        block: F over the side S of the frame.

    Returns:
        The layers at the side S, in [0, 1].
    """
    composite = head + (1.0 - alpha) * plate
    layers = shrink(torch.cat([composite, alpha], dim=1), block).clamp(0.0, 1.0)  # [B, 4, S, S]
    return Layers(layers[:, :3], layers[:, 3:], gate, change)


def describe_change(frame: MotionFrame, source: MotionFrame) -> Tensor:
    """Describe how a frame differs from the portrait: light and wrinkles follow from it.

    Args:
        frame: One frame, or B.
        source: Pose and expression of the portrait.

    Returns:
        ``[CHANGE]`` or ``[B, CHANGE]``: ``beta_d - beta_s``, change of the Euler angles, the angles, the shift.
    """
    angles, own = rotation_to_euler(frame.rotation), rotation_to_euler(source.rotation)
    parts = (
        frame.expression - source.expression,
        ANGLE * (angles - own),
        0.5 * ANGLE * angles,
        SHIFT * (frame.translation - source.translation),
    )
    return torch.cat(parts, dim=-1)  # [..., CHANGE]
