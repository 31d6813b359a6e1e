"""Eq. 4 to 6 and 10 on a small avatar: counts, mirrors, gates."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from mggtalk.avatar.avatar import Avatar
from mggtalk.avatar.binding import Part
from mggtalk.avatar.mouth_sheet import COLUMNS, ROWS
from mggtalk.avatar.neighbours import Neighbours
from mggtalk.config import SGPConfig
from mggtalk.face.topology import LIPS_INNER_LOWER
from mggtalk.geometry import mirror_harmonics, mirror_points, mirror_quaternions
from mggtalk.motion.deformation import Driven, drive_points
from mggtalk.render.constants import SH_0
from mggtalk.scene import Gaussians
from mggtalk.sgp.densify import SHARE
from mggtalk.sgp.footprint import Footprint, footprint
from mggtalk.sgp.gate import change_gate
from mggtalk.sgp.predictor import SymmetricGaussianPredictor

SMALL = SGPConfig(stride=1, features=4, encoder_width=4, decoder_width=4, sym_width=4, child_width=4, mouth_width=4)
SHEET = ROWS * COLUMNS


@pytest.fixture
def predictor() -> SymmetricGaussianPredictor:
    torch.manual_seed(0)
    return SymmetricGaussianPredictor(SMALL).eval().requires_grad_(False)


def source(avatar: Avatar) -> Driven:
    """The avatar's own geometry."""
    return drive_points(avatar, avatar.vertices, avatar.expression)


def opened(avatar: Avatar) -> Driven:
    """The lips part, and the bound points move a little."""
    vertices = avatar.vertices.clone()
    vertices[list(LIPS_INNER_LOWER[1:-1]), 1] -= 0.3
    vertices[0] += torch.tensor((0.1, 0.05, 0.02))
    return drive_points(avatar, vertices, avatar.expression + 0.5)


def equal(a: Gaussians, b: Gaussians) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b))


def test_no_change_leaves_the_points_where_they_are(small_avatar: Avatar) -> None:
    driven = source(small_avatar)
    assert torch.equal(driven.points, small_avatar.points)
    assert torch.equal(driven.mirrored, mirror_points(small_avatar.points[small_avatar.mirrored]))


@pytest.mark.parametrize("learned", [False, True])
def test_several_frames_at_once(predictor: SymmetricGaussianPredictor, small_avatar: Avatar, learned: bool) -> None:
    if learned:
        for module in predictor.modules():
            if hasattr(module, "last"):
                torch.nn.init.normal_(module.last.weight, std=0.2)
    part = torch.arange(len(small_avatar.points)) % len(Part)
    avatar = small_avatar.with_(binding=small_avatar.binding._replace(part=part))
    frames = [source(avatar), opened(avatar), opened(avatar)._replace(expression=avatar.expression - 0.3)]
    vertices, expressions = (torch.stack([getattr(f, name) for f in frames]) for name in ("vertices", "expression"))
    together = drive_points(avatar, vertices, expressions)
    features = predictor.features(avatar)
    assert (features is not None) == learned
    for sets, one_by_one in zip(
        predictor(avatar, together, features), zip(*(predictor(avatar, frame, features) for frame in frames))
    ):
        for index, single in enumerate(one_by_one):
            for name, many, one in zip(single._fields, sets, single):
                torch.testing.assert_close(many[index], one, atol=1e-4, rtol=1e-3, msg=name)


def test_counts_of_both_sets(predictor: SymmetricGaussianPredictor, small_avatar: Avatar) -> None:
    sets = predictor(small_avatar, source(small_avatar))
    points, twins, back = len(small_avatar.points), len(small_avatar.mirrored), len(small_avatar.back.means)
    assert len(sets.coarse.means) == points + twins + back + SHEET
    assert len(sets.dense.means) == 2 * (points + twins) + back + SHEET
    assert all(torch.isfinite(field).all() for field in sets.dense)
    assert sets.dense.opacities.min() >= 0 and sets.dense.opacities.max() <= 1


def test_mirrored_gaussians_are_the_exact_mirror_of_their_twins(
    predictor: SymmetricGaussianPredictor, small_avatar: Avatar
) -> None:
    coarse = predictor(small_avatar, source(small_avatar)).coarse
    points, index = len(small_avatar.points), small_avatar.mirrored
    twins = Gaussians(*(field[points : points + len(index)] for field in coarse))
    assert torch.equal(twins.means, mirror_points(coarse.means[index]))
    assert torch.allclose(twins.quaternions, mirror_quaternions(coarse.quaternions[index]), atol=1e-6)
    assert torch.equal(twins.scales, coarse.scales[index])
    assert torch.equal(twins.harmonics, mirror_harmonics(coarse.harmonics[index]))


