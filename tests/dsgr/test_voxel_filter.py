"""The voxel filter of eq. 3 on a synthetic half face."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mggtalk.dsgr.voxel_filter import occludes, same_voxel, voxel_filter, voxel_indices
from mggtalk.geometry import mirror_points

VOXEL = 0.04


def dome(x0: float, x1: float, step: float = 0.02) -> Tensor:
    """Points of the front half of a unit sphere with x in ``[x0, x1]``, ``[N, 3]``."""
    x, y = torch.meshgrid(torch.arange(x0, x1, step), torch.arange(-0.8, 0.8, step), indexing="ij")
    z = 1.0 - x.square() - y.square()
    return torch.stack([x, y, z.clamp(min=0).sqrt()], dim=-1)[z > 0.05]  # [N, 3]


def test_voxels_round_down_on_both_sides_of_zero() -> None:
    points = torch.tensor([[0.01, -0.01, 0.05], [0.039, -0.041, 0.079]])
    assert voxel_indices(points, VOXEL).tolist() == [[0, -1, 1], [0, -2, 1]]


@pytest.mark.parametrize("thickness", [0.0, 0.3])
def test_a_half_face_keeps_its_missing_half_and_drops_what_is_there(thickness: float) -> None:
    half = dome(-0.2, 0.9)  # all of one side, and a strip of the other
    mirrored = mirror_points(half)
    kept = voxel_filter(half, mirrored, VOXEL, thickness)
    assert kept[mirrored[:, 0] < -0.25].all()  # the side that the portrait does not show
    seen = mirrored[:, 0].abs() < 0.15
    assert kept[seen].float().mean() < (0.35 if thickness == 0 else 0.001)


def test_thickness_closes_the_gaps_that_single_voxels_leave() -> None:
    whole = dome(-0.9, 0.9)
    shifted = mirror_points(whole) - torch.tensor((0.013, 0.011, 0.1))  # two halves never coincide to a voxel
    assert not same_voxel(whole, shifted, VOXEL).all()
    inner = shifted[:, :2].norm(dim=-1) < 0.75  # beyond the rim there is nothing to coincide with
    assert same_voxel(whole, shifted, VOXEL, thickness=0.3)[inner].all()


def test_same_voxel_is_exact() -> None:
    original = torch.tensor([[0.02, 0.02, 0.02]])
    mirrored = torch.tensor([[0.03, 0.01, 0.039], [0.03, 0.01, 0.041], [-0.001, 0.02, 0.02], [0.02, 0.05, 0.02]])
    assert same_voxel(original, mirrored, VOXEL).tolist() == [True, False, False, False]


def test_thickness_reaches_before_and_behind_in_the_same_column() -> None:
    original = torch.tensor([[0.02, 0.02, 0.0], [0.02, 0.02, 1.0]])
    heights = torch.tensor((-0.31, -0.29, 0.5, 1.29, 1.31))
    mirrored = torch.stack([torch.full_like(heights, 0.03), torch.full_like(heights, 0.01), heights], dim=-1)
    assert same_voxel(original, mirrored, VOXEL, 0.3).tolist() == [False, True, True, True, False]
    beside = mirrored + torch.tensor((0.04, 0.0, 0.0))
    assert not same_voxel(original, beside, VOXEL, 0.3).any()


def test_both_readings_of_the_occlusion_rule() -> None:
    column = torch.tensor([[0.02, 0.02, 0.0], [0.02, 0.02, 1.0]])
    mirrored = torch.tensor([[0.02, 0.02, 1.5], [0.02, 0.02, 0.5], [0.02, 0.02, -0.5], [0.3, 0.3, 1.5]])
    # The main text: nothing may stand before what the portrait shows; behind everything is allowed.
    assert occludes(column, mirrored, VOXEL).tolist() == [True, True, False, False]
    # The other reading as well: only columns without an original stay.
    assert occludes(column, mirrored, VOXEL, drop_hidden=True).tolist() == [True, True, True, False]
    assert voxel_filter(column, mirrored, VOXEL).tolist() == [False, False, True, True]
    assert voxel_filter(column, mirrored, VOXEL, drop_hidden=True).tolist() == [False, False, False, True]


def test_the_stricter_settings_keep_less() -> None:
    generator = torch.Generator().manual_seed(0)
    original, mirrored = torch.randn(400, 3, generator=generator) * 0.3, torch.randn(300, 3, generator=generator) * 0.3
    base = voxel_filter(original, mirrored, VOXEL)
    assert 0 < int(base.sum()) < 300
    for stricter in (
        voxel_filter(original, mirrored, VOXEL, thickness=0.3),
        voxel_filter(original, mirrored, VOXEL, drop_hidden=True),
    ):
        assert not (stricter & ~base).any()


def test_the_order_of_the_originals_does_not_matter() -> None:
    generator = torch.Generator().manual_seed(1)
    original, mirrored = torch.randn(300, 3, generator=generator) * 0.3, torch.randn(200, 3, generator=generator) * 0.3
    order = torch.randperm(300, generator=generator)
    kept = voxel_filter(original, mirrored, VOXEL, 0.2)
    assert torch.equal(kept, voxel_filter(original[order], mirrored, VOXEL, 0.2))
    assert kept.equal(torch.cat([voxel_filter(original, part, VOXEL, 0.2) for part in mirrored.split(50)]))


def test_nothing_seen_or_nothing_mirrored() -> None:
    some, none = torch.rand(4, 3), torch.zeros(0, 3)
    assert voxel_filter(none, some, VOXEL, 0.3).all()
    assert voxel_filter(some, none, VOXEL, 0.3).shape == (0,)
