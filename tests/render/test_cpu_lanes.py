"""Instructions on LANES numbers, and the tiles that are written with them."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mggtalk.render import rasterize
from mggtalk.render.compiled.lanes import LANES, add_scaled, any_positive
from mggtalk.runtime.kernels import kernel
from mggtalk.scene import Gaussians


@kernel
def add(array, target, source, factor):
    add_scaled(array, np.uint64(target), np.uint64(source), factor)


@kernel
def positive(array, start):
    return any_positive(array, np.uint64(start))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_instructions_do_what_loops_would(dtype) -> None:
    values = np.random.default_rng(0).standard_normal(40).astype(dtype)
    expected = values.copy()
    expected[3 : 3 + LANES] += dtype(0.7) * values[21 : 21 + LANES]
    add(values, 3, 21, dtype(0.7))
    np.testing.assert_allclose(values, expected, rtol=1e-6)
    assert np.array_equal(np.delete(values, slice(3, 3 + LANES)), np.delete(expected, slice(3, 3 + LANES)))
    dark = -np.ones(40, dtype)
    dark[5], dark[14], dark[6] = 1e-30, 1e-30, np.nan
    found = [positive(dark, start) for start in range(40 - LANES)]
    assert found == [bool((dark[start : start + LANES] > 0).any()) for start in range(40 - LANES)]
    assert 0 < sum(found) < len(found)


@pytest.mark.parametrize("block", [1, 2, 4])
def test_tiles_with_and_without_gaussians(scene, block: int) -> None:
    gaussians, camera = scene(count=6, size=132)  # 5 x 5 tiles, of which the last ones are cut
    gaussians = Gaussians(gaussians.means * 0.3, *gaussians[1:])
    background = torch.tensor([0.2, 0.9, 0.4], dtype=torch.float64)
    camera = camera.__class__(camera.view, camera.focal, camera.centre, 132, 136)
    slow = rasterize(gaussians, camera, background, backend="reference")
    fast = rasterize(gaussians, camera, background, block=block)
    empty = slow.alpha[:32, :32] == 0
    assert empty.all() and slow.alpha.max() > 0.2
    expected = F.avg_pool2d(slow.image.movedim(-1, 0), block).movedim(0, -1)
    torch.testing.assert_close(fast.image, expected, atol=1e-12, rtol=0)
    torch.testing.assert_close(fast.alpha, F.avg_pool2d(slow.alpha[None], block)[0], atol=1e-12, rtol=0)
