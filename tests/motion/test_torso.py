"""Shoulders followed from the picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from mggtalk.geometry import compose_similarities, invert_similarity
from mggtalk.motion.torso import SIDE, _Level, grey_square, track_torso

STILL = np.random.default_rng(1).uniform(20.0, 60.0, (8, 2))
"""Landmarks of a head that does not move."""


def scene(angle: float, size: float, shift: tuple[float, float]) -> np.ndarray:
    """A texture moved by a similarity about the middle, uint8 ``[SIDE, SIDE]``."""
    texture = ndimage.gaussian_filter(np.random.default_rng(0).random((SIDE, SIDE)), 2)
    texture = (texture - texture.min()) / (texture.max() - texture.min()) * 255
    y, x = np.mgrid[0:SIDE, 0:SIDE] + 0.5 - SIDE / 2
    back = 1 / (size * np.exp(1j * angle))
    place = (x + 1j * y - complex(*shift)) * back
    return ndimage.map_coordinates(
        texture, [place.imag + SIDE / 2 - 0.5, place.real + SIDE / 2 - 0.5], order=1, mode="nearest"
    ).astype(np.uint8)


@pytest.mark.parametrize("covered", [False, True])
def test_a_similarity_is_found_again_also_beside_a_hand(covered: bool) -> None:
    frames = [scene(0.02 * step, 1 + 0.02 * step, (1.5 * step, -step)) for step in range(5)]
    frames += [frames[-1]] * 4  # the smoothing over time then leaves the last one alone
    if covered:
        frames[1:] = [frame.copy() for frame in frames[1:]]
        for frame in frames[1:]:
            frame[60:72, 30:44] = 255
    mask = np.zeros((SIDE, SIDE), bool)
    mask[45:90, 15:80] = True
    found = track_torso(frames, mask, np.stack([STILL] * 9))
    assert found is not None and found.shape == (9, 2, 3)
    np.testing.assert_allclose(found[0], np.eye(2, 3), atol=0.02)
    corner = np.array([0.3, 0.8])
    turned = 1.08 * np.exp(0.08j) * complex(*(corner - 0.5)) + complex(6.0, -4.0) / SIDE
    expected = np.array([turned.real, turned.imag]) + 0.5
    assert np.abs(found[-1, :, :2] @ corner + found[-1, :, 2] - expected).max() < 0.6 / SIDE


def test_what_cannot_be_followed_stays() -> None:
    frames = [scene(0.0, 1.0, (0.0, 0.0)), 255 - scene(1.0, 1.0, (20.0, 30.0))]
    mask = np.zeros((SIDE, SIDE), bool)
    assert track_torso(frames, mask, np.stack([STILL] * 2)) is None
    mask[50:90, 20:70] = True
    found = track_torso(frames, mask, np.stack([STILL] * 2))
    assert found is not None
    assert np.isfinite(found).all() and np.abs(found - np.eye(2, 3)).max() < 0.5


def test_a_body_that_leans_back_at_once_is_found_by_its_head() -> None:
    size, shift = 0.75, (9.0, 7.0)
    frames = [scene(0.0, 1.0, (0.0, 0.0)), *[scene(0.0, size, shift)] * 6]
    back = (STILL - SIDE / 2) * size + SIDE / 2 + np.array(shift)
    mask = np.zeros((SIDE, SIDE), bool)
    mask[45:90, 15:80] = True
    found = track_torso(frames, mask, np.stack([STILL, *[back + 0.5] * 6]))
    assert found is not None
    corner = np.array([0.3, 0.8])
    expected = size * (corner - 0.5) + 0.5 + np.array(shift) / SIDE
    assert np.abs(found[-1, :, :2] @ corner + found[-1, :, 2] - expected).max() < 0.6 / SIDE


def test_a_frame_that_cannot_be_followed_takes_what_those_around_it_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Level, "fits", lambda self, smooth, state: smooth.max() > 0.0)
    frames = [scene(0.0, 1.0, (0.0, 0.0)), *[scene(0.0, 1.0, (5.0, 0.0))] * 8]
    frames[4] = np.zeros_like(frames[4])
    mask = np.zeros((SIDE, SIDE), bool)
    mask[45:90, 15:80] = True
    found = track_torso(frames, mask, np.stack([STILL] * 9))
    assert found is not None
    np.testing.assert_allclose(found[4], found[7], atol=0.01)


def test_frames_that_are_not_square_stand_in_the_middle() -> None:
    frame = np.zeros((90, 180, 3), np.uint8)
    frame[:, 90:] = 200
    square = grey_square(frame)
    assert square.shape == (SIDE, SIDE)
    assert (square[:, : SIDE // 2] == 0).all() and (square[:, SIDE // 2 :] == 200).all()


def test_similarities_compose_and_invert() -> None:
    one, two = (torch.from_numpy(np.array([[a, -b, x], [b, a, y]], np.float32)) for a, b, x, y in
                ((1.1, 0.2, 0.3, -0.1), (0.9, -0.1, 0.0, 0.2)))  # fmt: skip
    point = torch.tensor((0.4, 0.7))
    expected = one[:, :2] @ (two[:, :2] @ point + two[:, 2]) + one[:, 2]
    both = compose_similarities(one, two)
    torch.testing.assert_close(both[:, :2] @ point + both[:, 2], expected)
    torch.testing.assert_close(compose_similarities(invert_similarity(one), one), torch.eye(2, 3))
