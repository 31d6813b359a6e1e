"""Several sets of Gaussians for several views by one call: the pictures of one after the other."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from mggtalk.render import rasterize
from mggtalk.scene import Camera, Gaussians


def together(scene, count: int = 200, **options) -> tuple[list[tuple[Gaussians, Camera]], Gaussians, Camera]:
    """Three scenes, and the same as one batch: sets, and a camera with three views."""
    scenes = [scene(count=count, seed=seed, **options) for seed in range(3)]
    turned = [replace(camera, view=camera.view @ torch.diag(torch.tensor([1.0, sign, sign, 1.0])).to(camera.view))
              for (_, camera), sign in zip(scenes, (1, -1, 1))]  # fmt: skip
    scenes = [(gaussians, camera) for (gaussians, _), camera in zip(scenes, turned)]
    sets = Gaussians(*(torch.stack(fields) for fields in zip(*(gaussians for gaussians, _ in scenes))))
    return scenes, sets, replace(turned[0], view=torch.stack([camera.view for camera in turned]))


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("options", [{}, {"depth": True}, {"block": 3}], ids=["plain", "depth", "block"])
def test_a_batch_is_its_pictures(scene, backend, options):
    scenes, sets, cameras = together(scene, dtype=torch.float32)
    cameras = replace(cameras, width=42)
    background = torch.tensor([0.1, 0.2, 0.3])
    drawn = rasterize(sets, cameras, background, backend=backend, **options)
    assert len({float(image.sum()) for image in drawn.image}) == 3
    for index, (gaussians, camera) in enumerate(scenes):
        single = rasterize(gaussians, replace(camera, width=42), background, backend=backend, **options)
        for many, one in zip(drawn, single):
            assert (many is None and one is None) or torch.equal(many[index], one)


def test_gradients_of_a_batch_are_those_of_its_pictures(scene):
    scenes, sets, cameras = together(scene)
    features = torch.randn(3, 200, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    leaves = [tensor.clone().requires_grad_() for tensor in (*sets[:4], features, cameras.view)]
    batch = Gaussians(*leaves[:4], sets.harmonics)
    rasterize(batch, replace(cameras, view=leaves[5]), features=leaves[4]).image.square().sum().backward()
    for index, (gaussians, camera) in enumerate(scenes):
        own = [tensor.clone().requires_grad_() for tensor in (*gaussians[:4], features[index], camera.view)]
        single = Gaussians(*own[:4], gaussians.harmonics)
        rasterize(single, replace(camera, view=own[5]), features=own[4]).image.square().sum().backward()
        for many, one in zip(leaves, own):
            torch.testing.assert_close(many.grad[index], one.grad, atol=1e-12, rtol=0)


def test_wrong_batches(scene):
    _, sets, cameras = together(scene)
    with pytest.raises(ValueError, match=r"view of shape \(2, 4, 4\)"):
        rasterize(sets, replace(cameras, view=cameras.view[:2]))
    with pytest.raises(ValueError, match="B > 0"):
        rasterize(Gaussians(*(field[:0] for field in sets)), replace(cameras, view=cameras.view[:0]))
    with pytest.raises(ValueError, match="features"):
        rasterize(sets, cameras, features=torch.zeros(200, 3))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_batch_on_a_card_is_its_pictures_on_the_cpu(scene):
    scenes, sets, cameras = together(scene, count=2000, size=96, dtype=torch.float32)
    sets.means[0, 0], sets.quaternions[2, 1] = torch.nan, 0.0  # views of stacked tensors: the scenes keep theirs
    background = torch.tensor([0.1, 0.2, 0.3])
    drawn = rasterize(sets.to("cuda"), cameras, background, depth=True)
    for index, (_, camera) in enumerate(scenes):
        single = rasterize(Gaussians(*(field[index] for field in sets)), camera, background, depth=True)
        assert (drawn.image[index].cpu() - single.image).abs().flatten().quantile(0.999) < 1e-4
        assert (drawn.alpha[index].cpu() - single.alpha).abs().flatten().quantile(0.999) < 1e-4
        seen = single.alpha > 0.5
        assert (drawn.depth[index].cpu() - single.depth)[seen].abs().quantile(0.999) < 1e-3
