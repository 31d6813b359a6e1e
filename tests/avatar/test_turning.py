"""The far side of a turned head: the portrait's own near its pose, its twins' from the front."""

from __future__ import annotations

import math

import numpy as np
import torch

from mggtalk.avatar.avatar import Avatar
from mggtalk.avatar.binding import Part
from mggtalk.avatar.turning import Shares, Turning, soft_opacity, turn_opacities, turn_shares
from mggtalk.face.blendshapes import INDEX
from mggtalk.geometry import camera_to_head, euler_to_rotation
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.scene import Gaussians, MotionFrame


def turned(yaw: float, pitch: float = 0.0, roll: float = 0.0) -> MotionFrame:
    angles = torch.tensor([math.radians(pitch), math.radians(yaw), math.radians(roll)])
    return MotionFrame(torch.zeros(4), euler_to_rotation(angles), torch.tensor([0.0, 0.0, 12.0]))


def test_twins_take_over_on_the_way_to_the_front() -> None:
    for side in (-1.0, 1.0):
        poses = [turned(yaw * side) for yaw in (50, 30, 24, 15, 6, 0, -40)]
        shares = [float(turn_shares(turned(30.0 * side), pose).twins) for pose in poses]
        assert shares[:2] == [0.0, 0.0] and shares[-2:] == [1.0, 1.0]
        assert shares == sorted(shares) and abs(shares[3] - 0.5) < 0.05


def test_a_nod_or_a_tilt_changes_nothing() -> None:
    source = turned(30.0)
    for frame in (turned(30.0, pitch=12.0), turned(30.0, roll=25.0)):
        assert float(turn_shares(source, frame).twins) < 0.1


