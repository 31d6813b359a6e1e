"""The neck follows the head: exact without motion, no fold-over with a lot of it."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from mggtalk.geometry import camera_to_head, euler_to_rotation, head_to_camera, project, unproject
from mggtalk.inpaint.follow import (
    FREE,
    GRID,
    LEAST_REACH,
    PIVOT_DEPTH,
    neck_reach,
    neck_weight,
    shed_loose,
    steepness,
    torso_and_background,
    torso_warp,
    warp_torso,
)
from mggtalk.inpaint.plates import Plates
from mggtalk.portrait.hair_depth import SOFT
from mggtalk.scene import MotionFrame

SIZE, RATIO, DISTANCE = 128, 2.5, 10.0
STILL = MotionFrame(torch.zeros(64), torch.eye(3), torch.tensor((0.0, 0.0, DISTANCE)))


def ramp() -> torch.Tensor:
    """A follow weight: 1 down to the middle, then a smooth fall to 0 over 0.45 of the side, ``[1, S, S]``."""
    y = (torch.arange(SIZE) + 0.5) / SIZE
    t = ((y - 0.5) / 0.45).clamp(0, 1)
    return (1 - t * t * (3 - 2 * t))[None, :, None].expand(1, SIZE, SIZE).contiguous()


def neck(nearer: torch.Tensor | None = None) -> Plates:
    """Plates without a picture, on the plane of the neck, or so many decimetres ``[1, S, S]`` before it."""
    follow = ramp()
    nearer = torch.zeros_like(follow) if nearer is None else nearer
    return Plates(follow.expand(3, SIZE, SIZE), follow.expand(4, SIZE, SIZE), follow, nearer, 0 * follow)


def shifted(x: float, y: float) -> MotionFrame:
    """The head's middle moves by a share of the frame (x right, y down)."""
    # The plane of the neck lies a little farther than the head's origin, so this is slightly more than its own motion.
    step = torch.tensor((x, y, 0.0)) * DISTANCE / RATIO
    return STILL._replace(translation=STILL.translation + step)


def turned(pitch: float, yaw: float, roll: float) -> MotionFrame:
    """Turned by degrees."""
    angles = torch.tensor((math.radians(pitch), math.radians(yaw), math.radians(roll)))
    return STILL._replace(rotation=euler_to_rotation(angles))


def jacobian(warp: torch.Tensor) -> torch.Tensor:
    """Determinant of the map from frame to plate, ``[G - 1, G - 1]``."""
    steps = (torch.arange(GRID) + 0.5) / GRID
    x, y = warp[0, 0] + steps[None], warp[0, 1] + steps[:, None]
    dxx, dxy = x.diff(dim=1)[:-1] * GRID, x.diff(dim=0)[:, :-1] * GRID
    dyx, dyy = y.diff(dim=1)[:-1] * GRID, y.diff(dim=0)[:, :-1] * GRID
    return dxx * dyy - dxy * dyx


def test_the_portraits_own_pose_moves_nothing() -> None:
    turned_source = turned(5.0, 20.0, -10.0)
    for pose in (STILL, turned_source):
        assert torso_warp(neck(), pose, pose, RATIO).abs().max() < 1e-6


def test_the_rim_goes_with_the_head_and_the_bottom_stays() -> None:
    warp = torso_warp(neck(), STILL, shifted(0.1, 0.0), RATIO)
    assert warp.shape == (1, 2, GRID, GRID)
    assert warp[0, 0, 5].mean().item() == pytest.approx(-0.1, abs=0.012)  # content came from the left
    assert warp[0, 0, -1].abs().max() < 0.01
    assert warp[0, 1].abs().max() < 1e-5


@pytest.mark.parametrize("move", [(0.15, 0.0), (-0.15, 0.0), (0.0, 0.15), (0.0, -0.15), (0.11, 0.11), (-0.11, -0.11)])
def test_a_large_motion_does_not_fold(move: tuple[float, float]) -> None:
    determinant = jacobian(torso_warp(neck(), STILL, shifted(*move), RATIO))
    assert determinant.min() > 0.2


@pytest.mark.parametrize("angles", [(0, 40, 0), (0, -40, 0), (25, 0, 0), (-25, 0, 0), (0, 0, 20), (15, 25, 15)])
def test_a_large_turn_does_not_fold(angles: tuple[float, float, float]) -> None:
    assert jacobian(torso_warp(neck(), STILL, turned(*angles), RATIO)).min() > 0.1


