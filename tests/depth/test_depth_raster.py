"""The z-buffer that binds pixels to the face mesh."""

from __future__ import annotations

import numpy as np
import pytest

from mggtalk.depth.raster import rasterize_mesh

SQUARE = np.array([[1.0, 1.0], [7.0, 1.0], [7.0, 7.0], [1.0, 7.0]])
HALVES = np.array([[0, 1, 2], [0, 2, 3]])


@pytest.mark.parametrize("winding", [HALVES, HALVES[:, ::-1]])
def test_a_square_covers_its_pixels_once_with_linear_depth(winding: np.ndarray) -> None:
    depth = SQUARE[:, 0] + 10 * SQUARE[:, 1]
    raster = rasterize_mesh(SQUARE, depth, winding, 8)
    inside = np.zeros((8, 8), bool)
    inside[1:7, 1:7] = True
    assert ((raster.triangle >= 0) == inside).all()
    assert np.isinf(raster.depth[~inside]).all()
    y, x = np.mgrid[0:8, 0:8] + 0.5
    assert np.allclose(raster.depth[inside], (x + 10 * y)[inside], atol=1e-4)


def test_barycentric_weights_give_the_pixel_back() -> None:
    generator = np.random.default_rng(0)
    pixels = generator.uniform(-4, 20, (12, 2))
    triangles = generator.permutation(12).reshape(4, 3)
    raster = rasterize_mesh(pixels, generator.uniform(1, 2, 12), triangles, 16)
    hit = raster.triangle >= 0
    assert hit.sum() > 20
    weights = raster.barycentric[hit]
    assert np.allclose(weights.sum(1), 1.0, atol=1e-5) and weights.min() > -1e-5
    places = (pixels[triangles[raster.triangle[hit]]] * weights[..., None]).sum(1)
    assert np.allclose(places, np.argwhere(hit)[:, ::-1] + 0.5, atol=1e-3)


def test_the_nearest_triangle_wins_in_either_order() -> None:
    pixels = np.concatenate([SQUARE, SQUARE])
    depth = np.array([5.0] * 4 + [3.0] * 4)
    for order in (np.concatenate([HALVES, HALVES + 4]), np.concatenate([HALVES + 4, HALVES])):
        raster = rasterize_mesh(pixels, depth, order, 8)
        shown = raster.triangle >= 0
        assert np.allclose(raster.depth[shown], 3.0)
        assert (order[raster.triangle[shown]] >= 4).all()


def test_degenerate_and_outside_triangles_show_nothing() -> None:
    pixels = np.array([[1.0, 1], [5, 5], [3, 3], [-9, -9], [-5, -9], [-9, -5], [40, 2], [42, 2], [40, 5]])
    raster = rasterize_mesh(pixels, np.ones(9), np.arange(9).reshape(3, 3), 8)
    assert (raster.triangle == -1).all()
