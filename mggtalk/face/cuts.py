"""Cuts in a video: frames at which the whole picture changes at once, and the face with it."""

from __future__ import annotations

import numpy as np

SIDE = 16
"""Rows and columns at which a picture is looked at."""

CHANGE = 0.06
"""Mean change of brightness from frame to frame, of 1, that a cut has at least; fast heads reach 0.1."""

TIMES = 3.0
"""How many times that change is the one before and after it: a moving picture changes in all of its frames."""

JUMP = 0.03
"""Mean way of the landmarks at a cut, over the width of the face."""


def thumbnail(frame: np.ndarray) -> np.ndarray:
    """Brightness ``[SIDE, SIDE]`` of a frame ``[H, W, 3]``, in [0, 1]; a few of its pixels are looked at."""
    rows, columns = (((np.arange(SIDE) + 0.5) * side / SIDE).astype(int) for side in frame.shape[:2])
    return frame[np.ix_(rows, columns)].mean(-1, dtype=np.float32) / 255.0  # [SIDE, SIDE]


def find_cuts(changes: np.ndarray, landmarks: np.ndarray) -> tuple[int, ...]:
    """The first frames of all shots but the first one.

    Args:
        changes: Mean change of each frame's thumbnail from the one before it ``[T]``, 0 for the first.
        landmarks: ``[T, V, 2 or 3]`` pixels.
    """
    around = np.maximum(np.append(changes[1:], 0.0), np.insert(changes[:-1], 0, 0.0))  # [T] the larger neighbour
    width = landmarks[..., 0].max(1) - landmarks[..., 0].min(1)  # [T]
    way = np.linalg.norm(np.diff(landmarks[..., :2], axis=0), axis=-1).mean(-1)  # [T - 1]
    jump = np.insert(way / np.maximum(np.minimum(width[1:], width[:-1]), 1e-6), 0, 0.0)  # [T]
    return tuple(int(at) for at in np.flatnonzero((changes > CHANGE) & (changes > TIMES * around) & (jump > JUMP)))


def shots(cuts: tuple[int, ...], count: int) -> list[tuple[int, int]]:
    """First frame of each shot and the one behind its last, for the cuts in a video of some frames."""
    edges = [0, *cuts, count]
    return [(start, end) for start, end in zip(edges, edges[1:]) if end > start]
