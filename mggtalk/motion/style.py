"""Style in which a motion is played on a portrait: strength of poses and expressions, smoothing, what is followed."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from mggtalk.avatar.avatar import Avatar
from mggtalk.config import check_follow
from mggtalk.errors import OptionError
from mggtalk.face.face_model import FaceModel
from mggtalk.geometry import quaternion_to_rotation, rotation_to_quaternion
from mggtalk.motion.follow import follow
from mggtalk.motion.retarget import PoseMode, close_lips, retarget
from mggtalk.scene import Motion

MOST = 2.0
"""Greatest strength of pose and expression: beyond it faces break."""

MOST_SMOOTHING = 1.0
"""Greatest smoothing, seconds."""


class Style(NamedTuple):
    """Style in which a motion is played; the defaults change nothing."""

    pose: float = 1.0  # multiplies the turns and shifts of relative poses; 0 keeps the portrait's pose
    expression: float = 1.0  # multiplies the distance of each expression from the portrait at rest
    smoothing: float = 0.0  # standard deviation of a Gaussian window over time, seconds
    regions: tuple[str, ...] = ("all",)  # what of the driver is followed, of mggtalk.config.REGIONS
    gaze: str = "driver"  # where the eyes look, of mggtalk.config.GAZES

    def check(self) -> Style:
        """The style itself, if it can be played.

        Raises:
            OptionError: If a strength or the smoothing is out of range, or a region or the gaze does not exist.
        """
        check_follow(self.regions, self.gaze)
        limits = {"pose": MOST, "expression": MOST, "smoothing": MOST_SMOOTHING}
        for name, most in limits.items():
            value = getattr(self, name)
            if not (math.isfinite(value) and 0.0 <= value <= most):
                kind = "smoothing in seconds" if name == "smoothing" else f"strength of the {name}"
                raise OptionError(f"The {kind} is {value:g}.", f"Choose 0 to {most:g}.")
        return self


def perform(motion: Motion, avatar: Avatar, face_model: FaceModel, pose: PoseMode, style: Style) -> Motion:
    """Put a driver's motion on a portrait, in a style.

    Args:
        motion: The driver's, T frames.
        avatar: The portrait.
        face_model: The landmark 3DMM.
        pose: See :data:`~mggtalk.motion.retarget.PoseMode`.
        style: See :class:`Style`.

    Returns:
        T frames for this avatar: retargeted, then smoothed and strengthened, then kept to the regions.

    Raises:
        OptionError: If the pose mode or the style is not allowed.
    """
    style.check()
    motion = retarget(motion, avatar, pose, face_model, style.pose)
    motion = play(motion, close_lips(face_model, avatar.identity, avatar.expression), style)
    return follow(motion, avatar, face_model, style.regions, style.gaze)


def play(motion: Motion, rest: Tensor, style: Style) -> Motion:
    """Apply smoothing and the strength of the expression to a motion that was put on a portrait.

    Args:
        motion: T frames, retargeted; the strength of the pose is :func:`mggtalk.motion.retarget.retarget`'s business.
        rest: The portrait's expression at rest, ``[K]``.
        style: See :class:`Style`.

    Returns:
        T frames: ``beta = rest + s (smooth(beta) - rest)``.
    """
    if style.smoothing > 0 and len(motion) > 1:
        motion = smooth(motion, style.smoothing)
    if style.expression != 1.0:
        motion = motion.with_(expression=rest + style.expression * (motion.expression - rest))
    return motion


def smooth(motion: Motion, seconds: float) -> Motion:
    """Average expressions and poses over time, without a lag.

    Args:
        motion: T frames.
        seconds: Standard deviation of the Gaussian window.

    Returns:
        T frames. Landmarks, which belong to the frames as they were, are dropped.
    """
    width = seconds * motion.fps

    def average(values: Tensor) -> Tensor:
        return torch.from_numpy(gaussian_filter1d(values.numpy(), width, axis=0, mode="nearest"))

    quaternions = rotation_to_quaternion(motion.rotation)  # [T, 4]
    turns = (quaternions[1:] * quaternions[:-1]).sum(-1).sign()  # q and -q are one rotation: follow one branch
    turns = torch.where(turns == 0, torch.ones_like(turns), turns)
    signs = torch.cat([torch.ones(1), turns.cumprod(0)])  # [T]
    return motion.with_(
        expression=average(motion.expression),
        rotation=quaternion_to_rotation(average(quaternions * signs[:, None])),
        translation=average(motion.translation),
        landmarks=None,
        frame_size=None,
    )
