"""Incremental sampling: which frame comes next (TalkingGaussian, sec. 3.4).

Motion is learned from easy to hard. A window moves over the frames in the order of what they show: from closed lips to
the most open ones, and from open eyes to shut ones. Each so many-th step takes a frame of a window, lips and eyes in
turn; all others take any frame.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mggtalk.face.blendshapes import INDEX
from mggtalk.face.face_model import FaceModel
from mggtalk.face.lips import lip_heights
from mggtalk.scene import Motion

BLINKS = (INDEX["eyeBlinkLeft"], INDEX["eyeBlinkRight"])
"""Scores of the lids."""

FIRST, WIDTH = 0.2, 0.2
"""The lips' window starts at this share of their range, and reaches this share of the rest to both sides."""

BEFORE, AFTER = 0.15, 0.3
"""Reach of the blinks' window, whose middle goes from 0 to 1, below and above it."""


def lip_openings(face_model: FaceModel, motion: Motion) -> np.ndarray:
    """Largest gap between the inner lips in every frame ``[T]``, decimetres, for an average identity."""
    vertices = face_model.vertices(torch.zeros(len(face_model.identity_basis)), motion.expression)  # [T, V, 3]
    return lip_heights(vertices).amax(1).numpy()


def blinks(face_model: FaceModel, motion: Motion) -> np.ndarray:
    """How far the lids are shut in every frame ``[T]``, in [0, 1] over the range of the clip."""
    score: Tensor = face_model.to_blendshapes(motion.expression)[:, list(BLINKS)].mean(1)
    low, high = score.aminmax()
    return ((score - low) / (high - low).clamp(min=1e-3)).numpy()


def lip_window(openings: np.ndarray, done: float) -> tuple[float, float]:
    """The window of lip openings when a share ``done`` of the time has passed: ``[c - w, c + w]``, published."""
    low, high = float(openings.min()), float(openings.max())
    low = low + FIRST * (high - low)
    middle, reach = low + (high - low) * done, WIDTH * (high - low)
    return middle - reach, middle + reach


def blink_window(done: float) -> tuple[float, float]:
    """The window of blinks when a share ``done`` of the time has passed."""
    return done - BEFORE, done + AFTER


class Sampling:
    """Draws frames.

    Args:
        openings: Of the lips ``[T]``.
        blinks: ``[T]`` in [0, 1].
        every: Each so many-th step is incremental; 0 for none.
        seed: Of the draw.
    """

    def __init__(self, openings: np.ndarray, blinks: np.ndarray, every: int, seed: int) -> None:
        self._openings, self._blinks, self._every = openings, blinks, every
        self._seed = seed

    def draw(self, step: int, done: float) -> int:
        """The frame of a step, when a share ``done`` of the motion's time has passed; the same for the same step."""
        chosen = np.arange(len(self._openings))
        if self._every and step % self._every == self._every - 1:
            if step // self._every % 2:
                values, (low, high) = self._blinks, blink_window(done)
            else:
                values, (low, high) = self._openings, lip_window(self._openings, done)
            inside = np.flatnonzero((values >= low) & (values <= high))
            chosen = inside if len(inside) else chosen
        return int(np.random.default_rng((self._seed, step)).choice(chosen))
