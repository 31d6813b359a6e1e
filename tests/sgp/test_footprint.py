"""The analytic scale and rotation of pixel-aligned points."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from mggtalk.avatar.neighbours import Neighbours
from mggtalk.geometry import quaternion_to_rotation
from mggtalk.sgp.footprint import THICKNESS, footprint, scales_and_rotation

PIXEL = 0.02
FULL = torch.ones(6, 9, dtype=torch.bool)


def grid(scale_x: float = 1.0, scale_y: float = 1.0, slope: float = 0.0) -> Tensor:
    """A plane on a 6 x 9 map, ``[54, 3]``; rows go down in the head frame."""
    y, x = torch.meshgrid(torch.arange(6.0), torch.arange(9.0), indexing="ij")
    points = torch.stack([scale_x * x, -scale_y * y, slope * x], dim=-1) * PIXEL
    return points.reshape(-1, 3)


def test_neighbours_of_a_mask_with_a_hole() -> None:
    mask = torch.tensor([[1, 1, 0], [1, 0, 1]], dtype=torch.bool)  # points 0 1 / 2 3
    neighbours = Neighbours.of(mask)
    assert neighbours.right.tolist() == [1, 1, 2, 3]
    assert neighbours.left.tolist() == [0, 0, 2, 3]
    assert neighbours.down.tolist() == [2, 1, 2, 3]
    assert neighbours.up.tolist() == [0, 1, 0, 3]


def test_a_flat_grid_has_tangents_of_one_pixel() -> None:
    surface = footprint(grid(), Neighbours.of(FULL), PIXEL)
    assert torch.allclose(surface.tangent_u, torch.tensor((PIXEL, 0.0, 0.0)).expand(54, 3), atol=1e-7)
    assert torch.allclose(surface.tangent_v, torch.tensor((0.0, -PIXEL, 0.0)).expand(54, 3), atol=1e-7)


def test_scale_follows_the_stretch_of_the_surface() -> None:
    neighbours = Neighbours.of(FULL)
    still, _ = scales_and_rotation(footprint(grid(), neighbours, PIXEL), spread=0.6)
    assert torch.allclose(still[:, :2].exp(), torch.full((54, 2), 0.6 * PIXEL), rtol=1e-4)
    assert torch.allclose(still[:, 2].exp(), torch.full((54,), 0.6 * PIXEL * THICKNESS), rtol=1e-4)
    wide, _ = scales_and_rotation(footprint(grid(scale_x=2.0), neighbours, PIXEL), spread=0.6)
    assert torch.allclose((wide - still).exp()[:, :2], torch.tensor((2.0, 1.0)).expand(54, 2), rtol=1e-4)
    tall, _ = scales_and_rotation(footprint(grid(scale_y=2.0), neighbours, PIXEL), spread=0.6)
    assert torch.allclose((tall - still).exp()[:, :2], torch.tensor((1.0, 2.0)).expand(54, 2), rtol=1e-4)


def test_a_cut_is_not_bridged() -> None:
    points = grid()
    rows = torch.arange(54) // 9
    points[rows >= 3, 1] -= 20 * PIXEL  # the lower half drops, like a lower lip
    surface = footprint(points, Neighbours.of(FULL), PIXEL)
    assert surface.tangent_v.norm(dim=-1).max() < 1.01 * PIXEL


def test_a_torn_surface_is_bounded() -> None:
    surface = footprint(grid(scale_x=50.0, scale_y=0.01), Neighbours.of(FULL), PIXEL, most=5.0)
    assert surface.tangent_u.norm(dim=-1).max() == pytest.approx(5.0 * PIXEL, rel=1e-4)
    assert surface.tangent_v.norm(dim=-1).min() == pytest.approx(0.3 * PIXEL, rel=1e-4)


def test_frames_are_orthonormal_and_lie_in_the_surface() -> None:
    points = grid(slope=0.7) + 0.1 * PIXEL * torch.randn(54, 3, generator=torch.Generator().manual_seed(0))
    surface = footprint(points, Neighbours.of(FULL), PIXEL)
    _, quaternions = scales_and_rotation(surface, spread=0.6)
    frames = quaternion_to_rotation(quaternions)
    assert torch.allclose(quaternions.norm(dim=-1), torch.ones(54), atol=1e-5)
    assert torch.allclose(frames[..., 0], torch.nn.functional.normalize(surface.tangent_u, dim=-1), atol=1e-4)
    assert torch.allclose((frames[..., 2] * surface.tangent_u).sum(-1), torch.zeros(54), atol=1e-5)
    assert torch.allclose((frames[..., 2] * surface.tangent_v).sum(-1), torch.zeros(54), atol=1e-5)


def test_normal_of_a_slanted_plane_known_by_hand() -> None:
    _, quaternions = scales_and_rotation(footprint(grid(slope=1.0), Neighbours.of(FULL), PIXEL), spread=0.6)
    normal = quaternion_to_rotation(quaternions)[0, :, 2]
    half = math.sqrt(0.5)
    assert torch.allclose(normal.abs(), torch.tensor((half, 0.0, half)), atol=1e-5)


def test_a_lone_point_is_finite_and_small() -> None:
    alone = Neighbours.of(torch.tensor([[False, True, False]]))
    log_scales, quaternions = scales_and_rotation(footprint(torch.zeros(1, 3), alone, PIXEL), spread=0.6)
    assert torch.isfinite(log_scales).all() and torch.isfinite(quaternions).all()
    assert log_scales.exp().max() <= PIXEL
