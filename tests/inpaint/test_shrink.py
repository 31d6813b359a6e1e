"""Shrinking frames with Lanczos."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from mggtalk.inpaint.shrink import reach, shrink


@pytest.mark.parametrize("block", [2, 3, 4])
def test_pillow_gives_the_same(block: int) -> None:
    side = 24
    image = np.random.default_rng(0).random((side * block, side * block), np.float32)
    expected = np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.LANCZOS))
    made = shrink(torch.from_numpy(image)[None], block)[0].numpy()
    inside = slice(3, -3)  # at the border Pillow leaves taps out where ours repeat the last pixel
    np.testing.assert_allclose(made[inside, inside], expected[inside, inside], atol=1e-5)


@pytest.mark.parametrize("block", [1, 2, 3])
def test_flat_pictures_stay_and_gradients_are_shared_out(block: int) -> None:
    flat = torch.full((2, 3, 12 * block, 12 * block), 0.4, requires_grad=True)
    small = shrink(flat, block)
    torch.testing.assert_close(small, torch.full((2, 3, 12, 12), 0.4))
    small[:, :, 6, 6].sum().backward()
    assert flat.grad is not None
    torch.testing.assert_close(flat.grad.sum((-2, -1)), torch.ones(2, 3))
    near = slice(6 * block - reach(block), 7 * block + reach(block))
    torch.testing.assert_close(flat.grad[..., near, near].sum((-2, -1)), torch.ones(2, 3))
