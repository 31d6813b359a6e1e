"""Eq. 1 on a head whose surface is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mggtalk.config import DSGRConfig
from mggtalk.depth.scale import fit_scale_shift
from mggtalk.dsgr.reconstruct import coarse_cloud, ease_rim
from mggtalk.geometry import head_to_camera, project

CONFIG = DSGRConfig(map_size=64, voxel_size=0.12)  # two to three pixels of this small map, as in the real one


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (0.25, 8.0), (-3.0, 1.0), (40.0, -200.0)])
def test_fit_recovers_scale_and_shift_from_outliers(scale: float, shift: float) -> None:
    generator = np.random.default_rng(0)
    relative = generator.normal(size=(40, 40)).astype(np.float32)
    target = scale * relative + shift
    wrong = generator.random((40, 40)) < 0.05
    target[wrong] += generator.choice([-1, 1], wrong.sum()) * abs(scale) * generator.uniform(2, 3, wrong.sum())
    valid = generator.random((40, 40)) < 0.7
    target[~valid] = np.nan  # must not be looked at
    fit = fit_scale_shift(relative, target, valid)
    assert fit.scale == pytest.approx(scale, rel=1e-3)
    assert fit.shift == pytest.approx(shift, abs=2e-3 * abs(scale))
    assert fit.rms < 2e-3 * abs(scale)


def test_fit_of_a_flat_or_unseen_surface_only_shifts() -> None:
    valid = np.ones((4, 4), bool)
    flat = fit_scale_shift(np.full((4, 4), 2.0), np.full((4, 4), 9.0), valid)
    assert (flat.scale, flat.shift) == (1.0, 7.0)
    assert fit_scale_shift(np.ones((4, 4)), np.ones((4, 4)), ~valid) == (1.0, 0.0, 0.0)


def test_crop_pixels_and_portrait_pixels(frontal_head) -> None:
    camera = frontal_head.camera
    grid = camera.pixel_grid()
    assert grid[0, 0].tolist() == pytest.approx([30 + 200 / 128, 25 + 200 / 128])
    crop = camera.to_crop(grid)
    x, y = torch.meshgrid(torch.arange(64) + 0.5, torch.arange(64) + 0.5, indexing="xy")
    assert torch.allclose(crop, torch.stack([x, y], -1), atol=1e-4)


@pytest.mark.parametrize("head", ["frontal_head", "turned_head"])
@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (7.0, 5.0), (0.1, -3.0)])
def test_coarse_cloud_finds_the_true_surface(head: str, scale: float, shift: float, request) -> None:
    head = request.getfixturevalue(head)
    cloud, fit = coarse_cloud(
        head.view, head.estimate(scale, shift), head.raster, head.camera, head.rotation, head.translation, CONFIG
    )
    inner = head.mask & (torch.from_numpy(head.raster.triangle) >= 0)
    error = (cloud - head.points)[:, inner].norm(dim=0)
    assert error.mean() < 0.02 and error.max() < 0.12  # decimetres
    assert fit.scale == pytest.approx(1.0, abs=0.05) and fit.rms < 0.02


@pytest.mark.parametrize("head", ["frontal_head", "turned_head"])
def test_coarse_cloud_projects_to_its_own_pixels(head: str, request) -> None:
    head = request.getfixturevalue(head)
    camera = head.camera
    cloud, _ = coarse_cloud(head.view, head.estimate(), head.raster, camera, head.rotation, head.translation, CONFIG)
    in_camera = head_to_camera(cloud.flatten(1).T, head.rotation, head.translation)
    pixels = project(in_camera, camera.focal, camera.centre).view(64, 64, 2)
    assert torch.allclose(pixels, camera.pixel_grid(), atol=2e-2)
    assert torch.isfinite(cloud).all()


def test_a_steep_rim_is_brought_forward_and_nothing_else() -> None:
    y, x = torch.meshgrid(torch.arange(40.0), torch.arange(40.0), indexing="ij")
    radius = torch.hypot(y - 20, x - 20)
    mask = radius < 18
    depth = 60 - (18.0**2 - radius.square()).clamp(min=0).sqrt() * 2  # an ellipsoid, twice as deep as wide
    eased = ease_rim(depth, mask, rise=3.0, reach=12)
    assert torch.equal(eased[~mask], depth[~mask])
    assert (eased <= depth).all()
    flat = radius < 12  # slope 2 radius / sqrt(18^2 - radius^2) is under 2 there
    assert torch.equal(eased[flat], depth[flat])
    assert (depth - eased)[mask].max() > 1.0
    both = mask[:, 1:] & mask[:, :-1]
    assert (eased[:, 1:] - eased[:, :-1])[both].abs().max() <= 3.0 + 1e-4
    assert torch.equal(ease_rim(eased, mask, rise=3.0, reach=12), eased)
