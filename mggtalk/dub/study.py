"""What a film shows of the person who is dubbed: track, windows around the face, skin, and frames for an avatar."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from mggtalk.face.crop import SquareCrop
from mggtalk.face.cuts import shots
from mggtalk.face.lips import lip_gap
from mggtalk.face.masks import face_axes
from mggtalk.face.topology import VERTICES
from mggtalk.portrait.look import PORTRAIT_SIZE
from mggtalk.scene import FaceTrack

FACE_HEIGHTS = 1.9
"""Side of the window around a face, over the face's height: narrower than that of a portrait, as only the mouth of the
avatar is seen."""

STEADY_SECONDS = 0.3
"""Standard deviation over which the size of the window is averaged."""

OPEN, CLOSED = 0.85, 0.3
"""Quantiles of the gap between the lips that frames for an avatar are taken from: those that show teeth, and others."""

EACH = 3
"""Frames of each kind that are looked at; the sharpest becomes a portrait."""

TRIALS = 6
"""Frames with open mouths by which the portraits are compared."""

RIM = 2
"""Pixels around a vertex whose mean is its colour."""


@dataclass(frozen=True)
class Study:
    """A film that was watched once. T frames."""

    track: FaceTrack  # T frames, pixels of the film
    windows: list[SquareCrop]  # around the face, T of them
    colours: np.ndarray  # float32 [T, V, 3] of the film at the vertices, in [0, 255]
    squares: dict[int, np.ndarray]  # some frames, cut to their windows, uint8 [PORTRAIT_SIZE, PORTRAIT_SIZE, 3]
    kinds: list[list[int]]  # frames of which one may become the portrait
    trials: list[int]  # frames by which portraits are compared

    def window_track(self) -> FaceTrack:
        """The track in the pixels of each frame's own window, as if the camera had followed the face."""
        corners = np.array([[window.x0, window.y0, 0.0] for window in self.windows], np.float32)  # [T, 3]
        scale = np.array([PORTRAIT_SIZE / window.side for window in self.windows], np.float32)  # [T]
        landmarks = (self.track.landmarks - corners[:, None]) * scale[:, None, None]  # [T, V, 3]
        return FaceTrack(
            landmarks, self.track.blendshapes, self.track.found, self.track.fps, PORTRAIT_SIZE, PORTRAIT_SIZE
        )


def watch(frames: Iterable[np.ndarray], track: FaceTrack, usable: np.ndarray) -> Study:
    """Look at the frames of a film whose face is known.

    Args:
        frames: uint8 ``[H, W, 3]``, T of them, read once.
        track: Of the face.
        usable: Frames ``[T]`` bool that may stand for the person.
    """
    windows = follow_face(track)
    kinds, trials = choose_frames(track, usable)
    wanted = {*trials, *(index for kind in kinds for index in kind)}
    colours = np.zeros((len(track), VERTICES, 3), np.float32)
    squares = {}
    for index, (frame, landmarks) in enumerate(zip(frames, track.landmarks)):
        colours[index] = vertex_colours(frame, landmarks)
        if index in wanted:
            squares[index] = windows[index].cut(frame, PORTRAIT_SIZE)
    return Study(track, windows, colours, squares, kinds, trials)


def follow_face(track: FaceTrack) -> list[SquareCrop]:
    """Squares inside the picture around the face, whose size changes slowly."""
    axes = [face_axes(landmarks) for landmarks in track.landmarks]
    most = float(min(track.width, track.height))
    heights = np.array([max(axis.height, np.ptp(points[:, 0])) for axis, points in zip(axes, track.landmarks)])
    sides = np.minimum(FACE_HEIGHTS * heights, most)
    sides = average_shots(track, sides, STEADY_SECONDS * track.fps)
    windows = []
    for axis, side in zip(axes, sides):
        x0 = float(np.clip(axis.centre[0] - side / 2, 0, track.width - side))
        y0 = float(np.clip(axis.centre[1] - side / 2, 0, track.height - side))
        windows.append(SquareCrop(x0, y0, float(side)))
    return windows


def average_shots(track: FaceTrack, values: np.ndarray, width: float) -> np.ndarray:
    """Average values ``[T, ...]`` over time, shot by shot; ``width`` is the standard deviation in frames."""
    spans = shots(track.cuts, len(track))
    parts = [gaussian_filter1d(values[start:end], width, axis=0, mode="nearest") for start, end in spans]
    return np.concatenate(parts)


def choose_frames(track: FaceTrack, usable: np.ndarray) -> tuple[list[list[int]], list[int]]:
    """Choose frames for portraits, of two kinds (mouth open, mouth closed), and frames to compare them by.

    Args:
        track: T frames.
        usable: ``[T]`` bool; at least one is True.
    """
    places = np.flatnonzero(usable)
    heights = np.linalg.norm(track.landmarks[places, 10, :2] - track.landmarks[places, 152, :2], axis=-1)
    gap = lip_gap(track.landmarks[places]) / heights  # [n]
    nose = track.landmarks[places, 1, 0] - track.landmarks[places][:, [234, 454], 0].mean(1)
    turned = np.abs(nose) / heights  # [n]
    kinds = []
    for kind in (gap >= np.quantile(gap, OPEN), gap <= np.quantile(gap, CLOSED)):
        members = np.flatnonzero(kind)
        best = members[np.argsort(turned[members], kind="stable")]
        kinds.append([int(places[at]) for at in best[:EACH]])
    wide = np.flatnonzero(gap >= np.median(gap))
    chosen = wide[np.linspace(0, len(wide) - 1, min(TRIALS, len(wide))).round().astype(int)]
    return kinds, sorted({int(places[at]) for at in chosen})


def vertex_colours(frame: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Mean colours around the vertices ``[478, 2 or 3]`` of a frame ``[H, W, 3]``: float32 ``[478, 3]``."""
    steps = np.array([-RIM, 0, RIM])
    x = np.clip((landmarks[:, 0, None] + steps).astype(int), 0, frame.shape[1] - 1)  # [V, 3]
    y = np.clip((landmarks[:, 1, None] + steps).astype(int), 0, frame.shape[0] - 1)
    return frame[y[:, :, None], x[:, None, :]].mean((1, 2), dtype=np.float32)  # [V, 3]


def sharpness(picture: np.ndarray) -> float:
    """Mean absolute second difference of the brightness of a picture ``[H, W, 3]``."""
    grey = picture.mean(-1, dtype=np.float32)
    return float(
        np.abs(4 * grey[1:-1, 1:-1] - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]).mean()
    )
