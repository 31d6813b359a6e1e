"""The loss of eq. 7, with optional weights toward mouth and eyes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mggtalk.nets.perceptual import LPIPS, VGGFeatures
from mggtalk.training.config import LossConfig

WINDOW, SIGMA = 11, 1.5
"""Side and standard deviation of SSIM's Gaussian window, pixels."""


class Losses(NamedTuple):
    """Terms of eq. 7, unweighted, and their weighted sum."""

    total: Tensor  # []
    l1_coarse: Tensor
    l1_dense: Tensor
    perceptual: Tensor
    ssim: Tensor
    lpips: Tensor


def weighted_mean(maps: Tensor, weight: Tensor) -> Tensor:
    """Mean of ``[B, C, H, W]`` under the weights ``[B, 1, H, W]``."""
    return (maps * weight).sum() / (weight.sum() * maps.shape[1]).clamp(min=1e-8)


def ssim_map(image: Tensor, truth: Tensor) -> Tensor:
    """Structural similarity ``[B, 3, H, W]`` of pictures ``[B, 3, H, W]`` in [0, 1] (Wang et al. 2004)."""
    steps = torch.arange(WINDOW, dtype=image.dtype, device=image.device) - WINDOW // 2
    line = torch.exp(-0.5 * (steps / SIGMA) ** 2)
    line = line / line.sum()

    def blur(maps: Tensor) -> Tensor:
        channels = maps.shape[1]
        padded = F.pad(maps, [WINDOW // 2] * 4, mode="reflect")  # [B, C, H + 10, W + 10]
        across = F.conv2d(padded, line.view(1, 1, 1, -1).expand(channels, 1, 1, WINDOW), groups=channels)
        return F.conv2d(across, line.view(1, 1, -1, 1).expand(channels, 1, WINDOW, 1), groups=channels)

    moments = blur(torch.cat([image, truth, image * image, truth * truth, image * truth], dim=1))  # [B, 15, H, W]
    x, y, xx, yy, xy = moments.split(image.shape[1], dim=1)
    covariance = xy - x * y
    variance = (xx - x * x) + (yy - y * y)
    return (2 * x * y + 1e-4) * (2 * covariance + 9e-4) / ((x * x + y * y + 1e-4) * (variance + 9e-4))


class HeadLoss(nn.Module):
    """Eq. 7 on head images.

    Args:
        config: Weights of its terms.

    Raises:
        WeightsMissingError: If the perceptual networks are asked for and not installed.
    """

    def __init__(self, config: LossConfig) -> None:
        super().__init__()
        self.config = config
        self.features = VGGFeatures(config.layers) if config.perceptual else None
        self.lpips = LPIPS("alex") if config.lpips else None

    def forward(self, coarse: Tensor, dense: Tensor, truth: Tensor, weight: Tensor) -> Losses:
        """Compare both renditions with the head image.

        Args:
            coarse: ``I_c^h``, ``[B, 3, H, W]`` in [0, 1].
            dense: ``I_tgt^h``, the same shape.
            truth: The real head image on the same background.
            weight: Weights of the pixels ``[B, 1, H, W]``; all one in the paper.

        Returns:
            The terms.
        """
        config = self.config
        zero = dense.new_zeros(())
        l1_coarse = weighted_mean((coarse - truth).abs(), weight)
        l1_dense = weighted_mean((dense - truth).abs(), weight)
        perceptual = zero
        if self.features is not None:
            perceptual = self._perceptual(self.features, torch.cat([dense, coarse]), truth, weight)
        ssim = weighted_mean(1.0 - ssim_map(dense, truth), weight) if config.ssim else zero
        few = slice(config.lpips_targets)
        lpips = self.lpips(dense[few], truth[few], weight[few]).mean() if self.lpips is not None else zero
        total = l1_coarse + l1_dense + config.perceptual * perceptual + config.ssim * ssim + config.lpips * lpips
        return Losses(total, l1_coarse, l1_dense, perceptual, ssim, lpips)

    def _perceptual(self, features: VGGFeatures, pictures: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
        """``L_p(I_c) + L_p(I_tgt)`` of both renditions ``[2B, 3, H, W]``."""
        with torch.no_grad():
            wanted = features(truth)
        terms = []
        for maps, real in zip(features(pictures), wanted):
            difference = (maps.unflatten(0, (2, len(truth))) - real).abs().sum(0)  # [B, C, h, w]
            terms.append(weighted_mean(difference, F.adaptive_avg_pool2d(weight, difference.shape[-2:])))
        return torch.stack(terms).mean()
