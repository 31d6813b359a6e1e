"""The whole pipeline on one real face: the law, the neck, threads, and what is refused."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from mggtalk.avatar.avatar import Avatar
from mggtalk.errors import FaceTooSmallError, NoFaceError, OptionError
from mggtalk.face.crop import choose_crop
from mggtalk.geometry import euler_to_rotation, head_to_camera, project, rotation_to_euler
from mggtalk.inpaint.follow import GRID, torso_and_background, torso_warp
from mggtalk.motion.retarget import still
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.render import rasterize
from mggtalk.scene import Camera, Motion, MotionFrame

SIZE, RATIO = 512, 2.5
MOVES = [(0.15, 0.0), (-0.15, 0.0), (0.0, 0.15), (0.0, -0.15)]


@pytest.fixture(scope="module")
def closeup(pipeline: MGGTalkPipeline, astronaut: np.ndarray) -> Avatar:
    """The astronaut's head and shoulders."""
    return pipeline.prepare(astronaut, crop="auto")


def psnr(frame: np.ndarray, truth: np.ndarray, where: np.ndarray) -> float:
    """Peak signal-to-noise ratio in decibels over a region."""
    error = (frame.astype(float) - truth.astype(float))[where]
    return 10 * math.log10(255**2 / np.mean(error**2))


def shifted(avatar: Avatar, move: tuple[float, float]) -> MotionFrame:
    """The head moves by a share of the frame."""
    step = torch.tensor((*move, 0.0)) * avatar.translation[2] / RATIO
    return avatar.source._replace(translation=avatar.translation + step)


def head_alpha(pipeline: MGGTalkPipeline, avatar: Avatar, frame: MotionFrame) -> Tensor:
    """Coverage of the rendered head ``[S, S]``."""
    camera = Camera.from_pose(frame.rotation, frame.translation, SIZE, RATIO)
    return rasterize(pipeline.splat(avatar, frame), camera).alpha.reshape(SIZE, SIZE)


def torso_alpha(avatar: Avatar, frame: MotionFrame) -> Tensor:
    """Coverage of the warped torso ``[S, S]``."""
    alpha = avatar.plates.torso[3:].expand(4, -1, -1)
    plates = avatar.plates._replace(background=torch.zeros(3, SIZE, SIZE), torso=alpha.contiguous())
    return torso_and_background(plates, torso_warp(plates, avatar.source, frame, RATIO), SIZE)[0, 0]


def test_no_change_no_difference(pipeline: MGGTalkPipeline, avatar: Avatar, astronaut: np.ndarray) -> None:
    """The portrait's own pose gives the portrait back; torso and background to the last bit or two."""
    frame = pipeline.animator(avatar, SIZE).frame(avatar.source)
    coverage = head_alpha(pipeline, avatar, avatar.source).numpy()
    inner = ndimage.binary_erosion(coverage > 0.99, iterations=6)
    assert psnr(frame, astronaut, inner) > 26.0  # this head is 130 pixels high, its hair finer than a splat
    assert psnr(frame, astronaut, coverage < 0.005) > 36.0
    assert psnr(frame, astronaut, np.ones_like(inner)) > 31.0


def test_a_close_up_is_reproduced_sharply(pipeline: MGGTalkPipeline, closeup: Avatar, astronaut: np.ndarray) -> None:
    landmarks = pipeline.tracker.still(astronaut).landmarks[0]
    square = choose_crop(landmarks, 512, 512, "auto").cut(astronaut, SIZE)
    frame = pipeline.animator(closeup, SIZE).frame(closeup.source)
    inner = ndimage.binary_erosion(head_alpha(pipeline, closeup, closeup.source).numpy() > 0.99, iterations=8)
    assert psnr(frame, square, inner) > 32.0


