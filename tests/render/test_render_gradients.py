"""Gradients of the CPU kernels, against autograd through the reference and against finite differences."""

from dataclasses import replace

import pytest
import torch

from mggtalk.render import rasterize
from mggtalk.scene import Gaussians


def leaves(gaussians, camera, background):
    """Copies that require gradients."""
    copy = Gaussians(*(tensor.clone().requires_grad_() for tensor in gaussians))
    return copy, replace(camera, view=camera.view.clone().requires_grad_()), background.clone().requires_grad_()


def gradients(backend, gaussians, camera, background, depth=False):
    """Gradients by everything of a random linear function of the picture."""
    gaussians, camera, background = leaves(gaussians, camera, background)
    drawn = rasterize(gaussians, camera, background, backend=backend, depth=depth)
    random = torch.Generator().manual_seed(5)
    parts = [part for part in drawn if part is not None]
    weights = [torch.randn(part.shape, generator=random, dtype=torch.float64).to(part.dtype) for part in parts]
    if depth:
        weights[2] *= drawn.alpha.detach()  # the mean depth of nearly empty pixels is ill-conditioned
    sum((part * weight).sum() for part, weight in zip(parts, weights)).backward()
    names = (*Gaussians._fields, "view", "background")
    return {name: leaf.grad for name, leaf in zip(names, (*gaussians, camera.view, background))}


def test_gradcheck(scene):
    gaussians, camera = scene(count=4, size=9, seed=3)

    def draw(means, quaternions, scales, opacities, harmonics, view):
        drawn = rasterize(
            Gaussians(means, quaternions, scales, opacities, harmonics), replace(camera, view=view), backend="cpu"
        )
        return drawn.image, drawn.alpha

    inputs = [tensor.clone().requires_grad_() for tensor in (*gaussians, camera.view)]
    assert torch.autograd.gradcheck(draw, inputs, eps=1e-7, atol=1e-5, rtol=1e-4)


def test_dropped_gaussians_get_no_gradient(scene):
    gaussians, camera = scene()
    gaussians.means[0] = torch.nan
    gaussians.harmonics[1] = torch.inf
    gaussians.means[2] = torch.linalg.inv(camera.view)[:3, 3]  # at the camera
    grads = gradients("cpu", gaussians, camera, torch.zeros(3, dtype=torch.float64))
    for name in Gaussians._fields:
        assert grads[name].isfinite().all() and not grads[name][:3].any(), name
    assert grads["view"].isfinite().all()


def test_only_what_is_asked_for(scene):
    gaussians, camera = scene()
    assert not rasterize(gaussians, camera).image.requires_grad
    harmonics = gaussians.harmonics.clone().requires_grad_()
    rasterize(gaussians._replace(harmonics=harmonics), camera).image.sum().backward()
    assert harmonics.grad.abs().sum() > 0
    with torch.no_grad():
        assert not rasterize(gaussians._replace(harmonics=harmonics), camera).image.requires_grad


def test_a_picture_changed_in_place_is_noticed(scene):
    gaussians, camera = scene()
    image = rasterize(gaussians._replace(means=gaussians.means.requires_grad_()), camera).image
    image.mul_(2.0)
    with pytest.raises(RuntimeError, match="inplace"):
        image.sum().backward()


def test_descent_finds_the_head_pose(scene):
    """The gradient by the camera is good for alignment: from 0.1 decimetres away the true pose is found."""
    gaussians, camera = scene(count=120)
    target = rasterize(gaussians, camera).image
    shift = torch.tensor([0.08, -0.06, 0.0], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([shift], lr=0.02)
    for _ in range(60):
        view = camera.view + torch.nn.functional.pad(shift[:, None], (3, 0, 0, 1))  # [4, 4]
        loss = (rasterize(gaussians, replace(camera, view=view)).image - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert shift.detach().abs().max() < 0.01
