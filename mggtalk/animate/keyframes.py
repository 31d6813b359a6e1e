"""Frames of a motion in order, on several threads, asking the decoders only now and then.

What the decoders add is smooth in the expression and small against the analytic estimate, which is worked out for every
frame. So they are asked at key frames; between two of them their residual is interpolated, unless the expression
departs from the straight line between the keys. Gates are those of the frame itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
from torch import Tensor

from mggtalk.runtime.overlap import map_in_order
from mggtalk.scene import Motion
from mggtalk.sgp.compiled.predictor import Residuals

EVERY = 4
"""Frames from one key to the next."""

BEND = 0.2
"""Root mean square departure from the straight line, in standard deviations, from which a frame is asked for itself."""

Draw = Callable[[int, Residuals | None], tuple[np.ndarray, Residuals | None]]
"""Makes the frame of an index, with the residuals given or, without any, those that it asks for; returns both."""


@dataclass(frozen=True)
class _Stretch:
    """The frames after one key up to the next."""

    first: int  # the key before; its frame belongs to the stretch before
    key: int
    before: Future[Residuals | None] | None  # residuals of the key before
    own: Future[Residuals | None] = field(default_factory=Future)  # and of this key


def _stretches(frames: int) -> Iterator[_Stretch]:
    """Stretches that cover all frames; the first is frame 0 alone."""
    stretch = _Stretch(-1, 0, None)
    while True:
        yield stretch
        if stretch.key == frames - 1:
            return
        stretch = _Stretch(stretch.key, min(stretch.key + EVERY, frames - 1), stretch.own)


def bend(expression: Tensor, first: int, key: int, index: int) -> float:
    """Measure how far the expression ``[T, K]`` of a frame is from the straight line between two keys."""
    share = (index - first) / (key - first)
    line = expression[first] + share * (expression[key] - expression[first])
    return float((expression[index] - line).square().mean().sqrt())


def draw_motion(draw: Draw, motion: Motion, workers: int) -> Iterator[np.ndarray]:
    """The frames of a motion.

    Args:
        draw: Called by several threads at once.
        motion: T frames.
        workers: Threads.

    Yields:
        T frames.
    """

    def make(stretch: _Stretch) -> list[np.ndarray]:
        try:
            last, own = draw(stretch.key, None)
        except BaseException as error:
            stretch.own.set_exception(error)  # the next stretch waits for it
            raise
        stretch.own.set_result(own)
        frames = []
        for index in range(stretch.first + 1, stretch.key):
            assert stretch.before is not None
            share = (index - stretch.first) / (stretch.key - stretch.first)
            straight = bend(motion.expression, stretch.first, stretch.key, index) <= BEND
            before = stretch.before.result()
            between = Residuals.between(before, own, share) if before and own and straight else None
            frames.append(draw(index, between)[0])
        return [*frames, last]

    if len(motion):
        yield from chain.from_iterable(map_in_order(make, _stretches(len(motion)), workers))
