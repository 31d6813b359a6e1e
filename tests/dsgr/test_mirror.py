"""Eq. 3 on a head whose surface is known in closed form: what the mirrored half adds, and what it must not hide."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy import ndimage

from mggtalk.config import DSGRConfig
from mggtalk.dsgr.mirror import MirroredHalf, mirrored_half
from mggtalk.geometry import head_to_camera, project

CONFIG = DSGRConfig(map_size=64, voxel_size=0.12)  # two to three pixels of this small map, as in the real one


def half_of(head, **changes: object) -> MirroredHalf:
    """Mirrored half of a head's true surface."""
    config = dataclasses.replace(CONFIG, **changes)
    return mirrored_half(head.points, head.mask, head.camera, head.rotation, head.translation, config)


def kept_by(head, **changes: object) -> torch.Tensor:
    """Pixels whose twins are kept."""
    return half_of(head, **changes).kept


def test_a_frontal_head_keeps_almost_no_mirrored_point(frontal_head) -> None:
    assert kept_by(frontal_head).sum() < 0.01 * frontal_head.mask.sum()


@pytest.mark.parametrize("thickness", [0.0, 0.3])
def test_a_turned_head_gets_its_far_side_back(turned_head, thickness: float) -> None:
    kept, mirrored = half_of(turned_head, thickness=thickness)
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
    kept, mirrored = mirrored_half(head.points, ragged, head.camera, head.rotation, head.translation, CONFIG)
    in_camera = head_to_camera(mirrored, head.rotation, head.translation)
    rows = head.camera.to_crop(project(in_camera, head.camera.focal, head.camera.centre))[:, 1].floor().long()
    counts = torch.bincount(rows, minlength=64)[24:40].float()
    assert counts.min() > 0.3 * counts.mean()
