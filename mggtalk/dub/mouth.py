"""The inside of a dubbed mouth: cut from the avatar's picture along the inner lips, set between those of the film."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from mggtalk.dub.flow import sample
from mggtalk.face.crop import SquareCrop
from mggtalk.face.lips import lip_gap
from mggtalk.face.masks import smoothstep
from mggtalk.face.topology import LIPS_INNER_LOWER, LIPS_INNER_UPPER

OUTLINE = (*LIPS_INNER_UPPER, *LIPS_INNER_LOWER[-2:0:-1])
"""The inner lips, once around."""

FINE = 4
"""Subpixels along a pixel's side with which the outline is drawn."""

SOFT = 0.006
"""Standard deviation of the outline's softness, over the height of the face."""

NEARLY, OPEN = 0.004, 0.016
"""Gaps between the lips, over the face's height, below which there is no inside, and from which it is drawn fully."""

LEAST = 60
"""Pixels of open mouths from which the colours of their insides are known."""

DARKEST = 0.25
"""Brightness of the darkest inside over that of the lips."""

TOOTH, WHITENED = (0.5, 0.8), 0.65
"""Brightness over that of teeth, at which an avatar's mouth begins to show teeth, and does: of a person whose lips were
always closed they look like flesh. The share by which they become teeth; the rest is the light between the lips."""

STROKE = 0.007
"""Width of the line between lips that close, over the height of the face: it covers what is squeezed there."""

LEAST_STROKE = 1.25
"""Its least width, pixels."""

LINE = 0.5
"""Brightness of the line between closed lips over that of the lips."""


class Inside(NamedTuple):
    """Pixels of an open mouth in a window of a frame."""

    left: int  # of the window, pixels
    top: int
    alpha: np.ndarray  # float32 [h, w] in [0, 1]
    colour: np.ndarray  # float32 [h, w, 3] in [0, 255]


def openness(landmarks: np.ndarray) -> float:
    """Measure how far a mouth is open for its inside to be seen, in [0, 1]: 0 with closed lips."""
    return float(np.clip((gap_of(landmarks) - NEARLY) / (OPEN - NEARLY), 0.0, 1.0))


def gap_of(landmarks: np.ndarray) -> float:
    """Measure the gap between the lips of landmarks ``[V, 2 or 3]`` over the height of the face."""
    height = np.linalg.norm(landmarks[10, :2] - landmarks[152, :2])
    return float(lip_gap(landmarks[None, :, :2])[0]) / float(height)


def seam(before: np.ndarray, after: np.ndarray) -> float:
    """Measure how much of an open mouth of the film, teeth and all, is squeezed between lips that close, in [0, 1]."""
    return openness(before) * (1.0 - openness(after))


class Tone(NamedTuple):
    """Colours of the inside of an avatar's mouth, and of the film's: means and spread, each ``[3]`` in [0, 255]."""

    avatar: np.ndarray
    film: np.ndarray
    contrast: np.ndarray  # spread of the film's over that of the avatar's, 1 at most
    lips: np.ndarray  # of the film
    teeth: np.ndarray | None = None  # in the light of the whites of the eyes, where the film never shows its own

    @staticmethod
    def of(avatar: np.ndarray, film: np.ndarray, lips: np.ndarray, teeth: np.ndarray) -> Tone:
        """Measure pixels ``[n, 3]`` of both, of the same frames.

        Args:
            avatar: Inside of its mouth.
            film: The same pixels of the film.
            lips: Colour of the film's lips ``[3]``.
            teeth: Colour of the avatar's teeth ``[3]``, which holds where the film shows too little of its own.
        """
        if len(film) < LEAST:
            return Tone(np.zeros(3), np.zeros(3), np.ones(3), lips, teeth)
        spread = film.std(0) / np.maximum(avatar.std(0), 1.0)
        return Tone(avatar.mean(0), film.mean(0), np.clip(spread, 0.3, 1.0), lips)

    def apply(self, colour: np.ndarray) -> np.ndarray:
        """Bring colours ``[..., 3]`` of the avatar to those of the film; no mouth is black inside."""
        toned = self.film + self.contrast * (colour - self.avatar)
        if self.teeth is not None:
            light = toned.mean(-1, keepdims=True) / self.teeth.mean()
            toned = toned + WHITENED * smoothstep(light, *TOOTH) * (light * self.teeth - toned)
        return np.maximum(toned, DARKEST * self.lips)

    @property
    def line(self) -> np.ndarray:
        """The colour between closed lips."""
        return LINE * self.lips


