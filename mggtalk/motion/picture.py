"""A single picture as the driver: its expression and the turn of its head, eased into from a calm face and held."""

from __future__ import annotations

import torch
from torch import Tensor

from mggtalk.geometry import euler_to_rotation, rotation_to_euler
from mggtalk.scene import Motion

FPS = 25.0
"""Frames a second of what becomes of a picture."""

CALM_SECONDS, EASE_SECONDS, HOLD_SECONDS = 0.2, 0.8, 2.0
"""The calm face before, the way, and how long the expression of the picture is held."""


def ease_in(picture: Motion) -> Motion:
    """Make a motion of one frame: from a calm face that looks ahead to the frame, which then is held.

    It counts from its first frame, in which it is calm (see :func:`mggtalk.motion.retarget.usual_pose`): put on a
    portrait it adds the picture's expression to the portrait's calm face, and its head's turn to the portrait's pose.

    Args:
        picture: One tracked frame.

    Returns:
        Three seconds; the last frame is the picture's.
    """
    calm, ease, hold = (round(seconds * FPS) for seconds in (CALM_SECONDS, EASE_SECONDS, HOLD_SECONDS))
    way = torch.cat([torch.zeros(calm), torch.linspace(0.0, 1.0, ease + 1), torch.ones(hold - 1)])  # [T]
    share = (way.square() * (3.0 - 2.0 * way))[:, None]  # [T, 1]
    angles: Tensor = rotation_to_euler(picture.rotation)  # [1, 3]
    return Motion(
        expression=share * picture.expression,
        rotation=euler_to_rotation(share * angles),
        translation=picture.translation.expand(len(share), 3),
        fps=FPS,
        face_model=picture.face_model,
        focal_ratio=picture.focal_ratio,
        notes=picture.notes,
    )
