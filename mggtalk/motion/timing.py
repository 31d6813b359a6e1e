"""Motions in time: another frame rate, and a soft way from rest and back."""

from __future__ import annotations

import torch
from torch import Tensor

from mggtalk.geometry import quaternion_to_rotation, rotation_to_quaternion
from mggtalk.scene import Motion, MotionFrame

EASE = 0.4
"""Seconds on the way between a portrait at rest and a motion."""


def resample(motion: Motion, fps: float) -> Motion:
    """The same motion at another frame rate, interpolated; landmarks, which belong to frames, are dropped.

    Args:
        motion: T frames.
        fps: Frames per second.
    """
    if abs(motion.fps - fps) < 1e-6:
        return motion
    count = max(1, round(len(motion) / motion.fps * fps))
    place = (torch.arange(count) * (motion.fps / fps)).clamp(max=len(motion) - 1)  # [N] in frames
    low = place.floor().long()
    high = (low + 1).clamp(max=len(motion) - 1)
    share = (place - low)[:, None]  # [N, 1]
    return motion.with_(
        expression=torch.lerp(motion.expression[low], motion.expression[high], share),
        rotation=turn_between(motion.rotation[low], motion.rotation[high], share),
        translation=torch.lerp(motion.translation[low], motion.translation[high], share),
        torso=None if motion.torso is None else torch.lerp(motion.torso[low], motion.torso[high], share[..., None]),
        fps=fps,
        landmarks=None,
        frame_size=None,
        found=None,
    )


def turn_between(first: Tensor, last: Tensor, share: Tensor) -> Tensor:
    """Rotations ``[N, 3, 3]`` between two, by a share ``[N, 1]``; they are assumed near each other."""
    start, end = rotation_to_quaternion(first), rotation_to_quaternion(last)  # [N, 4]
    end = torch.where((start * end).sum(-1, keepdim=True) < 0, -end, end)
    return quaternion_to_rotation(torch.lerp(start, end, share))


def ease(motion: Motion, rest: MotionFrame, before: int, after: int) -> Motion:
    """Put a soft start before a motion and a soft end behind it.

    Args:
        motion: T frames.
        rest: Pose and expression at rest.
        before: Frames on the way from rest to the first frame.
        after: Frames on the way from the last frame to rest.

    Returns:
        ``before + T + after`` frames.
    """

    def way(frame: MotionFrame, shares: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        soft = (shares * shares * (3.0 - 2.0 * shares))[:, None]  # [n, 1]
        count = len(shares)
        expression = torch.lerp(rest.expression.expand(count, -1), frame.expression.expand(count, -1), soft)
        rotation = turn_between(rest.rotation.expand(count, 3, 3), frame.rotation.expand(count, 3, 3), soft)
        translation = torch.lerp(rest.translation.expand(count, 3), frame.translation.expand(count, 3), soft)
        return expression, rotation, translation

    parts = [
        way(motion[0], torch.arange(before) / max(before, 1)),
        (motion.expression, motion.rotation, motion.translation),
        way(motion[len(motion) - 1], 1.0 - (torch.arange(after) + 1) / max(after, 1)),
    ]
    expression, rotation, translation = (torch.cat(values) for values in zip(*parts))
    still = dict.fromkeys(("landmarks", "frame_size", "found", "torso"))
    return motion.with_(expression=expression, rotation=rotation, translation=translation, **still)
