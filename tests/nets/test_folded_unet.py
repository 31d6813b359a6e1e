"""The folded UNet is the UNet."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from mggtalk.nets.folded_unet import FoldedUNet, by_pixel, doubled_convolution, patterns
from mggtalk.nets.unet import ResidualUNet


def test_four_small_kernels_do_what_one_does_on_the_doubled_map() -> None:
    generator = torch.Generator().manual_seed(0)
    low, weight = torch.randn(1, 5, 4, 6, generator=generator), torch.randn(3, 5, 3, 3, generator=generator)
    expected = F.conv2d(F.interpolate(low, scale_factor=2, mode="nearest"), weight, padding=1)
    torch.testing.assert_close(doubled_convolution(low, patterns(weight)), expected, atol=1e-5, rtol=1e-5)


def test_pixels_first() -> None:
    maps = torch.arange(2 * 4 * 3.0).view(1, 8, 1, 3)  # two channels of 2 x 2 pixels, folded
    rows = by_pixel(maps[0].flatten(1), 2)  # [4 pixels * 2 channels, 3]
    unfolded = F.pixel_shuffle(maps, 2)[0]  # [2, 2, 6]
    assert torch.equal(
        rows.view(2, 2, 2, 3), torch.stack([unfolded[:, :, 0::2], unfolded[:, :, 1::2]], 2).permute(1, 2, 0, 3)
    )


def test_it_gives_the_unets_residual() -> None:
    torch.manual_seed(0)
    unet = ResidualUNet(3, 8, width=8, depth=2, condition=5).eval().requires_grad_(False)
    torch.nn.init.normal_(unet.last.weight)
    maps, condition = torch.randn(1, 3, 8, 12), torch.randn(1, 5)
    folded = FoldedUNet(unet, unfold=2)
    entered = F.conv2d(maps, folded.entry, padding=1)
    rows = folded(entered, condition).view(8, 12, 2, 2, 2)  # rows, columns, inner row, inner column, channel
    found = rows.permute(4, 0, 2, 1, 3).reshape(1, 2, 16, 24)
    torch.testing.assert_close(found, F.pixel_shuffle(unet(maps, condition), 2), atol=1e-5, rtol=1e-4)