def locks() -> torch.Tensor:
    """Hair of real depths to both sides of a neck of 1.2 decimetres ``[1, S, S]``, as soft as a portrait's."""
    pixel = DISTANCE / RATIO / SIZE  # decimetres
    x = (torch.arange(SIZE) + 0.5 - SIZE / 2) * pixel
    beside = 0.5 * (1.0 + torch.erf((x.abs() - 0.6) / (SOFT * 2.0**0.5)))
    return (0.7 * beside).expand(1, SIZE, SIZE).contiguous()


@pytest.mark.parametrize("angles", [(0, 40, 0), (0, -40, 0), (25, 0, 0), (-25, 0, 0), (15, 25, 15)])
def test_long_hair_does_not_fold_beside_the_neck(angles: tuple[float, float, float]) -> None:
    assert jacobian(torso_warp(neck(locks()), STILL, turned(*angles), RATIO)).min() > 0.1


@pytest.mark.parametrize("angles", [(0, 30, 0), (15, -20, 10)])
def test_hair_at_the_rim_goes_where_the_head_has_it(angles: tuple[float, float, float]) -> None:
    depth, driven = 0.55, turned(*angles)
    warp = torso_warp(neck(torch.full((1, SIZE, SIZE), depth)), STILL, driven, RATIO)
    at = torch.tensor([[0.3, 0.2], [0.7, 0.3]])  # [2, 2] of the side
    points = unproject(at, torch.full((2,), DISTANCE + PIVOT_DEPTH - depth), RATIO, (0.5, 0.5))
    there = camera_to_head(points, STILL.rotation, STILL.translation)
    moved = project(head_to_camera(there, driven.rotation, driven.translation), RATIO, (0.5, 0.5))  # [2, 2]
    back = F.grid_sample(warp, moved[None, None] * 2 - 1, align_corners=False)[0, :, 0].T  # [2, 2]
    assert torch.allclose(moved + back, at, atol=0.004)


def test_the_fixed_point_is_reached() -> None:
    follow, driven = ramp(), shifted(0.1, 0.05)
    warp = torso_warp(neck(), STILL, driven, RATIO)
    steps = (torch.arange(GRID) + 0.5) / GRID
    place = torch.stack([warp[0, 0] + steps[None], warp[0, 1] + steps[:, None]], dim=-1)
    weight = F.grid_sample(follow[None], place[None] * 2 - 1, padding_mode="border", align_corners=False)[0, 0]
    weight = neck_weight(weight, neck_reach(steepness(follow), STILL, driven, RATIO))
    moved = place + weight[..., None] * torch.tensor((0.1, 0.05)) * DISTANCE / (DISTANCE + 0.8)
    target = torch.stack([steps.expand(GRID, GRID), steps[:, None].expand(GRID, GRID)], dim=-1)
    assert (moved - target).abs().max() < 0.004  # half a pixel at 128


def test_composite_without_motion_is_the_plates() -> None:
    generator = torch.Generator().manual_seed(0)
    alpha = torch.rand(1, SIZE, SIZE, generator=generator)
    colour, background = torch.rand(3, SIZE, SIZE, generator=generator), torch.rand(3, SIZE, SIZE, generator=generator)
    plates = Plates(background, torch.cat([colour * alpha, alpha]), ramp(), 0 * ramp(), ramp())
    composite = torso_and_background(plates, torch.zeros(1, 2, GRID, GRID), SIZE)[0]
    assert torch.allclose(composite, colour * alpha + (1 - alpha) * background, atol=1e-4)


def test_what_is_loose_is_the_torsos_in_the_portraits_view_alone() -> None:
    torso, loose = torch.ones(4, 8, 8), torch.zeros(1, 8, 8)
    loose[:, :4] = 0.75
    plates = Plates(torch.zeros(3, 8, 8), torso, torch.ones(1, 8, 8), torch.zeros(1, 8, 8), loose)
    apart = (1.0, 20.0, 45.0)
    poses = [turned(0.0, yaw, 30.0) for yaw in (0.0, *apart)]
    near, far = shed_loose(plates, STILL, poses[0]).torso, shed_loose(plates, STILL, poses[2]).torso
    assert torch.equal(near, torso), "a roll changes nothing"
    assert torch.equal(far[:, 4:], torso[:, 4:]) and torch.allclose(far[:, :4], torch.tensor(0.25))
    frames = MotionFrame(*(torch.stack(values) for values in zip(*poses)))
    together = shed_loose(plates, STILL, frames).torso  # [4, 4, 8, 8]
    assert torch.equal(together[2], far) and torch.equal(together[3], far) and together[1].mean() > far.mean()
    warped = warp_torso(together, torch.zeros(4, 2, GRID, GRID), 8)
    assert torch.allclose(warped, together, atol=1e-5)


