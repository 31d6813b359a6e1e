"""The frames of a clip are read as they were tracked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mggtalk.config import MediaConfig
from mggtalk.errors import MediaTooLongError
from mggtalk.face.crop import SquareCrop
from mggtalk.media.writer import VideoWriter
from mggtalk.person.footage import _squares
from mggtalk.runtime.progress import no_progress


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
