"""What gsplat is given and what is taken from it, without a GPU: torch stands in for its CUDA kernels.

gsplat's own Python runs, with the torch functions that it tests its kernels against; the pixels come from the reference
rasterizer's compositing. So shapes and conventions are gsplat's; its kernels are not run here.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from mggtalk.render import rasterize
from mggtalk.render.torch_reference import Splats, _composite
from mggtalk.scene import Gaussians

rendering = pytest.importorskip("gsplat.rendering")
torch_impl = pytest.importorskip("gsplat.cuda._torch_impl")

BACKGROUND = torch.tensor([0.1, 0.2, 0.3])


@pytest.fixture
def backend(monkeypatch):
    """The gsplat backend, on the CPU."""
    from mggtalk.render.gsplat_backend import rasterize_gsplat

    projected = {}

    def project(means, covars, quats, scales, views, intrinsics, width, height, near_plane, far_plane, eps2d, **_):
        covariances, _ = torch_impl._quat_scale_to_covar_preci(quats, scales, True, False)
        radii, *rest = torch_impl._fully_fused_projection(
            means, covariances, views, intrinsics, width, height, eps2d, near_plane, far_plane
        )
        projected.update(seen=(radii > 0).all(-1).flatten(0, -2), depths=rest[1].flatten(0, -2))
        return radii, *rest

    def composite(centres, conics, colours, opacities, width, height, *_, backgrounds=None, **__):
        images, count = centres.shape[:-2], centres.shape[-2]
        assert colours.shape[:-1] == opacities.shape == (*images, count)
        if backgrounds is None:
            backgrounds = colours.new_zeros(*images, colours.shape[-1])
        assert backgrounds.shape == (*images, colours.shape[-1])
        rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        pixels = torch.stack([columns, rows], dim=-1).reshape(-1, 2) + 0.5
        drawn = []
        for *fields, behind, seen, depths in zip(
            centres.view(-1, count, 2),
            conics.view(-1, count, 3),
            colours.reshape(-1, count, colours.shape[-1]),
            opacities.reshape(-1, count),
            backgrounds.reshape(-1, colours.shape[-1]),
            projected["seen"],
            projected["depths"],
        ):
            order = depths.argsort(stable=True)
            order = order[seen[order]]
            place, conic, colour, opacity = (field[order] for field in fields)
            a, b, c = conic.unbind(-1)
            splats = Splats(place, torch.stack([a, b, b, c], dim=-1).unflatten(-1, (2, 2)), depths[order])
            drawn.append(_composite(splats, opacity, colour, pixels, behind))
        image, alpha = (torch.stack(parts) for parts in zip(*drawn))
        return image.view(*images, height, width, -1), alpha.view(*images, height, width, 1)

    monkeypatch.setattr(rendering, "fully_fused_projection", project)
    monkeypatch.setattr(rendering, "spherical_harmonics", lambda *args, masks: torch_impl._spherical_harmonics(*args))
    monkeypatch.setattr(rendering, "isect_tiles", lambda *_, **__: (None, None, None))
    monkeypatch.setattr(rendering, "isect_offset_encode", lambda _, images, w, h: torch.zeros(images, h, w))
    monkeypatch.setattr(rendering, "rasterize_to_pixels", composite)
    return rasterize_gsplat


def sets_of(scene, count: int) -> tuple[Gaussians, object]:
    """Several sets, in the last of which something is not finite, and a camera with as many views."""
    scenes = [scene(count=150, seed=seed, dtype=torch.float32) for seed in range(count)]
    sets = Gaussians(*(torch.stack(fields) for fields in zip(*(gaussians for gaussians, _ in scenes))))
    sets.means[-1, 0], sets.harmonics[-1, 1], sets.quaternions[-1, 2] = torch.nan, torch.inf, 0.0
    camera = scenes[0][1]
    views = camera.view.repeat(count, 1, 1)
    views[:, 0, 3] += 0.2 * torch.arange(count)
    return sets, replace(camera, view=views)


@pytest.mark.parametrize("count", [1, 3])
def test_a_batch_for_gsplat(scene, backend, count):
    sets, cameras = sets_of(scene, count)
    image, alpha, depth = backend(sets, cameras, BACKGROUND, None, True)
    expected = rasterize(sets, cameras, BACKGROUND, depth=True)
    torch.testing.assert_close(image, expected.image, atol=1e-5, rtol=0)
    torch.testing.assert_close(alpha, expected.alpha, atol=1e-5, rtol=0)
    seen = expected.alpha > 0.5
    torch.testing.assert_close(depth[seen], expected.depth[seen], atol=1e-4, rtol=0)


def test_one_set_for_gsplat(scene, backend):
    sets, cameras = sets_of(scene, 2)
    gaussians, camera = Gaussians(*(field[1] for field in sets)), replace(cameras, view=cameras.view[1])
    features = torch.rand(150, 5, generator=torch.Generator().manual_seed(0))
    for given in (None, features):
        image, alpha, depth = backend(gaussians, camera, None, given, False)
        expected = rasterize(gaussians, camera, features=given)
        assert depth is None
        torch.testing.assert_close(image, expected.image, atol=1e-5, rtol=0)
        torch.testing.assert_close(alpha, expected.alpha, atol=1e-5, rtol=0)
