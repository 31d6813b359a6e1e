"""The row of upper teeth."""

from __future__ import annotations

import torch

from mggtalk.sgp.mouth.teeth import BORDERS, CREASE_WIDTH, teeth_at


def row(count: int = 1201) -> torch.Tensor:
    """Points ``[count, 3]`` from one side of the mouth to the other."""
    return torch.linspace(-0.3, 0.3, count)[:, None] * torch.tensor((1.0, 0.0, 0.0))


def test_lines_part_the_teeth_and_teeth_are_round() -> None:
    points = row()
    light = teeth_at(points).light
    assert light.min() > 0.5 and light.max() <= 1.0
    darkest = (light[1:-1] < light[:-2]) & (light[1:-1] < light[2:])
    found = points[1:-1, 0][darkest]
    inner = BORDERS[:-1]  # behind the last border all is as at it
    wanted = torch.tensor([*(-border for border in inner[:0:-1]), *inner])
    assert len(found) == len(wanted)
    assert (found - wanted).abs().max() < CREASE_WIDTH


def test_both_sides_are_alike_and_height_does_not_matter() -> None:
    points = row()
    elsewhere = teeth_at(points + torch.tensor((0.0, 0.1, -0.2)))
    for part, other in zip(teeth_at(points), elsewhere):
        assert torch.allclose(part, part.flip(0), atol=1e-4)
        assert torch.equal(part, other)


def test_the_teeth_in_the_middle_hang_lowest_and_have_round_corners() -> None:
    lift = teeth_at(row()).lift
    assert 0 <= float(lift.min()) < 1e-4
    middle, corner, lateral = teeth_at(torch.tensor([[0.0425, 0.0, 0.0], [0.084, 0.0, 0.0], [0.117, 0.0, 0.0]])).lift
    assert middle < corner < 0.01 and middle < lateral < 0.01


def test_batches_and_places_beyond_the_last_tooth() -> None:
    points = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(teeth_at(points).light[1], teeth_at(points[1]).light)
    assert torch.isfinite(teeth_at(points).light).all() and torch.isfinite(teeth_at(points).lift).all()
