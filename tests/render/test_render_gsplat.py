"""The CPU kernels against gsplat on a CUDA GPU. Thresholds may flip in a few pixels, hence quantiles."""

from dataclasses import replace

import pytest
import torch

from mggtalk.render import rasterize
from mggtalk.scene import Gaussians

pytestmark = [pytest.mark.cuda, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")]


def draw(gaussians, camera, device):
    """Picture with depth, and the gradients by the Gaussians and the view, on the CPU."""
    leaves = Gaussians(*(tensor.detach().to(device).requires_grad_() for tensor in gaussians))
    camera = replace(camera, view=camera.view.detach().to(device).requires_grad_())
    drawn = rasterize(leaves, camera, torch.tensor([0.1, 0.2, 0.3], device=device), depth=True)
    (drawn.image.square().sum() + drawn.alpha.sum()).backward()
    return [part.detach().cpu() for part in drawn], [leaf.grad.cpu() for leaf in (*leaves, camera.view)]


def test_gsplat_and_the_cpu_agree(scene):
    gaussians, camera = scene(count=2000, size=120, dtype=torch.float32)
    gaussians.means[0] = torch.nan
    gaussians.harmonics[1] = torch.inf
    gaussians.quaternions[2] = 0.0
    (image, alpha, depth), grads = draw(gaussians, camera, "cuda")
    (image_cpu, alpha_cpu, depth_cpu), grads_cpu = draw(gaussians, camera, "cpu")
    assert (image - image_cpu).abs().flatten().quantile(0.999) < 1e-4
    assert (alpha - alpha_cpu).abs().flatten().quantile(0.999) < 1e-4
    seen = alpha_cpu > 0.5
    assert (depth - depth_cpu)[seen].abs().quantile(0.999) < 1e-3
    for one, other in zip(grads, grads_cpu):
        scale = other.abs().max()
        assert one.isfinite().all() and (one - other).abs().flatten().quantile(0.99) < 1e-3 * scale


def test_features_on_gsplat(scene):
    gaussians, camera = scene(count=500, dtype=torch.float32)
    features = torch.randn(500, 5, generator=torch.Generator().manual_seed(0))
    cpu = rasterize(gaussians, camera, features=features).image
    cuda = rasterize(gaussians.to("cuda"), camera, features=features).image.cpu()
    assert (cpu - cuda).abs().flatten().quantile(0.999) < 1e-4


def test_nothing_on_gsplat(scene):
    gaussians, camera = scene(count=0, dtype=torch.float32)
    drawn = rasterize(gaussians.to("cuda"), camera)
    assert drawn.image.shape == (36, 41, 3) and not drawn.image.any()
