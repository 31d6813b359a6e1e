"""Resampling of regions against torch's, and by hand."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from mggtalk.face.roi import Roi, resample

PICTURE = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)


def expected_samples(roi: Roi, size: int, padding: str, block: int = 1) -> np.ndarray:
    """Samples of the whole picture, after averaging over blocks that begin at its corner."""
    pixels = torch.from_numpy(PICTURE).permute(2, 0, 1)[None].double()  # [1, 3, H, W]
    pixels = F.avg_pool2d(pixels, block)
    steps = (np.arange(size) + 0.5) / size
    units = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)  # [size², 2]
    places = roi.to_image(units).reshape(1, size, size, 2) / (pixels.shape[3] * block, pixels.shape[2] * block)
    grid = torch.from_numpy(2 * places - 1)
    samples = F.grid_sample(pixels, grid, mode="bilinear", padding_mode=padding, align_corners=False)
    return samples[0].permute(1, 2, 0).numpy()


def test_large_regions_are_averaged_first() -> None:
    roi = Roi(35.0, 26.0, 50.0, 0.0)  # what is cut out begins 27 pixels before, at a pixel of an even number
    np.testing.assert_allclose(resample(PICTURE, roi, 25), expected_samples(roi, 25, "border", block=2), atol=0.02)


def test_a_picture_that_may_not_be_written_to() -> None:
    fixed = PICTURE.copy()
    fixed.flags.writeable = False
    roi = Roi(35.0, 25.0, 60.0, 0.2)
    assert np.array_equal(resample(fixed, roi, 16), resample(PICTURE, roi, 16))