def test_opacities_of_points_and_children_change_places(avatar: Avatar, pipeline: MGGTalkPipeline) -> None:
    points, twins = len(avatar.points), len(avatar.mirrored)
    replaced = torch.zeros(points)
    replaced[: points // 4] = 1.0
    grazed = torch.zeros(points)
    grazed[-points // 4 :] = 1.0
    none, opening = torch.zeros(points), torch.zeros_like(avatar.expression)
    no_twin = torch.zeros(twins)
    turning = Turning(
        replaced, torch.ones(twins), none, none, no_twin, grazed, no_twin, none, opening, avatar.back.opacities
    )
    two_sided = avatar.with_(turning=turning)
    head = pipeline.head(two_sided, 512)
    with torch.inference_mode():
        plain = pipeline.head(avatar, 512).splats(avatar.source)
        own, (fast, _) = head.splats(avatar.source), head.compiled.splats(avatar.source)  # type: ignore[union-attr]
    assert torch.allclose(own.gaussians.opacities, fast.gaussians.opacities, atol=1e-4)
    before, seen = plain.gaussians.opacities, own.gaussians.opacities
    assert torch.allclose(seen[:points], before[:points], atol=1e-2)
    assert bool((seen[points : points + twins] == 0).all())
    shares = Shares(torch.ones(2), torch.zeros(2), torch.ones(2), torch.ones(2), torch.zeros(2))  # of two frames
    away = turn_opacities(plain.gaussians, turning, shares, 2).opacities  # [2, G]
    assert away.shape == (2, len(before))
    for start in (0, points + twins):
        assert bool((away[:, start : start + points // 4] == 0).all())
        assert bool((away[:, start : start + points][:, -points // 4 :] == 0).all()), "seen at a grazing angle"
    assert torch.allclose(away[0, 2 * (points + twins) :], before[2 * (points + twins) :])


def test_between_two_halves_nothing_behind_them_shows() -> None:
    ones = torch.ones(2)
    pair = Gaussians(torch.zeros(2, 3), torch.ones(2, 3), torch.eye(4)[[0, 0]], ones, torch.zeros(2, 1, 3))
    turning = Turning(*(torch.tensor([value]) for value in (1.0, 1.0, *[0.0] * 8)))
    for share in (0.0, 0.3, 0.5, 0.7, 1.0):
        shares = Shares(*(torch.tensor(value) for value in (share, 0.0, 0.0, 0.0, 0.0)))
        assert float(turn_opacities(pair, turning, shares, 1).opacities.max()) > 0.99


def test_hair_at_the_cheek_is_the_torsos_once_the_head_turns() -> None:
    source = turned(0.0)
    shares = [float(turn_shares(source, turned(yaw)).torso) for yaw in (0.0, 3.0, 7.0, 12.0)]
    assert shares[:2] == [0.0, 0.0] and abs(shares[2] - 0.5) < 0.05 and shares[3] == 1.0
    assert float(turn_shares(source, turned(0.0, roll=30.0)).torso) == 0.0
    assert float(turn_shares(source, turned(0.0, pitch=12.0)).torso) == 1.0


def test_hair_beside_the_face_goes_on_the_side_that_comes_to_be_seen(avatar: Avatar) -> None:
    assert avatar.turning is not None
    sides = avatar.points[:, 0].sign()
    turning = avatar.turning._replace(beside=sides, grazed=torch.zeros_like(sides), parted=torch.zeros_like(sides))
    for yaw in (-14.0, 14.0):
        rotation = avatar.rotation @ euler_to_rotation(torch.tensor([0.0, yaw, 0.0]).deg2rad())
        shares = turn_shares(avatar.source, avatar.source._replace(rotation=rotation))
        assert float(shares.side) == 0.0 and abs(float(shares.beside)) == 1.0
        hair = turning.replaced + turning.lip_line == 0.0
        gone = turning.visible(shares)[hair] == 0.0
        assert torch.equal(gone, (sides == shares.beside)[hair])


def test_soft_and_steep_points_beside_the_face_go_when_it_turns(avatar: Avatar) -> None:
    turning = avatar.turning
    assert turning is not None
    inside = avatar.binding.weights.sum(-1) > 0.99
    grazed = turning.grazed.abs()
    assert float(grazed[inside].mean()) < 0.03, "the face model knows these"
    assert 0.02 < float(grazed.mean()) < 0.4
    assert float(grazed[avatar.opacity < 0.05].mean()) > 0.7, "the matte's soft edge"
    gone = []
    for eye in (-1.0, 1.0):  # the camera goes to the side of negative, of positive x
        frame = avatar.source._replace(
            rotation=avatar.rotation @ euler_to_rotation(torch.tensor([0.0, 0.7 * eye, 0.0]))
        )
        share = turn_shares(avatar.source, frame).side
        camera = camera_to_head(torch.zeros(1, 3), frame.rotation, frame.translation)[0]
        assert float(camera[0] * share) > 0.0
        gone.append((share * turning.grazed).clamp(min=0.0) > 0.5)
        assert bool((avatar.points[gone[-1], 0].sign() == share.sign()).all()), "only what comes to be seen goes"
    assert bool(gone[0].any()) and bool(gone[1].any())


def test_the_line_before_the_lip_goes_as_a_smile_opens(avatar: Avatar, pipeline: MGGTalkPipeline) -> None:
    """The astronaut smiles with her teeth."""
    turning, source = avatar.turning, avatar.source
    assert turning is not None
    inside = avatar.binding.part >= Part.UPPER_MOUTH
    assert 5 < int(turning.lip_line.sum()) < 0.4 * int(inside.sum())
    wider = avatar.expression + pipeline.face_model.from_blendshapes(torch.eye(52)[INDEX["jawOpen"]] * 0.5)
    expressions = source.expression, wider, 2 * source.expression - wider
    opened = [float(turn_shares(source, source._replace(expression=e), turning).opened) for e in expressions]
    assert opened == [0.0, 1.0, 0.0]
    gaussians = pipeline.head(avatar, 512).splats(source._replace(expression=wider)).gaussians
    line = torch.nonzero(turning.lip_line > 0)[:, 0]
    assert float(gaussians.opacities[line].max()) == 0.0


def test_from_all_sides_twins_have_the_place(avatar: Avatar) -> None:
    replaced, twins = torch.linspace(0, 1, len(avatar.points)), torch.ones(len(avatar.mirrored))
    none, opening = torch.zeros_like(replaced), torch.zeros_like(avatar.expression)
    whole = torch.ones_like(avatar.back.opacities)
    turning = Turning(replaced, twins, none, none, 0 * twins, none, 0 * twins, none, opening, whole)
    fixed = avatar.with_(turning=turning).seen_from_all_sides()
    assert fixed.turning is None and float(fixed.opacity[-1]) < 1e-6
    assert torch.allclose(fixed.opacity[:1], avatar.opacity[:1], atol=0.01)
    assert torch.equal(fixed.back.opacities, avatar.back.opacities)
    assert torch.equal(avatar.with_(turning=turning).alone().back.opacities, whole)  # no torso closes it below
    one_sided = avatar.with_(turning=None)
    assert one_sided.seen_from_all_sides() is one_sided and one_sided.alone() is one_sided


def test_several_half_opaque_points_cover_what_is_asked() -> None:
    asked = torch.tensor([0.0, 0.3, 0.6])
    assert torch.allclose(1.0 - (1.0 - soft_opacity(asked)) ** 5, asked, atol=1e-5)
    assert float(soft_opacity(torch.tensor(1.0))) > 0.99


def test_a_sliver_of_twins_goes_as_the_head_turns_to_its_side(
    prior_pipeline: MGGTalkPipeline, astronaut: np.ndarray
) -> None:
    avatar = prior_pipeline.prepare(astronaut)
    turning, sides = avatar.turning, avatar.mirrored_points[:, 0].sign()
    assert 0 < len(sides) < 0.01 * len(avatar.points), "she hardly turns, and a strand of hair has twins"
    assert turning is not None and torch.equal(turning.beside_twins, sides)
    shown = Gaussians(
        *[torch.zeros(len(avatar.points) + len(sides), size) for size in (3, 4, 3)],
        torch.ones(len(avatar.points) + len(sides)),
        torch.zeros(len(avatar.points) + len(sides), 1, 3),
    )

    def twins(yaw: float) -> torch.Tensor:
        shares = turn_shares(turned(0.0), turned(yaw), None)
        return turn_opacities(shown, turning, shares, sets=1).opacities[-len(sides) :]

    assert twins(2.0).min() > 0.99
    side = 15.0 if float(twins(15.0).max()) < float(twins(-15.0).max()) else -15.0
    assert twins(side).max() < 1e-4 and twins(-side).min() > 0.99
