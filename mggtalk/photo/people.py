"""A photo, the faces in it from left to right, and the avatar of one of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from mggtalk.avatar.avatar import Avatar
from mggtalk.depth.estimator import DepthEstimator
from mggtalk.errors import FaceTooSmallError
from mggtalk.face.crop import SquareCrop
from mggtalk.face.landmarks import Face
from mggtalk.face.masks import face_axes, smoothstep
from mggtalk.face.upright import turn_upright
from mggtalk.media import load_image
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.portrait.check import judge_face, portrait_notes
from mggtalk.portrait.look import MIN_FACE_HEIGHT, PORTRAIT_SIZE, cut_fine
from mggtalk.runtime.progress import Progress, no_progress
from mggtalk.scene import FaceTrack

LONGEST = 3840
"""Longer side of a picture that is animated as a whole, pixels; larger ones are made smaller."""

FACE_HEIGHTS = 3.0
"""Side of a person's square over the height of the face: room for the head to move, and for the neck to follow it."""

LOWER = 0.1
"""Face heights by which the square's middle is below that of the face."""

FINE_SIZE = 2048
"""Most pixels a side of a person's frames; a larger person is drawn on as many and enlarged."""

EDGE, RISE = 0.06, 0.16
"""Sides of the square: width of the band at its border in which nothing moves, and way over which motion sets in."""

APART = 0.15
"""Face heights over which a pixel between two people goes from one to the other."""


@dataclass(frozen=True)
class Photo:
    """A picture of one or more people."""

    picture: np.ndarray  # uint8 [H, W, 3], upright
    faces: tuple[Face, ...]  # those that count, from left to right
    notes: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """Pixels."""
        return self.picture.shape[1]

    @property
    def height(self) -> int:
        """Pixels."""
        return self.picture.shape[0]


class Sitter(NamedTuple):
    """A person in a photo."""

    avatar: Avatar
    window: SquareCrop  # the square that the avatar was made of, pixels of the photo
    border: np.ndarray  # [S, S] 1 inside, 0 at those borders of the square that lie in the photo


def open_photo(pipe: MGGTalkPipeline, source: str | Path | Image.Image | np.ndarray, longest: int = LONGEST) -> Photo:
    """Find the faces of a photo.

    Args:
        pipe: Finds them.
        source: A file, a PIL image or uint8 ``[H, W, 3]``.
        longest: Pixels of the longer side; a larger picture is made smaller.

    Raises:
        MediaError: If the picture cannot be read.
        NoFaceError: If it shows no usable face.
    """
    image, notes = load_image(source, pipe.config.media), []
    scale = longest / max(image.shape[:2])
    if scale < 1.0:
        size = round(image.shape[1] * scale), round(image.shape[0] * scale)
        notes.append(f"The picture was made smaller, to {size[0]} x {size[1]} pixels.")
        image = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))
    faces = pipe.tracker.usable(image)
    largest = max(faces, key=lambda face: face.width)
    upright, _, turned = turn_upright(image, _track(largest, image))
    if turned:
        image, faces = upright, pipe.tracker.usable(upright)
        notes.append(turned)
    return Photo(image, tuple(faces), tuple(notes))