def outline_mask(landmarks: np.ndarray, width: int, height: int, stroke: float = 0.0) -> np.ndarray:
    """Cover of the inside of a mouth, in [0, 1].

    Args:
        landmarks: ``[V, 2]`` in pixels.
        width: Of the mask.
        height: Of the mask.
        stroke: Pixels that a line along the inner lips covers as well.

    Returns:
        float32 ``[height, width]``.
    """
    shape = Image.new("L", (width * FINE, height * FINE))
    corners = [tuple(corner) for corner in (landmarks[list(OUTLINE)] * FINE - 0.5).tolist()]
    pen = ImageDraw.Draw(shape)
    pen.polygon(corners, fill=255, outline=255)
    if stroke > 0.0:
        pen.line([*corners, corners[0]], fill=255, width=max(1, round(stroke * FINE)), joint="curve")
    return np.asarray(shape, np.float32).reshape(height, FINE, width, FINE).mean((1, 3)) / 255.0


def mouth_square(drawn: np.ndarray, window: SquareCrop, size: int) -> tuple[int, int, int]:
    """Choose the square of an avatar's picture that holds its mouth, and room around it.

    Args:
        drawn: Vertices ``[V, 2]`` of the avatar, pixels of the frame.
        window: Place of the picture in the frame.
        size: Side of the picture.

    Returns:
        First column and row of the square, and its side; all of the picture at most.
    """
    lips = (drawn[list(OUTLINE)] - (window.x0, window.y0)) * (size / window.side)  # [20, 2]
    room = 8.0 * SOFT * float(np.linalg.norm(drawn[10] - drawn[152])) * (size / window.side) + 8.0
    side = min(size, int(np.ceil(np.ptp(lips, axis=0).max() + 2.0 * room)))
    left, top = (int(np.clip(round(middle - side / 2), 0, size - side)) for middle in (lips.min(0) + lips.max(0)) / 2)
    return left, top, side


def inside_of(
    picture: np.ndarray | None,
    window: SquareCrop,
    drawn: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    gain: np.ndarray,
    size: tuple[int, int],
    tone: Tone,
) -> Inside | None:
    """Cut the inside of the avatar's mouth; of lips that close over the film's open mouth, draw the line between them.

    Args:
        picture: The avatar around its mouth, uint8 ``[S, S, 3]``, seen through the window; None if it is closed.
        window: Its place in the frame.
        drawn: Vertices ``[V, 2]`` of the avatar, pixels of the frame.
        before: Landmarks ``[V, 2]`` of the film's frame, pixels.
        after: The same in the new frame.
        gain: Light of the frame over that of the film as a whole, ``[3]``.
        size: Width and height of the frame.
        tone: Of the avatar's mouth.

    Returns:
        The inside; None if the mouth is outside of the frame.
    """
    lips = after[list(OUTLINE)]  # [20, 2]
    height = float(np.linalg.norm(after[10] - after[152]))
    margin = 4.0 * SOFT * height + 2.0
    left, top = (int(max(0, np.floor(edge))) for edge in lips.min(0) - margin)
    right, bottom = (int(min(side, np.ceil(edge))) for side, edge in zip(size, lips.max(0) + margin))
    if right <= left or bottom <= top:
        return None
    cover = outline_mask(after - (left, top), right - left, bottom - top)  # [h, w]
    opened, squeezed = openness(after), seam(before, after)
    line = tone.line * gain
    colour = np.broadcast_to(line, (*cover.shape, 3))  # [h, w, 3]
    if picture is not None:
        x, y = np.meshgrid(np.arange(left, right) + 0.5, np.arange(top, bottom) + 0.5)
        offset = (after[list(OUTLINE)] - drawn[list(OUTLINE)]).mean(0)  # [2] the landmarks' own place over the model's
        places = (np.stack([x, y], axis=-1) - offset - (window.x0, window.y0)) * (picture.shape[0] / window.side)
        inside = np.clip(tone.apply(sample(picture, places.astype(np.float32))) * gain, 0.0, 255.0)
        colour = (opened * inside + squeezed * line) / (opened + squeezed)  # [h, w, 3]
    wide = gaussian_filter(cover, SOFT * height)
    alpha = opened * wide
    if squeezed > 0.0:
        line_mask = outline_mask(after - (left, top), right - left, bottom - top, max(LEAST_STROKE, STROKE * height))
        alpha = np.maximum(alpha, squeezed * gaussian_filter(line_mask, 0.5 * SOFT * height))
    return Inside(left, top, alpha.astype(np.float32), colour)
