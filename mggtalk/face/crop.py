"""The square that is cut from a portrait, and the landmarks in it."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image

from mggtalk.face.masks import face_axes
from mggtalk.scene import FaceTrack

CropMode = Literal["auto", "none"]
"""``auto``: a head-and-shoulders square around the face; ``none``: the whole picture, or its largest square."""

FACE_HEIGHTS = 2.3
"""Side of the automatic crop over the height of the face."""


class SquareCrop(NamedTuple):
    """A square window of a picture."""

    x0: float  # pixels
    y0: float
    side: float

    def cut(self, image: np.ndarray, size: int) -> np.ndarray:
        """Resample the window of a uint8 picture ``[H, W, 3]`` to ``[size, size, 3]``."""
        box = (self.x0, self.y0, self.x0 + self.side, self.y0 + self.side)
        resized = Image.fromarray(image).resize((size, size), Image.Resampling.LANCZOS, box=box)
        return np.asarray(resized)

    def track(self, track: FaceTrack, size: int) -> FaceTrack:
        """A track in the pixels of the resampled window."""
        landmarks = track.landmarks.copy()
        landmarks[..., 0] -= self.x0
        landmarks[..., 1] -= self.y0
        return replace(track, landmarks=landmarks * (size / self.side), width=size, height=size)


def choose_crop(landmarks: np.ndarray, width: int, height: int, mode: CropMode) -> SquareCrop:
    """Choose the square.

    Args:
        landmarks: ``[478, 2 or 3]`` pixels.
        width: Of the picture.
        height: Of the picture.
        mode: See :data:`CropMode`.

    Returns:
        A square inside the picture that holds the face.
    """
    axes = face_axes(landmarks)
    side = float(min(width, height))
    centre = axes.centre.copy()
    if mode == "auto":
        side = min(side, FACE_HEIGHTS * axes.height)
    elif width == height:
        return SquareCrop(0.0, 0.0, side)
    x0 = float(np.clip(centre[0] - side / 2, 0, width - side))
    y0 = float(np.clip(centre[1] - side / 2, 0, height - side))
    return SquareCrop(x0, y0, side)
