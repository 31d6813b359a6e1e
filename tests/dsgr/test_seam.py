"""The seam between what a portrait shows of a turned head and the mirror image, on cylinders and on an egg."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from mggtalk.dsgr.seam import BLEND, COLUMNS, HAIR, ROWS, Half, Seam, find_seam, unroll

RADIUS = 0.8

WIDE, SLIGHT = math.radians(-40.0), math.radians(-13.0)
"""Azimuths of the portrait's camera, which sees the other side."""


def cylinder(start: float, end: float, radius: float = RADIUS, grey: float = 0.5) -> Half:
    """Points of an upright cylinder between two angles in degrees; trusted fully."""
    angle, height = torch.meshgrid(
        torch.arange(start, end, 1.0).deg2rad(), torch.linspace(-1, 1, 3 * ROWS), indexing="ij"
    )
    points = torch.stack([radius * angle.sin(), height, radius * angle.cos()], dim=-1).view(-1, 3)
    count = len(points)
    no = torch.zeros(count, dtype=torch.bool)
    return Half(points, torch.full((count, 3), grey), torch.ones(count), no, no)


def degrees(half: Half) -> Tensor:
    """Angle of each point."""
    return unroll(half.points, 0.0, 1.0)[0].rad2deg()


def angles(seam: Seam) -> Tensor:
    """The seam, row by row, in degrees."""
    return seam.angle.rad2deg()


def test_where_both_halves_are_seen_alike_the_portrait_stays() -> None:
    seam = find_seam(cylinder(-90, 70), cylinder(10, 120), 0.0, WIDE)
    assert (angles(seam) - 70).abs().max() < 7  # as far as anything of it is seen


def test_what_was_not_seen_well_is_left_to_the_twins() -> None:
    own = cylinder(-90, 70)
    own = own._replace(trust=(degrees(own) < 40).float())
    seam = find_seam(own, cylinder(10, 120), 0.0, WIDE)
    assert (angles(seam) - 40).abs().max() < 7


def test_the_seam_goes_around_an_eye() -> None:
    own = cylinder(-90, 70)
    own = own._replace(trust=(degrees(own) < 40).float())
    eye = (degrees(own) > 30) & (degrees(own) < 46) & (own.points[:, 1].abs() < 0.15)
    own = own._replace(whole=eye, trust=torch.where(eye, 0.45, own.trust))
    seam = find_seam(own, cylinder(10, 120), 0.0, WIDE)
    cut = seam.behind(own.points[eye])  # either all of it is before the seam, or all behind it
    assert (cut < BLEND / 2).float().mean() > 0.9 or (cut > -BLEND / 2).float().mean() > 0.9


def test_what_a_slightly_turned_portrait_shows_well_is_not_hidden() -> None:
    """In the middle of the face the halves always agree; here they differ a little everywhere else."""
    own, twins = cylinder(-90, 75), cylinder(-10, 120)
    own = own._replace(trust=torch.where(degrees(own) < 55, 1.0, 0.3))
    grey = torch.where(degrees(twins) < 12, 0.5, 0.8)
    twins = twins._replace(colour=grey[:, None].expand(-1, 3))
    slight, wide = (find_seam(own, twins, 0.0, azimuth) for azimuth in (SLIGHT, WIDE))
    assert angles(slight).min() > 48
    assert angles(wide).max() < 15


def test_the_hair_of_a_slightly_turned_head_stays() -> None:
    own, twins = cylinder(-90, 70), cylinder(10, 120)
    own = own._replace(trust=(degrees(own) < 40).float(), face=own.points[:, 1] < HAIR)
    levels = torch.linspace(-1, 1, ROWS)
    slight, usual = (angles(find_seam(own, twins, 0.0, SLIGHT, slightly)) for slightly in (True, False))
    assert slight[levels > HAIR + 0.3].min() > 60 and usual[levels > HAIR + 0.3].max() < 47
    assert (slight - usual)[levels < HAIR - 0.4].abs().max() < 3, "the face as usual"


@pytest.mark.parametrize("far", [-1.0, 1.0])
def test_halves_meet_where_they_differ_in_place_and_light(far: float) -> None:
    flip = torch.tensor((far, 1.0, 1.0))
    own = cylinder(-90, 60)
    own = own._replace(points=own.points * flip, trust=(degrees(own) < 45).float() * 0.8 + 0.2)
    twins = cylinder(10, 150, radius=RADIUS - 0.1, grey=0.4)
    twins = twins._replace(points=twins.points * flip)
    seam = find_seam(own, twins, 0.0, far * WIDE)
    joined, gain = seam.join(twins.points)
    behind = seam.behind(twins.points)
    meets, back = (behind > BLEND) & (behind < 1.2 * BLEND), behind > math.radians(55)
    assert (joined[meets][:, ::2].norm(dim=1) - RADIUS).abs().max() < 0.03
    assert (0.4 * gain[meets].exp() - 0.5).abs().max() < 0.03
    assert torch.allclose(joined[back], twins.points[back], atol=1e-5) and (gain[back].abs() < 0.03).all()


def test_a_shadow_on_the_seen_side_is_not_carried_over() -> None:
    """Each place of the face has the light that its own side has there, behind the seam too; hair keeps its colour."""
    own = cylinder(-90, 70)
    own = own._replace(trust=(degrees(own) < 20) * 0.7 + 0.3, face=own.points[:, 1] < 0.4)
    twins = cylinder(0, 120)
    shadow = (degrees(twins) > 40) & (degrees(twins) < 60)
    twins = twins._replace(face=twins.points[:, 1] < 0.4, colour=torch.where(shadow[:, None], 0.15, twins.colour))
    seam = find_seam(own, twins, 0.0, WIDE)
    lit = twins.colour * seam.join(twins.points)[1].exp()
    deep = shadow & ((degrees(twins) - 50).abs() < 5)
    face, hair = twins.points[:, 1].abs() < 0.3, twins.points[:, 1] > 0.6
    assert angles(seam).max() < 40 and lit[deep & face].min() > 0.27
    assert lit[face & (degrees(twins) < 30)].sub(0.5).abs().max() < 0.05
    assert lit[deep & hair].max() < 0.25


def test_a_gap_is_closed() -> None:
    own, twins = cylinder(-120, -4), cylinder(4, 120)
    seam = find_seam(own, twins, 0.0, WIDE)
    joined, _ = seam.join(twins.points)
    first = unroll(joined, 0.0, 1.0)[0].rad2deg().min()
    assert -6.5 < float(first) < -2  # where the portrait's own points end, at -5 degrees


def test_every_place_is_covered_once() -> None:
    own = cylinder(-90, 70)
    generator = torch.Generator().manual_seed(0)
    own = own._replace(trust=torch.rand(len(own.trust), generator=generator))
    twins = cylinder(10, 120)
    seam = find_seam(own, twins, 0.0, WIDE)
    stays, takes = seam.behind(own.points) < BLEND, seam.behind(twins.points) > 0
    cells = torch.zeros(ROWS, COLUMNS)
    for points, chosen in ((own.points, stays), (twins.points, takes)):
        angle, row = seam._place(points[chosen])
        inside = angle > 0
        cells[row[inside].round().long(), (angle[inside] * COLUMNS / math.pi).long()] += 1
    assert (cells[1:-1, : round(COLUMNS * 118 / 180)] > 0).all()
