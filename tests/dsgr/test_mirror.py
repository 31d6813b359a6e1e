"""Eq. 3 on a head whose surface is known in closed form: what the mirrored half adds, and what it must not hide."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy import ndimage

from mggtalk.config import DSGRConfig
from mggtalk.dsgr.mirror import MirroredHalf, VisibleHead, mirror_half
from mggtalk.dsgr.trust import sight_trust
from mggtalk.geometry import head_to_camera, project

CONFIG = DSGRConfig(map_size=64, voxel_size=0.12)  # two to three pixels of this small map, as in the real one


def visible_head(head, mask: torch.Tensor | None = None, colour: torch.Tensor | None = None) -> VisibleHead:
    """A head's true surface, grey unless a colour ``[3, H, W]`` is given."""
    mask = head.mask if mask is None else mask
    weight = mask.float()
    in_camera = head_to_camera(head.points.flatten(1).T, head.rotation, head.translation).T.view_as(head.points)
    count = int(mask.sum())
    return VisibleHead(
        head.points,
        torch.full_like(head.points, 0.5) if colour is None else colour,
        weight,
        mask,
        head.camera,
        head.rotation,
        head.translation,
        trust=sight_trust(in_camera, weight)[mask],
        face=torch.zeros(count, dtype=torch.bool),
        eye=torch.zeros(count, dtype=torch.bool),
        axis=0.0,
        slightly=False,
        shift=torch.zeros(count, 3),
    )


def half_of(head, **changes: object) -> MirroredHalf:
    """Mirrored half of a head's true surface by the voxel filter."""
    return mirror_half(visible_head(head), dataclasses.replace(CONFIG, **{"trust": False} | changes))


def in_head_frame(head) -> torch.Tensor:
    """Visible points ``[N, 3]``."""
    return head.points.permute(1, 2, 0)[head.mask]


def kept_by(head, **changes: object) -> torch.Tensor:
    """Pixels whose twins are kept."""
    return half_of(head, **changes).kept


def test_a_frontal_head_keeps_almost_no_mirrored_point(frontal_head) -> None:
    assert kept_by(frontal_head).sum() < 0.01 * frontal_head.mask.sum()


@pytest.mark.parametrize("thickness", [0.0, 0.3])
def test_a_turned_head_gets_its_far_side_back(turned_head, thickness: float) -> None:
    kept, mirrored, *_ = half_of(turned_head, thickness=thickness)
    assert len(mirrored) == int(kept.sum())
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
    head, mirrored = turned_head, half_of(turned_head).points
    in_camera = head_to_camera(mirrored, head.rotation, head.translation)
    pixels = head.camera.to_crop(project(in_camera, head.camera.focal, head.camera.centre)).floor().long()
    assert (pixels >= 0).all() and (pixels < 64).all()
    x, y = pixels.unbind(-1)
    assert head.mask[y, x].float().mean() > 0.98  # pulled to the silhouette, up to rounding
    # The rim of the silhouette is a guess and may be covered; nothing else is.
    inner = torch.from_numpy(ndimage.binary_erosion(head.mask.numpy(), iterations=2))[y, x]
    assert (in_camera[:, 2] > head.depth[y, x])[inner].all()


def test_switches_of_the_ablations(turned_head) -> None:
    assert not kept_by(turned_head, mirror=False).any()
    assert torch.equal(kept_by(turned_head, filter=False), turned_head.mask)
    usual, strict = kept_by(turned_head), kept_by(turned_head, drop_hidden=True)
    assert not (strict & ~usual).any() and strict.any()


def test_a_ragged_silhouette_does_not_gather_the_mirrored_points(turned_head) -> None:
    head = turned_head
    ragged = head.mask.clone()
    ragged[::2] &= torch.from_numpy(ndimage.binary_erosion(head.mask.numpy(), np.ones((1, 3)), iterations=2))[::2]
    _, mirrored, *_ = mirror_half(visible_head(head, ragged), dataclasses.replace(CONFIG, trust=False))
    in_camera = head_to_camera(mirrored, head.rotation, head.translation)
    rows = head.camera.to_crop(project(in_camera, head.camera.focal, head.camera.centre))[:, 1].floor().long()
    counts = torch.bincount(rows, minlength=64)[24:40].float()
    assert counts.min() > 0.3 * counts.mean()


def test_by_trust_a_frontal_head_stays_as_it_was_seen(frontal_head) -> None:
    half = mirror_half(visible_head(frontal_head), CONFIG)
    assert half.kept.sum() < 0.02 * frontal_head.mask.sum()
    assert half.replaced.mean() < 0.01


def test_by_trust_the_better_seen_half_takes_the_grazing_rim(turned_head) -> None:
    head = turned_head
    half = mirror_half(visible_head(head), CONFIG)
    seen = in_head_frame(head)
    by_filter = half_of(head).points
    assert (half.points[:, 0] > 0).float().mean() > 0.95  # the side at x > 0 is hidden
    assert len(half.points) > len(by_filter)
    # What goes is the far rim; near side and middle stay, and there is a mirrored point wherever something goes.
    gone = half.replaced > 0.5
    assert 0.02 < gone.float().mean() < 0.3
    assert (seen[gone, 0] > -0.15).float().mean() > 0.95
    assert torch.cdist(seen[gone], half.points).min(dim=1).values.max() < 0.33
    # Twins behind all that is seen stand where nothing gives way, the others where something does. Around the poles a
    # row has few points, and none tells how far it is seen.
    before = (half.points[:, 0] < 0.5 * seen[:, 0].max()) & (half.points[:, 2] > 0.2) & (half.points[:, 1].abs() < 0.5)
    assert bool(before.any()) and half.replacing[before].min() > 0.9
    assert half.replacing.max() > 0.9
    assert half.replacing.min() < 0.1
    # On this symmetric head the mirrored points lie on its true surface, up to the pull to the silhouette.
    level = (half.points / torch.tensor((0.8, 1.1, 0.9))).norm(dim=1)
    assert (level - 1.0).abs().median() < 0.12


def test_the_mirrored_half_has_the_light_of_its_own_side(half_turned_head) -> None:
    head = half_turned_head
    side = (head.points[:1] > 0).float()  # the far side is darker
    half = visible_head(head, colour=(0.6 - 0.12 * side).expand(3, -1, -1).clone())
    dark = mirror_half(half._replace(face=torch.ones_like(half.face)), CONFIG)
    near = dark.points[:, 0] > 0
    assert near.sum() > 50
    assert (dark.colour[near].mean(0) + 0.12).abs().max() < 0.04
    even = mirror_half(visible_head(head), CONFIG)
    assert (even.colour.abs() < 1e-3).all()


def test_twins_of_a_slightly_turned_head_are_drawn_only_when_it_looks_ahead(half_turned_head) -> None:
    head = visible_head(half_turned_head)
    usual, slightly = mirror_half(head, CONFIG), mirror_half(head._replace(slightly=True), CONFIG)
    assert usual.replacing.min() < 0.5 and len(slightly.replacing)
    assert (slightly.replacing == 1.0).all()
