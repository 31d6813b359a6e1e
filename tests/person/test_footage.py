"""The frames of a clip are read as they were tracked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mggtalk.avatar.avatar import Avatar
from mggtalk.config import MediaConfig
from mggtalk.errors import MediaTooLongError
from mggtalk.face.crop import SquareCrop
from mggtalk.media.writer import VideoWriter
from mggtalk.person.footage import Footage, _in_window, _squares
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.portrait.look import PORTRAIT_SIZE
from mggtalk.runtime.progress import no_progress
from mggtalk.scene import Motion

SHOULDERS = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], [[1.1, -0.2, 0.05], [0.2, 1.1, -0.1]]])
"""Similarities of two frames, in sides of the picture."""


@pytest.fixture
def brightening(tmp_path: Path) -> Path:
    """A second of 20 frames, each a little brighter than the one before."""
    path = tmp_path / "brightening.mp4"
    with VideoWriter(path, 64, 64, 20.0) as writer:
        for index in range(20):
            writer.write(np.full((64, 64, 3), 10 * index, np.uint8))
    return path


def test_frames_are_those_of_the_pipelines_frame_rate(brightening: Path) -> None:
    """At most 10 a second: the fifth one that was tracked is the tenth of the file."""
    whole = SquareCrop(0, 0, 64)
    square = next(_squares(brightening, whole, [5], MediaConfig(max_fps=10.0), no_progress))
    assert abs(float(square[256:, :256].mean()) - 100.0) < 6


def test_the_pipelines_limits_hold_when_the_clip_is_read_again(brightening: Path) -> None:
    with pytest.raises(MediaTooLongError):
        next(_squares(brightening, SquareCrop(0, 0, 64), [5], MediaConfig(max_video_seconds=0.5), no_progress))


def test_shoulders_are_told_in_the_window() -> None:
    """A place of the torso that is tracked as a landmark goes the same way by both."""
    width, height, side = 640, 360, 640
    first = torch.tensor([300.0, 310.0])
    place = (first + torch.tensor([0.0, (side - height) / 2])) / side
    second = (SHOULDERS[1, :, :2] @ place + SHOULDERS[1, :, 2]) * side - torch.tensor([0.0, (side - height) / 2])
    landmarks = torch.cat([torch.stack([first, second]), torch.zeros(2, 1)], dim=1)[:, None]  # [2, 1, 3]
    motion = Motion(
        torch.zeros(2, 1), torch.eye(3).repeat(2, 1, 1), torch.zeros(2, 3), 25.0, "any", 2.0, landmarks=landmarks,
        frame_size=(width, height), torso=SHOULDERS,
    )  # fmt: skip
    seen = _in_window(motion, SquareCrop(120.0, 40.0, 300.0))
    before, after = seen.landmarks[:, 0, :2] / PORTRAIT_SIZE
    torch.testing.assert_close(seen.torso[1, :, :2] @ before + seen.torso[1, :, 2], after)
    torch.testing.assert_close(before, (first - torch.tensor([120.0, 40.0])) / 300.0)


def test_shoulders_are_counted_from_the_portraits_frame(pipeline: MGGTalkPipeline, avatar: Avatar) -> None:
    """Whatever frames are asked for: the one in which the portrait was taken may not be among them."""
    expression = avatar.expression.repeat(2, 1)
    rotation = torch.stack([torch.eye(3), avatar.rotation])
    translation = torch.stack([avatar.translation + 1.0, avatar.translation])
    portraits = Motion(expression, rotation, translation, 25.0, "any", 2.0, torso=SHOULDERS)
    motion = Motion(expression, rotation[[0, 0]], translation[[0, 0]], 25.0, "any", 2.0, torso=SHOULDERS[[1, 0]])
    driven = Footage(np.zeros((2, 8, 8, 3), np.uint8), motion, portraits=portraits).driving(avatar, pipeline)
    torch.testing.assert_close(driven.torso[0], SHOULDERS[0], atol=1e-6, rtol=0)
    assert not torch.allclose(driven.torso[1], SHOULDERS[0], atol=1e-2)
