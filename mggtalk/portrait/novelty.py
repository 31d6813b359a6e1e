"""What a further photo adds to the first one, in a word or two: teeth, shut eyes, a side of the face."""

from __future__ import annotations

import math

import numpy as np

from mggtalk.face.blendshapes import NAMES
from mggtalk.face.face_model import FaceModel
from mggtalk.face.fitting import FaceFit
from mggtalk.face.lips import lip_heights
from mggtalk.geometry import rotation_to_euler
from mggtalk.scene import FaceTrack

OPEN = 0.06
"""Decimetres between the lips from which on a mouth is open."""

SHUT = 0.17
"""Opening of an eye over its width under which it is shut: nothing of it can be shown open. Of portraits looked at,
shut eyes and slits have up to .166, eyes that show their iris .176 or more."""

EYES = ((159, 145, 33, 133), (386, 374, 263, 362))
"""Middle of the upper and the lower lid, outer and inner corner."""

BRIGHT = 0.75
"""Brightness of the upper part of an open mouth over that of the cheeks from which on it shows teeth."""

TURNED, TILTED = math.radians(8.0), math.radians(8.0)
"""Turn to a side, and up or down, against the first photo that shows something new."""

MORE = 0.35
"""Difference of a blendshape score that is another expression."""

EXPRESSIONS = {
    "a smile": ("mouthSmileLeft", "mouthSmileRight"),
    "raised brows": ("browInnerUp",),
    "a frown": ("browDownLeft", "browDownRight"),
    "rounded lips": ("mouthPucker",),
}
"""Further expressions, and the blendshapes whose mean tells them."""

CHEEKS = (50, 280, 205, 425)
"""Vertices in the middle of the cheeks."""


def tell_novelty(
    square: np.ndarray, track: FaceTrack, index: int, fit: FaceFit, face_model: FaceModel
) -> tuple[str, ...]:
    """Tell what a photo shows that the first one does not.

    Args:
        square: The photo, uint8 ``[S, S, 3]``.
        track: All photos', photo by photo.
        index: Which one it is.
        fit: Of the same track.
        face_model: The landmark 3DMM.

    Returns:
        A few words each; none if it is much like the first one.
    """
    words = []
    gaps = lip_heights(face_model.vertices(fit.identity, fit.expression)).amax(-1)  # [T]
    if float(gaps[index]) > OPEN > float(gaps[0]):
        words.append("teeth" if _bright_inside(square, track.landmarks[index]) else "an open mouth")
    elif float(gaps[index]) < OPEN < float(gaps[0]):
        words.append("closed lips")
    opening = open_eyes(track.landmarks)  # [T]
    if opening[index] < SHUT < opening[0]:
        words.append("eyes shut")
    pitch, yaw, _ = (rotation_to_euler(fit.rotation[index]) - rotation_to_euler(fit.rotation[0])).tolist()
    if abs(yaw) > TURNED:
        words.append("the left side" if yaw > 0 else "the right side")
    if abs(pitch) > TILTED:
        words.append("a view from above" if pitch > 0 else "a view from below")
    for name, parts in EXPRESSIONS.items():
        score = track.blendshapes[:, [NAMES.index(part) for part in parts]].mean(1)  # [T]
        if score[index] - score[0] > MORE:
            words.append(name)
    return tuple(words)


def open_eyes(landmarks: np.ndarray) -> np.ndarray:
    """Measure how open eyes are ``[T]``, from landmarks ``[T, 478, 2 or 3]``.

    The larger of both openings ``h`` over the width ``w``; the far eye of a turned head, which looks narrow and so wide
    open, counts the less ::

        max(h_right w_right, h_left w_left) / max(w_right, w_left)^2
    """

    def length(one: int, other: int) -> np.ndarray:
        return np.linalg.norm(landmarks[:, one, :2] - landmarks[:, other, :2], axis=-1)  # [T]

    width = np.stack([length(outer, inner) for _, _, outer, inner in EYES])  # [2, T]
    opening = np.stack([length(upper, lower) for upper, lower, _, _ in EYES])  # [2, T]
    return (opening * width).max(0) / np.square(width.max(0))


def _bright_inside(square: np.ndarray, landmarks: np.ndarray) -> bool:
    """Whether the upper part of an open mouth is as bright as teeth are."""
    upper, lower = landmarks[13, :2], landmarks[14, :2]
    reach = np.linspace(0.15, 0.5, 5)[:, None]
    corners = np.linspace(-0.2, 0.2, 9)[:, None, None] * (landmarks[308, :2] - landmarks[78, :2])
    inside = upper + reach * (lower - upper) + corners  # [9, 5, 2]
    cheeks = landmarks[list(CHEEKS), :2]
    return bool(_brightness(square, inside).max() > BRIGHT * _brightness(square, cheeks).mean())


def _brightness(square: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Mean of the channels at places ``[..., 2]`` in pixels."""
    column, row = np.moveaxis(places.astype(int).clip(0, square.shape[0] - 1), -1, 0)
    return square[row, column].astype(np.float32).mean(-1)
