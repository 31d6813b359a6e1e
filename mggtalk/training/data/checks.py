"""Checks whether clips are fit for training, with the reason for each refusal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mggtalk.errors import MGGTalkError
from mggtalk.scene import FaceTrack
from mggtalk.training.data.sources import face_heights


class ClipRefusedError(MGGTalkError):
    """A clip is not fit for training."""


@dataclass(frozen=True)
class ClipLimits:
    """Conditions that a clip must meet to be used."""

    least_frames: int = 16  # stored frames
    least_face: float = 64.0  # pixels from forehead top to chin in a stored frame, median over the clip
    most_lost: float = 0.2  # share of the frames in which the face was lost
    most_error: float = 0.01  # reprojection error of the face model over the height of the face, median over the clip
    most_jump: float = 0.5  # face heights that the face may move from one frame of the video to the next
    most_growth: float = 0.25  # change of its size from one frame to the next, natural logarithm


def check_track(track: FaceTrack, limits: ClipLimits) -> None:
    """Refuse a clip whose face is too small, is lost too often, or turns out to be several.

    Args:
        track: Of every frame of the video, in pixels of the stored square.
        limits: What is allowed.

    Raises:
        ClipRefusedError: With the first reason found.
    """
    lost = 1.0 - float(track.found.mean())
    if lost > limits.most_lost:
        raise _refuse(f"The face is lost in {lost:.0%} of the frames.", f"At most {limits.most_lost:.0%} may be.")
    landmarks = torch.from_numpy(track.landmarks)
    heights = face_heights(landmarks)  # [T]
    face = float(heights.median())
    if face < limits.least_face:
        raise _refuse(f"The face is {face:.0f} pixels high.", f"It must have {limits.least_face:.0f}.")
    centre = landmarks[..., :2].mean(1)  # [T, 2]
    jump = (centre[1:] - centre[:-1]).norm(dim=-1) / heights[1:]  # [T - 1]
    growth = (heights[1:] / heights[:-1]).log().abs()  # [T - 1]
    for values, limit in ((jump, limits.most_jump), (growth, limits.most_growth)):
        if len(values) and float(values.max()) > limit:
            frame = int(values.argmax()) + 1
            problem = f"The face jumps at frame {frame} of the video: a cut, or another person."
            raise _refuse(problem, "Cut the video into clips of one person.")


def check_length(frames: int, limits: ClipLimits) -> None:
    """Refuse a clip of too few stored frames.

    Raises:
        ClipRefusedError: If it is too short.
    """
    if frames < limits.least_frames:
        raise _refuse(f"The clip gives only {frames} frames.", f"It must give {limits.least_frames}.")


def check_fit(rms_pixels: Tensor, landmarks: np.ndarray, side: int, limits: ClipLimits) -> None:
    """Refuse a clip that the face model does not follow.

    Args:
        rms_pixels: Reprojection errors ``[T]`` in pixels of a 256-pixel frame.
        landmarks: ``[T, 478, 3]`` pixels.
        side: Of the frames.
        limits: What is allowed.

    Raises:
        ClipRefusedError: If the median error is too large.
    """
    error = float((rms_pixels * (side / 256.0) / face_heights(torch.from_numpy(landmarks))).median())
    if error > limits.most_error:
        problem = f"The face model misses the landmarks by {error:.1%} of the face's height."
        raise _refuse(problem, f"At most {limits.most_error:.1%} is usable.")


def _refuse(problem: str, advice: str) -> ClipRefusedError:
    return ClipRefusedError(problem, advice)