def test_the_head_is_no_wider_than_in_the_portrait(pipeline: MGGTalkPipeline, closeup: Avatar) -> None:
    """Soft edges stay soft: splats that overlap must not add up to a rim around the hair."""
    coverage = head_alpha(pipeline, closeup, closeup.source)
    points = head_to_camera(closeup.points, closeup.rotation, closeup.translation)
    solid = closeup.opacity > 0.9
    pixels = project(points[solid], RATIO * SIZE, (SIZE / 2, SIZE / 2))
    head = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    x, y = pixels.floor().long().clamp(0, SIZE - 1).unbind(-1)
    head[y, x] = True
    near = F.max_pool2d(head.float()[None, None], 23, stride=1, padding=11)[0, 0] > 0
    above = torch.arange(SIZE)[:, None] < SIZE // 2
    assert float(coverage[~near & above].max()) < 0.5 and float(coverage[~near & above].mean()) < 0.005


@pytest.mark.parametrize("kind", ["avatar", "closeup"])
@pytest.mark.parametrize("move", MOVES)
def test_neck_does_not_fold_when_the_head_moves(kind: str, move: tuple, request: pytest.FixtureRequest) -> None:
    avatar = request.getfixturevalue(kind)
    warp = torso_warp(avatar.plates, avatar.source, shifted(avatar, move), RATIO)
    steps = (torch.arange(GRID) + 0.5) / GRID
    x, y = warp[0, 0] + steps[None], warp[0, 1] + steps[:, None]
    determinant = x.diff(dim=1)[:-1] * y.diff(dim=0)[:, :-1] - x.diff(dim=0)[:, :-1] * y.diff(dim=1)[:-1]
    assert (determinant * GRID**2).min() > 0.3


@pytest.mark.parametrize("kind", ["avatar", "closeup"])
@pytest.mark.parametrize("move", [(0.0, 0.0), *MOVES])
def test_no_hole_at_the_neck(pipeline: MGGTalkPipeline, kind: str, move: tuple, request: pytest.FixtureRequest) -> None:
    """Head and torso together cover the line from the mouth down the neck, wherever the head goes."""
    avatar = request.getfixturevalue(kind)
    frame = shifted(avatar, move)
    coverage = 1 - (1 - head_alpha(pipeline, avatar, frame)) * (1 - torso_alpha(avatar, frame))
    # The line in the portrait: down from the middle of the lips to where the torso has stopped to follow.
    own = Camera.from_pose(avatar.rotation, avatar.translation, 1, RATIO)
    lips = avatar.vertices[[13, 14, 152]] @ own.view[:3, :3].T + own.view[:3, 3]
    lips = lips[:, :2] / lips[:, 2:] * RATIO + 0.5  # units of the side
    down = torch.linspace(0.0, 1.0, 800)[:, None]
    chin, mouth = lips[2], lips[:2].mean(0)
    line = mouth + down * (chin - mouth) * 2.5
    line = line[line[:, 1] < 0.97]
    grid = (line * 2 - 1)[None, None]
    weight = F.grid_sample(avatar.plates.follow[None], grid, padding_mode="border", align_corners=False)[0, 0, 0]
    moved = line + weight[:, None] * torch.tensor(move)
    inside = ((moved > 0.01) & (moved < 0.99)).all(-1)
    seen = F.grid_sample(coverage[None, None], (moved[inside] * 2 - 1)[None, None], align_corners=False)
    assert inside.sum() > 200
    assert seen.min() > 0.95


def test_turning_shows_no_hole_in_the_face(pipeline: MGGTalkPipeline, avatar: Avatar) -> None:
    middle = avatar.vertices[[1, 4, 50, 280, 9, 151]]  # nose, cheeks, forehead
    for yaw in (-25.0, 25.0):
        angles = rotation_to_euler(avatar.rotation) + torch.tensor((0.0, math.radians(yaw), 0.0))
        frame = avatar.source._replace(rotation=euler_to_rotation(angles))
        camera = Camera.from_pose(frame.rotation, frame.translation, SIZE, RATIO)
        points = middle @ camera.view[:3, :3].T + camera.view[:3, 3]
        pixels = (points[:, :2] / points[:, 2:] * camera.focal + SIZE / 2).long()
        assert head_alpha(pipeline, avatar, frame)[pixels[:, 1], pixels[:, 0]].min() > 0.97


