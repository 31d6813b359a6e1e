"""One still by hand: a portrait's pose and expression moved by a few plain numbers."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch

from mggtalk.avatar.avatar import Avatar
from mggtalk.errors import OptionError
from mggtalk.face.blendshapes import INDEX, NAMES
from mggtalk.face.face_model import FaceModel
from mggtalk.geometry import euler_to_rotation, nearest_rotation
from mggtalk.scene import MotionFrame
from mggtalk.speech.blinks import DEGREES_PER_WEIGHT

TURNS = {"yaw": 60.0, "pitch": 30.0, "roll": 30.0, "gaze_x": 30.0, "gaze_y": 20.0}
"""Most degrees to either side."""


class Edit(NamedTuple):
    """Edit of a portrait; zero changes nothing."""

    yaw: float = 0.0  # degrees, the face turns to the viewer's right
    pitch: float = 0.0  # degrees, down
    roll: float = 0.0  # degrees, the crown tilts to the viewer's left
    gaze_x: float = 0.0  # degrees, the eyes look to the viewer's right
    gaze_y: float = 0.0  # degrees, up
    smile: float = 0.0  # -1 (mouth corners down) to 1
    jaw: float = 0.0  # 0 to 1, open
    brows: float = 0.0  # -1 (lowered) to 1 (raised)
    blink: float = 0.0  # 0 to 1, shut

    def check(self) -> Edit:
        """The edit itself, if all its numbers are allowed.

        Raises:
            OptionError: If one is out of range.
        """
        for name, value in self._asdict().items():
            most = TURNS.get(name, 1.0)
            least = 0.0 if name in ("jaw", "blink") else -most
            if not (math.isfinite(value) and least <= value <= most):
                raise OptionError(
                    f"{name.replace('_', ' ').capitalize()} is {value:g}.", f"Choose {least:g} to {most:g}."
                )
        return self


def edit_frame(avatar: Avatar, edit: Edit, face_model: FaceModel) -> MotionFrame:
    """The portrait's own frame with an edit on top.

    The head turns around its own place, ``R = R_edit R_s``; the blendshapes of the edit are added to the portrait's
    expression.

    Args:
        avatar: The portrait.
        edit: What is changed.
        face_model: Takes blendshapes to expressions.
    """
    angles = torch.tensor([math.radians(angle) for angle in (edit.pitch, edit.yaw, edit.roll)])
    rotation = nearest_rotation(euler_to_rotation(angles) @ avatar.rotation)
    weights = torch.zeros(len(NAMES))
    for name, value in blendshapes(edit).items():
        weights[INDEX[name]] = value
    return MotionFrame(avatar.expression + face_model.from_blendshapes(weights), rotation, avatar.translation)


def blendshapes(edit: Edit) -> dict[str, float]:
    """ARKit weights of an edit; left and right are the subject's, whose left is the viewer's right."""
    right, up = edit.gaze_x / DEGREES_PER_WEIGHT, edit.gaze_y / DEGREES_PER_WEIGHT
    smile, frown = max(edit.smile, 0.0), max(-edit.smile, 0.0)
    raised, lowered = max(edit.brows, 0.0), max(-edit.brows, 0.0)
    weights = {
        "eyeLookOutLeft": max(right, 0.0), "eyeLookInRight": max(right, 0.0),
        "eyeLookInLeft": max(-right, 0.0), "eyeLookOutRight": max(-right, 0.0),
        "jawOpen": edit.jaw, "browInnerUp": raised,
    }  # fmt: skip
    for side in ("Left", "Right"):
        weights |= {
            f"eyeLookUp{side}": max(up, 0.0), f"eyeLookDown{side}": max(-up, 0.0),
            f"mouthSmile{side}": smile, f"mouthFrown{side}": frown,
            f"browOuterUp{side}": raised, f"browDown{side}": lowered, f"eyeBlink{side}": edit.blink,
        }  # fmt: skip
    return weights
