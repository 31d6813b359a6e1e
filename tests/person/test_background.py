"""The background that several frames show, and what it is filled with where none does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
from scipy.ndimage import binary_dilation

from mggtalk.nets.maps import to_float
from mggtalk.person.background import see_background
from mggtalk.person.footage import SIDE, Candidate, Footage
from mggtalk.portrait.look import PORTRAIT_SIZE

GREEN = (0, 255, 0)
"""Of the person."""


class Matte:
    """A pipeline that takes what is green for the person."""

    def person_matte(self, picture: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """Alpha ``[H, W]`` of a picture."""
        return (picture == np.array(GREEN)).all(-1).astype(np.float32)


def room(side: int) -> np.ndarray:
    """A wall, dark above and light below, uint8 ``[side, side, 3]``."""
    picture = np.full((side, side, 3), 60, np.uint8)
    picture[side // 2 :] = 200
    return picture


def person(side: int, left: float) -> np.ndarray:
    """Somebody before it who is half as wide as the picture and begins at a share of it."""
    picture = room(side)
    picture[side // 8 :, round(left * side) : round((left + 0.5) * side)] = GREEN
    return picture


def look(lefts: tuple[float, ...], wall: float = 0.0) -> tuple[np.ndarray | None, np.ndarray]:
    """What is seen behind somebody at 0.25, from frames with that person elsewhere; the portrait's own fill is grey."""
    frames = np.stack([person(SIDE, left) for left in lefts])
    free = (frames != np.array(GREEN)).any(-1, keepdims=True)
    frames = np.where(free, frames + wall * np.arange(len(lefts))[:, None, None, None], frames).clip(0, 255)
    landmarks = np.zeros((len(lefts), 478, 2), np.float32)
    footage: Any = SimpleNamespace(frames=frames.astype(np.uint8), landmarks=landmarks)
    footage = type("Frames", (SimpleNamespace,), {"__len__": lambda self: len(self.frames)})(**vars(footage))
    portrait = person(PORTRAIT_SIZE, 0.25)
    hidden = (portrait == np.array(GREEN)).all(-1)
    own = np.where(hidden[..., None], 128, portrait).astype(np.uint8)
    candidate = Candidate(portrait, landmarks[0])
    return see_background(cast(Any, Matte()), cast(Footage, footage), candidate, to_float(own)), hidden


def test_what_is_seen_is_taken_and_the_rest_goes_on_from_it() -> None:
    found, hidden = look((0.1, 0.1, 0.25, 0.4, 0.4))
    assert found is not None and found.shape == (PORTRAIT_SIZE, PORTRAIT_SIZE, 3)
    off = np.abs(found.astype(int) - room(PORTRAIT_SIZE)).max(-1)
    assert off[~binary_dilation(hidden, iterations=16)].max() <= 2
    seen = slice(round(0.27 * PORTRAIT_SIZE), round(0.36 * PORTRAIT_SIZE))
    middle = slice(round(0.45 * PORTRAIT_SIZE), round(0.55 * PORTRAIT_SIZE))  # hidden in every frame
    quarter = slice(PORTRAIT_SIZE // 4, 3 * PORTRAIT_SIZE // 4)
    assert np.median(off[quarter, seen]) <= 2
    assert np.median(off[quarter, middle]) < 20, "the portrait's own fill is 68 off"


def test_a_wall_that_changes_and_a_person_who_does_not_move_show_nothing() -> None:
    assert look((0.2, 0.2, 0.25, 0.3, 0.3))[0] is not None
    assert look((0.2, 0.2, 0.25, 0.3, 0.3), wall=25.0)[0] is None
    assert look((0.25, 0.25, 0.25))[0] is None
