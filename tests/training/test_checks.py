"""What is refused, and why."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mggtalk.scene import FaceTrack, Motion
from mggtalk.training.data.checks import ClipLimits, ClipRefusedError, check_fit, check_length, check_track

LIMITS = ClipLimits()


def track_of(motion: Motion) -> FaceTrack:
    landmarks = motion.landmarks.numpy().copy()
    count = len(landmarks)
    return FaceTrack(landmarks, np.zeros((count, 52), np.float32), np.ones(count, bool), 25.0, 256, 256)


@pytest.fixture
def track(make_motion) -> FaceTrack:
    return track_of(make_motion([0.02 * step for step in range(20)]))


def test_good_clips_pass(track: FaceTrack) -> None:
    check_track(track, LIMITS)
    check_length(len(track), LIMITS)
    check_fit(torch.full((20,), 0.5), track.landmarks, 256, LIMITS)


def test_lost_faces(track: FaceTrack) -> None:
    track.found[:5] = False
    with pytest.raises(ClipRefusedError, match="lost in 25%"):
        check_track(track, LIMITS)


def test_small_faces(track: FaceTrack) -> None:
    track.landmarks[:] *= 0.5
    with pytest.raises(ClipRefusedError, match="pixels high"):
        check_track(track, LIMITS)


@pytest.mark.parametrize("change", [lambda points: points + np.float32(90.0), lambda points: points * np.float32(1.4)])
def test_switching_faces(track: FaceTrack, change) -> None:
    track.landmarks[12:] = change(track.landmarks[12:])
    with pytest.raises(ClipRefusedError, match="jumps at frame 12"):
        check_track(track, LIMITS)


def test_short_clips_and_bad_fits(track: FaceTrack) -> None:
    with pytest.raises(ClipRefusedError, match="only 3 frames"):
        check_length(3, LIMITS)
    with pytest.raises(ClipRefusedError, match="misses the landmarks"):
        check_fit(torch.full((20,), 5.0), track.landmarks, 256, LIMITS)
