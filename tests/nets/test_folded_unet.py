"""Parts of the folded UNet; that it is the UNet, test_twins.py says."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from mggtalk.nets.folded_unet import by_pixel, doubled_convolution, patterns


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
