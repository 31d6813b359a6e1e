"""A first look at photos: the face in each, the square around it, and what a user should know of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from mggtalk.config import PipelineConfig
from mggtalk.errors import FaceTooSmallError
from mggtalk.face.clicks import find_face
from mggtalk.face.crop import CropMode, SquareCrop, choose_crop
from mggtalk.face.face_model import FaceModel
from mggtalk.face.masks import face_axes
from mggtalk.face.points import Points
from mggtalk.face.tracker import FaceTracker
from mggtalk.face.upright import turn_upright
from mggtalk.media import load_image
from mggtalk.media.several import check_count, name_photo
from mggtalk.portrait.check import judge_face, portrait_notes
from mggtalk.runtime.progress import Progress
from mggtalk.scene import FaceTrack

PORTRAIT_SIZE = 512
"""Side in pixels of the square on which a portrait is prepared."""

FINE_SIZE = 1024
"""Most pixels a side that are kept of a square for frames larger than it was prepared on."""

FINE_FROM = 1.1
"""Side over :data:`PORTRAIT_SIZE` from which on more pixels are worth keeping."""

MIN_FACE_HEIGHT = 40
"""Least height of a usable face in a portrait, pixels."""

Picture = str | Path | Image.Image | np.ndarray
"""A portrait: a file, a PIL image or uint8 ``[H, W, 3]``."""


class SquarePhoto(NamedTuple):
    """A photo of which the square around the head was cut."""

    name: str
    square: np.ndarray  # uint8 [S, S, 3]
    track: FaceTrack  # one frame, in the pixels of the square
    notes: tuple[str, ...]  # what the user should know
    fine: np.ndarray | None = None  # uint8 [F, F, 3], the same square with more pixels, if the photo has them


def look_at_photos(
    pictures: Sequence[Picture],
    crop: CropMode,
    face: int | None,
    tracker: FaceTracker,
    face_model: FaceModel,
    config: PipelineConfig,
    on_progress: Progress,
    points: Points | None = None,
) -> list[SquarePhoto]:
    """Find the faces of photos and cut their squares.

    Args:
        pictures: One or several.
        crop: How the squares are cut.
        face: Which face of the first picture, from left to right, when there are several.
        tracker: Finds them.
        face_model: Tells how they are turned.
        config: The pipeline's.
        on_progress: Called with stage, steps done and steps in all.
        points: Of the face of the first picture, which then is not looked for.

    Raises:
        MGGTalkError: If one cannot be used; of several, it is named.
    """
    check_count(len(pictures))
    seen = []
    for index, picture in enumerate(pictures):
        on_progress("face", index, len(pictures))
        with name_photo(picture, index, len(pictures)) as name:
            image = load_image(picture, config.media)
            chosen, clicks = (face, points) if index == 0 else (None, None)
            track = find_face(tracker, image, chosen, clicks, face_model, config.render.focal_ratio)
            image, track, turned = turn_upright(image, track)
            height = face_axes(track.landmarks[0]).height
            if height < MIN_FACE_HEIGHT:
                raise FaceTooSmallError(
                    f"The face is only {height:.0f} pixels high.",
                    f"Use a picture in which it has {MIN_FACE_HEIGHT} or more.",
                )
            window = choose_crop(track.landmarks[0], image.shape[1], image.shape[0], crop)
            findings = judge_face(image, track, face_model, config.render.focal_ratio)
            notes = (*([turned] if turned else ()), *portrait_notes(findings))
            square, track = window.cut(image, PORTRAIT_SIZE), window.track(track, PORTRAIT_SIZE)
            seen.append(SquarePhoto(name, square, track, notes, cut_fine(image, window, FINE_SIZE)))
    on_progress("face", len(pictures), len(pictures))
    return seen


def cut_fine(image: np.ndarray, window: SquareCrop, most: int) -> np.ndarray | None:
    """Cut a square with as many pixels as a picture has there, ``[F, F, 3]``; None where it has no more than usual."""
    side = min(most, 2 * round(window.side / 2))
    return window.cut(image, side) if side > FINE_FROM * PORTRAIT_SIZE else None