def prepare_sitter(
    pipe: MGGTalkPipeline,
    photo: Photo,
    index: int | None = None,
    on_progress: Progress = no_progress,
    depth: DepthEstimator | str | None = None,
) -> Sitter:
    """Make the avatar of one person in a photo.

    Args:
        pipe: Makes it.
        photo: The photo.
        index: Which face, from left to right; None for the only one.
        on_progress: Called with stage, steps done and steps in all.
        depth: See :meth:`MGGTalkPipeline.prepare`.

    Raises:
        OptionError: If there is no such face.
        SeveralFacesError: If there are several and none was chosen.
        FaceTooSmallError: If it is too small.
    """
    face = pipe.tracker.choose(photo.faces, index)
    track = _track(face, photo.picture)
    height = face_axes(face.landmarks).height
    if height < MIN_FACE_HEIGHT:
        problem = f"The face is only {height:.0f} pixels high."
        raise FaceTooSmallError(problem, f"Choose one that has {MIN_FACE_HEIGHT} or more.")
    window = choose_square(face.landmarks, photo.width, photo.height)
    size = PORTRAIT_SIZE
    others = [other for other in photo.faces if other is not face]
    share = own_share(window, size, face, others)
    findings = judge_face(photo.picture, track, pipe.face_model, pipe.config.render.focal_ratio)
    square, fine = window.cut(photo.picture, size), cut_fine(photo.picture, window, FINE_SIZE)
    avatar = pipe._avatar(square, window.track(track, size), on_progress, depth, share=share, fine=fine)
    border = border_weight(window, size, photo.width, photo.height, 0.0, EDGE)
    inner = border_weight(window, size, photo.width, photo.height, EDGE, EDGE + RISE)
    follow = avatar.plates.follow * torch.from_numpy(inner)  # nothing moves at the border
    avatar = avatar.with_(plates=avatar.plates._replace(follow=follow))
    return Sitter(avatar.with_(notes=portrait_notes(findings)), window, border)


def choose_square(landmarks: np.ndarray, width: int, height: int) -> SquareCrop:
    """Choose a square inside a photo around a face ``[478, 2 or 3]``, with whole pixels."""
    axes = face_axes(landmarks)
    side = int(min(width, height, round(FACE_HEIGHTS * axes.height)))
    centre = axes.centre + LOWER * axes.height * axes.y_axis
    x0 = int(np.clip(round(centre[0] - side / 2), 0, width - side))
    y0 = int(np.clip(round(centre[1] - side / 2), 0, height - side))
    return SquareCrop(float(x0), float(y0), float(side))


def border_weight(window: SquareCrop, size: int, width: int, height: int, low: float, high: float) -> np.ndarray:
    """Fade a square out toward those of its borders that are not borders of the photo.

    Args:
        window: The square.
        size: Side S of the result.
        width: Of the photo.
        height: Of the photo.
        low: Distance from the border, in sides of the square, up to which the weight is 0.
        high: Distance from which on it is 1.

    Returns:
        ``[S, S]`` float32 in [0, 1].
    """
    places = (np.arange(size) + 0.5) / size

    def along(first: float, length: int) -> np.ndarray:
        before = places if first > 0 else np.ones(size)
        after = 1.0 - places if first + window.side < length else np.ones(size)
        return smoothstep(np.minimum(before, after), low, high)  # [S]

    return np.outer(along(window.y0, height), along(window.x0, width)).astype(np.float32)


def own_share(window: SquareCrop, size: int, face: Face, others: list[Face]) -> np.ndarray:
    """Tell which pixels of a square are nearer to its own face than to another one.

    Distances are measured in the height of each face, so that a child beside an adult keeps its head.

    Args:
        window: The square.
        size: Side S of the result.
        face: The square's own face.
        others: Further faces of the photo.

    Returns:
        ``[S, S]`` in [0, 1].
    """
    places = (np.arange(size) + 0.5) * (window.side / size)
    x, y = np.meshgrid(window.x0 + places, window.y0 + places)  # [S, S] pixels of the photo

    def distance(other: Face) -> np.ndarray:
        axes = face_axes(other.landmarks)
        return np.hypot(x - axes.centre[0], y - axes.centre[1]) / axes.height

    own = distance(face)
    share = np.ones((size, size))
    for other in others:
        share = np.minimum(share, smoothstep(distance(other) - own, -APART, APART))
    return share.astype(np.float32)


def _track(face: Face, image: np.ndarray) -> FaceTrack:
    """A track of one frame."""
    height, width = image.shape[:2]
    found = np.ones(1, bool)
    return FaceTrack(face.landmarks[None], face.blendshapes[None], found, fps=25.0, width=width, height=height)