def test_the_frame_moves_with_the_head(pipeline: MGGTalkPipeline, avatar: Avatar) -> None:
    before, after = (head_alpha(pipeline, avatar, f) for f in (avatar.source, shifted(avatar, (0.1, 0.0))))
    x = torch.arange(SIZE) + 0.5
    centres = [float((alpha.sum(0) * x).sum() / alpha.sum()) for alpha in (before, after)]
    assert centres[1] - centres[0] == pytest.approx(0.1 * SIZE, abs=1.5)


def test_two_threads_give_the_frames_of_one(pipeline: MGGTalkPipeline, avatar: Avatar, motion: Motion) -> None:
    def frames(shift: float) -> list[np.ndarray]:
        return list(pipeline.animate(avatar, motion.with_(expression=motion.expression + shift), size=128))

    alone = [frames(0.0), frames(0.4)]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(frames, (0.0, 0.4)))
    for one, two in zip(alone, together):
        assert all(np.array_equal(a, b) for a, b in zip(one, two))
    assert not np.array_equal(alone[0][0], alone[1][0])


def test_animate_makes_frames_of_the_asked_size_again_and_again(
    pipeline: MGGTalkPipeline, avatar: Avatar, motion: Motion
) -> None:
    seen: list[tuple[str, int, int]] = []
    video = pipeline.animate(avatar, motion, size=128, on_progress=lambda *step: seen.append(step))
    first, second = list(video), list(video)
    assert len(video) == len(first) == 5 and video.fps == 25.0 and video.size == 128
    assert all(frame.shape == (128, 128, 3) and frame.dtype == np.uint8 for frame in first)
    assert all(np.array_equal(a, b) for a, b in zip(first, second))
    assert seen[:5] == [("render", index + 1, 5) for index in range(5)]
    assert not np.array_equal(first[0], first[4])


def test_a_still_motion_is_the_portrait(pipeline: MGGTalkPipeline, avatar: Avatar) -> None:
    motion = still(avatar, 1, 25.0, pipeline.face_model.version, RATIO)
    frame = next(iter(pipeline.animate(avatar, motion, size=256, pose="absolute")))
    assert np.array_equal(frame, pipeline.animator(avatar, 256).frame(avatar.source))


def test_a_last_bit_of_the_pose_changes_nothing_that_one_sees(pipeline: MGGTalkPipeline, avatar: Avatar) -> None:
    """The order of splats must not jump: that would flicker in a video."""
    animator = pipeline.animator(avatar, 256)
    nudged = avatar.source._replace(translation=avatar.translation * (1 + 1e-6))
    difference = animator.frame(nudged).astype(int) - animator.frame(avatar.source).astype(int)
    assert (np.abs(difference) > 8).mean() < 1e-3


def test_prior_and_embedded_weights_agree_without_change(
    pipeline: MGGTalkPipeline, prior_pipeline: MGGTalkPipeline, avatar: Avatar
) -> None:
    """Learned residuals leave the portrait's own frame alone (the avatar's colours were fitted with them)."""
    frames = [p.animator(avatar, 256).frame(avatar.source).astype(float) for p in (pipeline, prior_pipeline)]
    assert np.abs(frames[0] - frames[1]).mean() < 1.0


def test_render_from_a_camera_of_the_same_pose_is_the_frame(pipeline: MGGTalkPipeline, avatar: Avatar) -> None:
    frame = avatar.source
    camera = Camera.from_pose(frame.rotation, frame.translation, 256, RATIO)
    assert np.array_equal(pipeline.render(avatar, frame, camera), pipeline.animator(avatar, 256).frame(frame))


