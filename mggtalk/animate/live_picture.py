"""The picture of an avatar that is live: each is made of the newest motion, and what changes little is kept."""

from __future__ import annotations

import threading
from typing import NamedTuple

import numpy as np
from torch import Tensor

from mggtalk.animate.animator import Animator
from mggtalk.scene import MotionFrame
from mggtalk.sgp.compiled.predictor import Residuals
from mggtalk.sgp.compiled.residuals import NONE

NEAR = 0.5
"""Root mean square distance of expressions, in standard deviations, up to which what the decoders said of the head at
the one does for the other. Cf. :data:`mggtalk.animate.keyframes.BEND`; here the next key is not known yet."""


class _Key(NamedTuple):
    """An expression that the decoders were asked for, and what they said of the head."""

    expression: Tensor  # [K]
    residuals: Residuals

    def suits(self, expression: Tensor) -> bool:
        """Whether another expression ``[K]`` is near enough."""
        return float((expression - self.expression).square().mean().sqrt()) <= NEAR


class LivePicture:
    """Draws an avatar frame by frame. Threads may share it.

    Args:
        animator: Of the avatar, at the size that is wanted.
        first: What is shown before anything else.
    """

    def __init__(self, animator: Animator, first: MotionFrame) -> None:
        self._animator = animator
        self._lock = threading.Lock()
        self._key: _Key | None = None
        self._first = self._last = animator.frame(first)

    def reset(self) -> None:
        """Show the first picture again."""
        with self._lock:
            self._last = self._first

    def draw(self, motion: MotionFrame | None) -> np.ndarray:
        """Draw a frame; None repeats the last picture.

        Expressions near the last one that the decoders were asked for take its residuals, which cost more than all
        the rest and change little. The mouth, whose teeth come and go, is asked about for each.

        Returns:
            uint8 ``[size, size, 3]``, without a mark.
        """
        with self._lock:
            if motion is not None:
                near = self._key is not None and self._key.suits(motion.expression)
                picture, residuals = self._animator.draw(motion, self._key.residuals if self._key and near else None)
                if residuals is not None and not near:
                    self._key = _Key(motion.expression, residuals._replace(mouth=NONE))
                self._last = picture
            return self._last
