"""Key frames: which frames are asked for, what lies between them, order, errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mggtalk.animate.keyframes import BEND, EVERY, draw_motion
from mggtalk.scene import Motion
from mggtalk.sgp.compiled.predictor import Residuals


def motion(expression: torch.Tensor) -> Motion:
    frames = len(expression)
    return Motion(
        expression, torch.eye(3).expand(frames, 3, 3), torch.zeros(frames, 3), fps=25.0, face_model="x", focal_ratio=2.5
    )


class Artist:
    """Remembers what it was asked; its residual is the square of the frame's index."""

    def __init__(self, fails_at: int = -1) -> None:
        self.given: dict[int, float | None] = {}
        self.fails_at = fails_at

    def __call__(self, index: int, residuals: Residuals | None) -> tuple[np.ndarray, Residuals]:
        if index == self.fails_at:
            raise RuntimeError("no frame")
        self.given[index] = None if residuals is None else float(residuals.visible[0, 0])
        own = np.full((1, 1), float(index**2), np.float32)
        return np.array([index]), residuals or Residuals(own, own, own)


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("frames", [1, 2, EVERY, EVERY + 1, 4 * EVERY + 3])
def test_every_frame_once_and_in_order(frames: int, workers: int) -> None:
    artist = Artist()
    drawn = draw_motion(artist, motion(torch.linspace(0, 1, frames)[:, None].expand(-1, 4)), workers)
    assert [int(frame[0]) for frame in drawn] == list(range(frames))
    keys = {*range(0, frames, EVERY), frames - 1}
    for index, given in artist.given.items():
        if index in keys:
            assert given is None
        else:
            first = index // EVERY * EVERY
            last = min(first + EVERY, frames - 1)
            share = (index - first) / (last - first)
            assert given == pytest.approx((1 - share) * first**2 + share * last**2, rel=1e-5)


def test_a_frame_off_the_line_is_asked_for_itself() -> None:
    expression = torch.zeros(EVERY + 1, 4)
    expression[1], expression[2] = 0.9 * BEND, 1.1 * BEND
    artist = Artist()
    list(draw_motion(artist, motion(expression), workers=1))
    assert artist.given[1] is not None
    assert artist.given[2] is None


@pytest.mark.parametrize("index", [0, EVERY, EVERY + 1])
def test_an_error_ends_it(index: int) -> None:
    with pytest.raises(RuntimeError, match="no frame"):
        list(draw_motion(Artist(fails_at=index), motion(torch.zeros(5 * EVERY, 4)), workers=2))


def test_no_frames() -> None:
    assert list(draw_motion(Artist(), motion(torch.zeros(0, 4)), workers=2)) == []