def test_splats_are_ready_for_a_renderer(pipeline: MGGTalkPipeline, avatar: Avatar, motion: Motion) -> None:
    splats = pipeline.splat(avatar, motion[2])
    assert all(torch.isfinite(field).all() for field in splats)
    assert (splats.scales > 0).all() and splats.scales.max() < 0.5
    assert splats.opacities.min() >= 0 and splats.opacities.max() <= 1
    assert torch.allclose(splats.quaternions.norm(dim=-1), torch.ones(len(splats.means)), atol=1e-3)


def test_mirrored_picture_gives_the_mirrored_pose(pipeline: MGGTalkPipeline, avatar: Avatar, astronaut) -> None:
    mirrored = pipeline.prepare(np.ascontiguousarray(astronaut[:, ::-1]), crop="none")
    ours, theirs = (torch.rad2deg(rotation_to_euler(a.rotation)) for a in (avatar, mirrored))
    assert torch.allclose(ours * torch.tensor((1.0, -1.0, -1.0)), theirs, atol=3.0)
    assert float(mirrored.translation[0]) == pytest.approx(-float(avatar.translation[0]), abs=0.1)
    assert float(mirrored.translation[1]) == pytest.approx(float(avatar.translation[1]), abs=0.1)


@pytest.mark.parametrize("size", [127, 64, 2048, 0, -128])
def test_sizes_that_are_refused(pipeline: MGGTalkPipeline, avatar: Avatar, motion: Motion, size: int) -> None:
    with pytest.raises(OptionError, match=str(size)):
        pipeline.animate(avatar, motion, size=size)


def test_motions_that_are_refused(pipeline: MGGTalkPipeline, avatar: Avatar, motion: Motion) -> None:
    with pytest.raises(OptionError, match="another-face"):
        pipeline.animate(avatar, motion.with_(face_model="another-face"))
    with pytest.raises(OptionError, match="focal"):
        pipeline.animate(avatar, motion.with_(focal_ratio=1.2))
    with pytest.raises(OptionError, match="sideways"):
        pipeline.animate(avatar, motion, pose="sideways")


def test_cameras_that_are_refused(pipeline: MGGTalkPipeline, avatar: Avatar) -> None:
    frame = avatar.source
    wide = Camera(Camera.from_pose(frame.rotation, frame.translation, 256, RATIO).view, 640.0, (192.0, 128.0), 384, 256)
    with pytest.raises(OptionError, match="384x256"):
        pipeline.render(avatar, frame, wide)
    with pytest.raises(OptionError, match="focal"):
        pipeline.render(avatar, frame, Camera.from_pose(frame.rotation, frame.translation, 256, 1.0))
    aside = Camera(wide.view, 640.0, (100.0, 128.0), 256, 256)
    with pytest.raises(OptionError, match="100"):
        pipeline.render(avatar, frame, aside)


def test_portraits_that_are_refused(pipeline: MGGTalkPipeline, astronaut: np.ndarray) -> None:
    with pytest.raises(NoFaceError):
        pipeline.prepare(np.full((300, 300, 3), 127, np.uint8))
    with pytest.raises((FaceTooSmallError, NoFaceError)):
        pipeline.prepare(np.ascontiguousarray(astronaut[::8, ::8]))
    with pytest.raises(OptionError, match="round"):
        pipeline.prepare(astronaut, crop="round")


def test_track_frames_reads_the_astronaut_as_the_still(
    pipeline: MGGTalkPipeline, avatar: Avatar, astronaut: np.ndarray
) -> None:
    motion = pipeline.track_frames([astronaut] * 3, fps=25.0)
    assert len(motion) == 3 and bool(motion.found.all()) and motion.face_model == pipeline.face_model.version
    assert torch.allclose(motion.translation[1], avatar.translation, atol=0.6)
    turned = rotation_to_euler(motion.rotation[1]) - rotation_to_euler(avatar.rotation)
    assert torch.rad2deg(turned).abs().max() < 3.0
