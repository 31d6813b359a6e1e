"""Sums over what Gaussians paint: the kernel against automatic differentiation."""

import torch

from mggtalk.render.paint import sum_painted, sum_painted_reference


def test_sums_are_gradients_by_colours(scene):
    gaussians, camera = scene(dtype=torch.float32)
    gaussians.means[0] = torch.nan
    gaussians.means[1] = torch.linalg.inv(camera.view)[:3, 3]  # at the camera
    values = torch.randn(camera.height, camera.width, 5, generator=torch.Generator().manual_seed(1))
    found = sum_painted(gaussians, camera, values)
    assert found[2:].abs().max() > 1.0 and not found[:2].any()
    torch.testing.assert_close(found, sum_painted_reference(gaussians, camera, values), rtol=1e-4, atol=1e-4)