def test_children_sit_half_a_pixel_away_with_their_own_colour(
    predictor: SymmetricGaussianPredictor, small_avatar: Avatar
) -> None:
    sets = predictor(small_avatar, source(small_avatar))
    points, twins = len(small_avatar.points), len(small_avatar.mirrored)
    dense, children = sets.dense, points + twins
    surface = footprint(small_avatar.points, Neighbours.of(small_avatar.mask), float(small_avatar.pixel_size))
    offset = dense.means[children : children + points] - dense.means[:points]
    assert torch.allclose(offset, 0.5 * (surface.tangent_u + surface.tangent_v), atol=1e-6)
    mirrored_offset = dense.means[children + points : 2 * children] - dense.means[points:children]
    assert torch.allclose(mirrored_offset, mirror_points(offset[small_avatar.mirrored]), atol=1e-6)
    step = (dense.harmonics[children : children + points, 0] - dense.harmonics[:points, 0]) * SH_0
    assert torch.allclose(step, small_avatar.colour_step, atol=1e-5)
    assert torch.allclose(
        dense.scales[:points].log() - sets.coarse.scales[:points].log(), torch.tensor(SHARE), atol=1e-4
    )


def test_either_set_alone_is_the_same(predictor: SymmetricGaussianPredictor, small_avatar: Avatar) -> None:
    driven = opened(small_avatar)
    sets = predictor(small_avatar, driven)
    assert equal(predictor.dense(small_avatar, driven), sets.dense)
    assert equal(predictor.coarse(small_avatar, driven), sets.coarse)


def test_without_densify_both_sets_are_one(small_avatar: Avatar) -> None:
    predictor = SymmetricGaussianPredictor(dataclasses.replace(SMALL, densify=False)).eval()
    with torch.no_grad():
        sets = predictor(small_avatar, source(small_avatar))
    assert equal(sets.coarse, sets.dense)


def test_an_avatar_without_mirrored_points(predictor: SymmetricGaussianPredictor, small_avatar: Avatar) -> None:
    none = torch.zeros(0, dtype=torch.int64)
    alone = small_avatar.with_(
        mirrored=none,
        mirrored_points=small_avatar.mirrored_points[none],
        mirrored_colour=small_avatar.mirrored_colour[none],
        mirrored_binding=small_avatar.mirrored_binding.select(none),
    )
    dense = predictor(alone, source(alone)).dense
    assert len(dense.means) == 2 * len(alone.points) + len(alone.back.means) + SHEET


@pytest.mark.parametrize("part", ["decoder", "sym_decoder", "densify", "mouth_decoder"])
def test_each_trained_part_changes_only_its_own_gaussians(
    predictor: SymmetricGaussianPredictor, small_avatar: Avatar, part: str
) -> None:
    driven = opened(small_avatar)
    before = predictor(small_avatar, driven).coarse
    for module in getattr(predictor, part).modules():
        if hasattr(module, "last"):
            module.last.bias.fill_(0.05)
    after = predictor(small_avatar, driven)
    points, twins, back = len(small_avatar.points), len(small_avatar.mirrored), len(small_avatar.back.means)
    own = {
        "decoder": slice(0, points),
        "sym_decoder": slice(points, points + twins),
        "mouth_decoder": slice(points + twins + back, None),
        "densify": slice(0, 0),
    }[part]
    pairs = zip(after.coarse, before)
    changed = torch.stack([(new != old).flatten(1).any(1) if new.ndim > 1 else new != old for new, old in pairs]).any(0)
    if part == "densify":
        assert not changed.any()
        children = after.dense.scales[points + twins : 2 * (points + twins)]
        assert not torch.allclose(children, after.dense.scales[: points + twins])
        return
    assert changed[own].any()
    if part == "decoder":  # mirrored points inherit from their twins
        own = slice(0, points + twins)
    changed[own] = False
    assert not changed.any()


def test_no_change_no_residual_of_the_visible_points(
    predictor: SymmetricGaussianPredictor, small_avatar: Avatar
) -> None:
    driven = source(small_avatar)
    before = predictor(small_avatar, driven).dense
    predictor.decoder.unet.last.bias.fill_(3.0)
    assert equal(predictor(small_avatar, driven).dense, before)


def test_change_gate_is_zero_without_change_and_opens_with_it() -> None:
    pixel = 0.02
    flat = Footprint(torch.tensor([[pixel, 0.0, 0.0]] * 3), torch.tensor([[0.0, pixel, 0.0]] * 3))
    stretched = flat._replace(tangent_v=3 * flat.tangent_v)
    still, some = torch.zeros(3, 3), torch.tensor([[0.0, 0.5, 0.0], [0.0, 2.0, 0.0], [0.0, 12.0, 0.0]]) * pixel
    assert torch.count_nonzero(change_gate(still, flat, pixel)) == 0
    assert torch.count_nonzero(change_gate(still, stretched, pixel)) == 0
    gate = change_gate(some, flat, pixel)
    assert (gate.diff() > 0).all() and gate[0] < 0.05 and gate[2] > 0.99
    assert (change_gate(some, stretched, pixel) >= gate).all()


def test_driven_points_follow_their_vertices(small_avatar: Avatar) -> None:
    vertices = small_avatar.vertices + torch.tensor((0.01, -0.02, 0.03))
    driven = drive_points(small_avatar, vertices, small_avatar.expression)
    shift = torch.tensor((0.01, -0.02, 0.03)).expand_as(driven.points)
    assert torch.allclose(driven.points - small_avatar.points, shift, atol=1e-6)