def test_content_moves_the_way_of_the_head() -> None:
    torso = torch.zeros(4, SIZE, SIZE)
    torso[:, 40:50, 60:70] = 1.0
    plates = Plates(torch.zeros(3, SIZE, SIZE), torso, torch.ones(1, SIZE, SIZE), *torch.zeros(2, 1, SIZE, SIZE))
    frame = torso_and_background(plates, torso_warp(plates, STILL, shifted(0.108, -0.108), RATIO), SIZE)[0, 0]
    y, x = torch.meshgrid(torch.arange(SIZE) + 0.5, torch.arange(SIZE) + 0.5, indexing="ij")
    seen = (frame * x).sum() / frame.sum(), (frame * y).sum() / frame.sum()
    assert seen[0].item() == pytest.approx(65 + 0.1 * SIZE, abs=0.5)
    assert seen[1].item() == pytest.approx(45 - 0.1 * SIZE, abs=0.5)


def test_shoulders_that_were_followed_move_below_and_the_rim_stays_with_the_head() -> None:
    torso = torch.tensor(((1.0, 0.0, 0.05), (0.0, 1.0, -0.02)))
    warp = torso_warp(neck(), STILL, STILL._replace(torso=torso), RATIO)
    assert warp[0, :, 5].abs().max() < 0.002
    assert warp[0, 0, -1].mean().item() == pytest.approx(-0.05, abs=0.003)
    assert warp[0, 1, 50].mean().item() == pytest.approx(0.02, abs=0.003)


def test_a_body_that_rises_is_stretched_above_the_lower_border() -> None:
    lifted = torch.tensor(((1.0, 0.0, 0.0), (0.0, 1.0, -0.06)))
    steps = (torch.arange(GRID) + 0.5) / GRID
    source = torso_warp(neck(), STILL, STILL._replace(torso=lifted), RATIO)[0, 1] + steps[:, None]  # [G, G]
    assert source.max() <= steps[-1] + 1e-6, "no row is repeated"
    step = source[46:].diff(dim=0) * GRID
    assert step.min() > 0.4 and step.max() < 1.1, "smoothly, by twice at most"


def test_a_shorter_reach_is_the_same_fall_nearer_to_the_rim() -> None:
    depth = torch.linspace(0.0, 1.0, 41)
    nearer = (depth / 0.4).clamp(max=1.0)
    weight = neck_weight(1.0 - depth**2 * (3.0 - 2.0 * depth), torch.tensor(0.4))
    assert torch.allclose(weight, 1.0 - nearer**2 * (3.0 - 2.0 * nearer), atol=2e-3)


def test_the_neck_gives_way_nearer_the_less_the_head_goes_from_the_shoulders() -> None:
    steep = steepness(ramp())
    assert steep.item() == pytest.approx(1.5 / 0.45, rel=0.02)
    near, far = shifted(0.03, 0.0), shifted(0.2, 0.0)
    along = near._replace(torso=torch.tensor(((1.0, 0.0, 0.03), (0.0, 1.0, 0.0))))
    both = MotionFrame(*(torch.stack(parts) for parts in zip(along, near, far)))
    reach = neck_reach(steep, STILL, both, RATIO)
    assert reach.tolist() == pytest.approx([LEAST_REACH, FREE * 0.03 * steep.item(), 1.0], rel=0.1)


def test_beside_the_picture_the_border_goes_on_and_what_is_near_it_does_not_come_again() -> None:
    x = torch.arange(SIZE).expand(4, SIZE, SIZE)
    plate = ((x >= 4) & (x < 8)).float()  # a lock of hair near the left border
    moved = warp_torso(plate, torch.tensor([-0.5, 0.0]).view(1, 2, 1, 1).expand(1, 2, GRID, GRID), SIZE)[0]
    assert torch.allclose(moved[:, :, 68:72], plate[:, :, 4:8]) and moved[:, :, :66].abs().max() < 1e-4
    moved = warp_torso(1.0 - plate, torch.tensor([-0.5, 0.0]).view(1, 2, 1, 1).expand(1, 2, GRID, GRID), SIZE)[0]
    assert moved[:, :, :66].min() > 1.0 - 1e-4
