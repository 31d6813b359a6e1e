"""Cuts: a sudden change of the whole picture and of the face, and nothing else."""

from __future__ import annotations

import numpy as np

from mggtalk.face.cuts import SIDE, find_cuts, thumbnail


def moving(frames: int, speed: float) -> np.ndarray:
    """Landmarks that wander by ``speed`` face widths a frame."""
    shape = np.random.default_rng(0).uniform(0, 100, (478, 2))
    return shape + 100 * speed * np.arange(frames)[:, None, None]


def test_a_cut_is_a_sudden_change_of_picture_and_face():
    changes = np.full(20, 0.02)
    changes[0], changes[8] = 0.0, 0.2
    landmarks = moving(20, 0.005)
    landmarks[8:] += 30.0
    assert find_cuts(changes, landmarks) == (8,)


def test_fast_heads_flashes_and_jumps_of_the_face_alone_are_none():
    fast = np.full(20, 0.1)
    assert find_cuts(fast, moving(20, 0.1)) == ()
    flash = np.full(20, 0.01)
    flash[8:10] = 0.3  # on and off
    assert find_cuts(flash, moving(20, 0.0)) == ()
    assert find_cuts(np.full(20, 0.01), np.concatenate([moving(10, 0.0), moving(10, 0.0) + 40])) == ()
    assert find_cuts(np.zeros(1), moving(1, 0.0)) == ()


def test_a_thumbnail_is_small_whatever_the_picture():
    for height, width in ((1080, 1920), (9, 7), (16, 16)):
        assert thumbnail(np.full((height, width, 3), 51, np.uint8)).shape == (SIDE, SIDE)
    assert np.allclose(thumbnail(np.full((90, 70, 3), 51, np.uint8)), 0.2)
