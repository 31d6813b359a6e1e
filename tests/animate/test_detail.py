"""Large frames show what a large portrait has, and frames of the usual sizes stay as they were."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from mggtalk.animate.detail import Detail, refine_plates
from mggtalk.avatar.avatar import Avatar
from mggtalk.inpaint.plates import Plates
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.render.constants import SH_0
from mggtalk.render.rasterize import rasterize
from mggtalk.scene import Camera, Gaussians

SIZE = 640
"""A size over that of the avatar's square; 1024 takes longer."""


@pytest.fixture(scope="module")
def grain() -> np.ndarray:
    """Pixels that a small picture cannot show: ``[SIZE, SIZE]`` of mean 0."""
    return np.where(np.random.default_rng(0).random((SIZE, SIZE)) < 0.5, -12.0, 12.0)


@pytest.fixture(scope="module")
def large(avatar: Avatar, grain: np.ndarray) -> Avatar:
    """The astronaut with more pixels."""
    assert avatar.portrait is not None
    picture = Image.fromarray(avatar.portrait.numpy()).resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    fine = np.clip(np.asarray(picture) + grain[..., None], 0, 255).astype(np.uint8)
    return avatar.with_(fine=torch.from_numpy(fine))


def face(avatar: Avatar) -> tuple[slice, slice]:
    """Rows and columns of the middle of the face in a large frame."""
    points = Camera.from_pose(avatar.rotation, avatar.translation, SIZE, 2.5)
    in_camera = avatar.vertices @ points.view[:3, :3].T + points.view[:3, 3]
    x, y = (in_camera[:, axis] / in_camera[:, 2] * points.focal + SIZE / 2 for axis in (0, 1))
    spans = [(float(v.min()), float(v.max())) for v in (y, x)]
    rows, columns = (slice(int(a + 0.3 * (b - a)), int(b - 0.3 * (b - a))) for a, b in spans)
    return rows, columns


def test_without_motion_a_large_frame_is_the_large_portrait(pipeline: MGGTalkPipeline, large: Avatar) -> None:
    assert large.fine is not None
    rows, columns = face(large)
    real = large.fine.numpy().astype(float)[rows, columns]
    with_it, without = (pipeline.animator(one, SIZE).frame(large.source) for one in (large, large.with_(fine=None)))
    errors = [np.abs(frame[rows, columns] - real).mean() for frame in (with_it, without)]
    assert errors[0] < 3.0 < 8.0 < errors[1]


def test_usual_sizes_do_not_know_of_it(pipeline: MGGTalkPipeline, avatar: Avatar, large: Avatar) -> None:
    for size in (256, 512):
        first, second = (pipeline.animator(one, size).frame(large.source) for one in (avatar, large))
        assert np.array_equal(first, second)


def test_grain_moves_with_the_head(pipeline: MGGTalkPipeline, large: Avatar, grain: np.ndarray) -> None:
    pixels = 7
    way = pixels / SIZE / 2.5 * float(large.translation[2])
    moved = large.source._replace(translation=large.translation + torch.tensor([way, 0.0, 0.0]))
    animators = [pipeline.animator(one, SIZE) for one in (large, large.with_(fine=None))]
    with_it, without = (animator.frame(moved).astype(float).mean(-1) for animator in animators)
    rows, columns = face(large)
    added = (with_it - without)[rows, columns]
    there, elsewhere = (np.roll(grain, shift, 1)[rows, columns] for shift in (pixels, 0))
    assert np.corrcoef(added.ravel(), there.ravel())[0, 1] > 0.7
    assert abs(np.corrcoef(added.ravel(), elsewhere.ravel())[0, 1]) < 0.2


def test_both_ways_to_draw_agree(pipeline: MGGTalkPipeline, large: Avatar) -> None:
    animator = pipeline.animator(large, SIZE)
    turned = large.source._replace(translation=large.translation + torch.tensor([0.1, 0.1, 0.4]))
    with torch.inference_mode():
        slow = animator.render(animator.splats(turned.expression), turned)  # [3, S, S]
    slow = (slow.clamp(0, 1) * 255.0).permute(1, 2, 0).numpy()
    assert np.abs(animator.frame(turned) - slow).mean() < 1.0


def plane(count: int = 24) -> tuple[Gaussians, Camera]:
    """Grey splats on a plane that fill a picture of 288 pixels."""
    camera = Camera.from_pose(torch.diag(torch.tensor([1.0, 1.0, 1.0])), torch.tensor([0.0, 0.0, 10.0]), 288, 2.5)
    steps = (torch.arange(count) + 0.5) / count * 4.0 - 2.0
    x, y = torch.meshgrid(steps, steps, indexing="xy")
    means = torch.stack([x.flatten(), y.flatten(), torch.zeros(count * count)], dim=-1)
    quaternions = torch.tensor([1.0, 0.0, 0.0, 0.0]).repeat(len(means), 1)
    scales = torch.full((len(means), 3), 0.13)
    return Gaussians(means, quaternions, scales, torch.full((len(means),), 0.95), torch.zeros(len(means), 4, 3)), camera


def added_by(splats: Gaussians) -> torch.Tensor:
    """How much of a checkerboard a moved plane shows, inside of it: 1 where it shows all."""
    still, camera = plane()
    board = ((torch.arange(288)[:, None] + torch.arange(288)) % 2 * 2.0 - 1.0).expand(3, 288, 288)
    detail = Detail(still, torch.ones(len(still.means), dtype=torch.bool), camera, board)
    drawn = rasterize(splats, camera)
    return (detail(drawn, splats, camera).image - drawn.image)[48:-48, 48:-48, 0].abs()


def test_other_colours_and_jumps_have_no_detail() -> None:
    still, _ = plane()
    assert float(added_by(still).min()) > 0.9
    painted = still._replace(harmonics=still.harmonics + 0.3 / SH_0)
    assert float(added_by(painted).max()) < 0.01
    torn = still._replace(means=still.means + torch.where(still.means[:, :1] > 0, 0.5, 0.0) * torch.tensor([1.0, 0, 0]))
    assert float(added_by(torn).min()) < 0.1 < 0.9 < float(added_by(torn).max())


def test_plates_are_refined_only_where_they_show_the_portrait() -> None:
    generator = torch.Generator().manual_seed(0)
    small = torch.full((3, 16, 16), 0.5)
    portrait = 0.5 + 0.1 * torch.randn(3, 32, 32, generator=generator)
    background, torso = torch.full((3, 32, 32), 0.5), torch.zeros(4, 32, 32)
    background[:, :, 16:] = 0.9  # filled: the person was here
    torso[:, 20:, 16:] = torch.tensor([0.5, 0.5, 0.5, 1.0])[:, None, None]
    torso[:, 28:, 16:] = torch.tensor([0.1, 0.1, 0.1, 1.0])[:, None, None]  # continued under the jaw
    plates = refine_plates(Plates(background, torso, *torch.zeros(3, 1, 16, 16)), portrait, small)
    assert torch.allclose(plates.background[:, :, :14], portrait[:, :, :14].clamp(0, 1), atol=1e-5)
    assert torch.allclose(plates.background[:, :, 17:], background[:, :, 17:])
    assert torch.allclose(plates.torso[:3, 22:26, 18:], portrait[:, 22:26, 18:].clamp(0, 1), atol=1e-5)
    assert torch.equal(plates.torso[:, 30:], torso[:, 30:]) and torch.equal(plates.torso[3:], torso[3:])
