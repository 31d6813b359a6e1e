"""Identity encoder: the features F of the head image."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mggtalk.config import SGPConfig
from mggtalk.nets.unet import conv_block


class IdentityEncoder(nn.Module):
    """A small convolutional encoder; the paper leaves its form open."""

    def __init__(self, config: SGPConfig) -> None:
        super().__init__()
        width = config.encoder_width
        self.stride = config.stride
        self.local = conv_block(4 * config.stride**2, width)
        self.wide = nn.Sequential(
            conv_block(width, 2 * width, stride=2),
            conv_block(2 * width, 2 * width, stride=2),
            conv_block(2 * width, 2 * width),
            nn.Upsample(scale_factor=4, mode="bilinear"),
        )
        self.out = nn.Conv2d(3 * width, config.features, 1)

    def forward(self, head: Tensor) -> Tensor:
        """Encode a head image.

        Args:
            head: ``[B, 4, H, W]`` RGB in [0, 1], premultiplied by the head mask, and the mask; sides divisible by
                four times the stride.

        Returns:
            ``[B, features, H/stride, W/stride]``.
        """
        local = self.local(F.pixel_unshuffle(head, self.stride))  # [B, width, H/stride, W/stride]
        return self.out(torch.cat([local, self.wide(local)], dim=1))
