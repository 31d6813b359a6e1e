"""Threads, processes, caches and wrong use."""

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numba.core.caching
import numpy as np
import pytest
import torch

from mggtalk.errors import OptionError
from mggtalk.render import rasterize, warm_up
from mggtalk.runtime.kernels import kernel
from mggtalk.runtime.threads import run_ranges
from mggtalk.scene import Gaussians


@pytest.fixture
def restore_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def picture_and_gradients(scene):
    gaussians, camera = scene(count=9000, size=70, dtype=torch.float32)
    gaussians = Gaussians(*(tensor.requires_grad_() for tensor in gaussians))
    camera = replace(camera, view=camera.view.requires_grad_())
    drawn = rasterize(gaussians, camera)
    (drawn.image.square().sum() + drawn.alpha.sum()).backward()
    return [drawn.image.detach(), drawn.alpha.detach(), *(tensor.grad for tensor in (*gaussians, camera.view))]


def test_same_bits_on_one_and_two_threads(scene, restore_threads):
    torch.set_num_threads(1)
    one = picture_and_gradients(scene)
    torch.set_num_threads(2)
    for _ in range(3):
        assert all(torch.equal(a, b) for a, b in zip(one, picture_and_gradients(scene)))


def test_concurrent_callers(scene, restore_threads):
    torch.set_num_threads(2)
    pairs = [scene(count=500, seed=seed, dtype=torch.float32) for seed in range(6)]
    expected = [rasterize(*pair).image for pair in pairs]
    with ThreadPoolExecutor(6) as pool:
        for _ in range(5):
            images = list(pool.map(lambda pair: rasterize(*pair).image, pairs))
            assert all(torch.equal(a, b) for a, b in zip(images, expected))


def _child(queue, gaussians, camera):
    queue.put(rasterize(gaussians, camera).image.numpy())


@pytest.mark.filterwarnings("ignore:.*fork.*")
def test_a_forked_child_can_draw(scene, restore_threads):
    torch.set_num_threads(2)
    gaussians, camera = scene(count=9000, size=70, dtype=torch.float32)
    expected = rasterize(gaussians, camera).image  # the parent's pool is running now
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_child, args=(queue, gaussians, camera), daemon=True)
    child.start()
    image = queue.get(timeout=600)
    child.join(timeout=600)
    assert child.exitcode == 0 and np.array_equal(image, expected.numpy())


def test_ranges_cover_everything_once_and_pass_on_errors(restore_threads):
    torch.set_num_threads(2)
    seen = np.zeros(1003, int)

    def mark(first, last, step):
        seen[first:last] += step

    run_ranges(mark, 1003, 10, 2)
    run_ranges(mark, 0, 10, 2)
    assert (seen == 2).all()

    def fail(first, last):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_ranges(fail, 100, 10)


def test_kernels_compile_without_a_cache(monkeypatch):
    """As on an installation where no folder can be written."""
    monkeypatch.setattr(numba.core.caching.CodeLibraryCacheImpl, "_locator_classes", [])

    def add(a, b):
        return a + b

    assert kernel(add)(1, 2) == 3


def test_warm_up():
    warm_up()
    with torch.inference_mode():
        warm_up(gradients=True)


def test_wrong_use(scene):
    gaussians, camera = scene()
    with pytest.raises(OptionError, match="no rendering backend named 'opengl'"):
        rasterize(gaussians, camera, backend="opengl")
    with pytest.raises(OptionError, match="CUDA"):
        rasterize(gaussians, camera, backend="gsplat")
    with pytest.raises(ValueError, match="features"):
        rasterize(gaussians, camera, features=torch.zeros(3, 2))
    with pytest.raises(ValueError, match="background"):
        rasterize(gaussians, camera, background=torch.zeros(4))
    with pytest.raises(ValueError, match="opacities"):
        rasterize(gaussians._replace(opacities=gaussians.opacities[:, None]), camera)
    with pytest.raises(ValueError, match="0 x 36"):
        rasterize(gaussians, replace(camera, width=0))


def test_half_precision_is_drawn_in_single(scene):
    gaussians, camera = scene(dtype=torch.float32)
    image = rasterize(Gaussians(*(tensor.half() for tensor in gaussians)), camera).image
    assert image.dtype == torch.float32 and image.max() > 0.1
