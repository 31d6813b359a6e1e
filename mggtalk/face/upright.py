"""Pictures that lie on their side or stand on their head without saying so: the face tells how they belong."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from mggtalk.face.masks import face_axes
from mggtalk.scene import FaceTrack

TILTED = 60.0
"""Degrees of roll from which it is the picture that lies, not the head."""


def quarter_turns(landmarks: np.ndarray) -> int:
    """Quarter turns counter-clockwise, 0 to 3, that set a picture with a face ``[478, 2 or 3]`` upright."""
    x, y = face_axes(landmarks).x_axis
    roll = math.degrees(math.atan2(y, x))  # clockwise in the picture, as y points down
    return round(roll / 90.0) % 4 if abs(roll) >= TILTED else 0


def turn_upright(image: np.ndarray, track: FaceTrack) -> tuple[np.ndarray, FaceTrack, str]:
    """Turn a picture by its face.

    Args:
        image: uint8 ``[H, W, 3]``.
        track: Of its face, one frame.

    Returns:
        Both upright, and a line for the user; empty if they were.
    """
    turns = quarter_turns(track.landmarks[0])
    if not turns:
        return image, track, ""
    landmarks, width, height = track.landmarks.copy(), track.width, track.height
    for _ in range(turns):  # one quarter turn takes (x, y) to (y, W - x)
        landmarks[..., 0], landmarks[..., 1] = landmarks[..., 1].copy(), width - landmarks[..., 0]
        width, height = height, width
    turned = np.ascontiguousarray(np.rot90(image, turns))  # [H', W', 3]
    how = {1: "90° to the left", 2: "180°", 3: "90° to the right"}[turns]
    note = f"The picture was turned by {how}, as the face in it stood askew."
    return turned, replace(track, landmarks=landmarks, width=width, height=height), note
