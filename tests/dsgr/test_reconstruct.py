"""Eq. 1 to 3 on a head whose surface is known in closed form."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy import ndimage

from mggtalk.config import DSGRConfig
from mggtalk.dsgr.reconstruct import SLACK, coarse_cloud, fit_scale_shift, mirrored_mask
from mggtalk.geometry import head_to_camera, mirror_points, project

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


def kept_by(head, **changes: object) -> torch.Tensor:
    """Mirrored mask of a head's true surface."""
    config = dataclasses.replace(CONFIG, **changes)
    return mirrored_mask(head.points, head.mask, head.camera, head.rotation, head.translation, config)


def test_a_frontal_head_keeps_almost_no_mirrored_point(frontal_head) -> None:
    assert kept_by(frontal_head).sum() < 0.01 * frontal_head.mask.sum()


@pytest.mark.parametrize("thickness", [0.0, 0.3])
def test_a_turned_head_gets_its_far_side_back(turned_head, thickness: float) -> None:
    kept = kept_by(turned_head, thickness=thickness)
    mirrored = mirror_points(turned_head.points.permute(1, 2, 0)[kept])
    seen = turned_head.points.permute(1, 2, 0)[turned_head.mask]
    # Turned toward the viewer's right: its own right side (viewer's left) shows, the side at x > 0 is hidden.
    assert kept.sum() > 0.1 * turned_head.mask.sum()
    assert (mirrored[:, 0] > 0).float().mean() > 0.95
    assert mirrored[:, 0].max() > 0.9 * 0.8 and seen[:, 0].max() < mirrored[:, 0].max()
    # Where nothing was seen, there is a mirrored point now.
    sides = torch.tensor([[0.8 * np.cos(a), 0.3, -0.9 * np.sin(a) * 0.943] for a in np.linspace(0.2, 0.55, 6)]).float()
    gap = torch.cdist(sides * torch.tensor((0.96, 1.0, 1.0)), mirrored).min(dim=1).values
    assert gap.max() < 0.15


def test_no_kept_point_hides_what_the_portrait_shows(turned_head) -> None:
    head, kept = turned_head, kept_by(turned_head)
    mirrored = mirror_points(head.points.permute(1, 2, 0)[kept])
    in_camera = head_to_camera(mirrored, head.rotation, head.translation)
    pixels = head.camera.to_crop(project(in_camera, head.camera.focal, head.camera.centre)).floor().long()
    assert (pixels >= 0).all() and (pixels < 64).all()
    x, y = pixels.unbind(-1)
    near = ndimage.binary_dilation(head.mask.numpy(), iterations=SLACK, structure=np.ones((3, 3)))
    assert near[y, x].all()
    shown = head.mask[y, x]
    assert (in_camera[:, 2] > head.depth[y, x])[shown].all()


def test_switches_of_the_ablations(turned_head) -> None:
    assert not kept_by(turned_head, mirror=False).any()
    assert torch.equal(kept_by(turned_head, filter=False), turned_head.mask)
    usual, strict = kept_by(turned_head), kept_by(turned_head, drop_hidden=True)
    assert not (strict & ~usual).any() and strict.any()
