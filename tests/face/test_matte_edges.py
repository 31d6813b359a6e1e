"""Mattes whose true alpha is known: what the picture tells about soft edges, and where it tells nothing."""

from __future__ import annotations

import numpy as np
import pytest

from mggtalk.face.matte_edges import sharpen_edges

SIZE = 128
DARK, LIGHT = np.array((40, 25, 20.0)), np.array((210, 215, 220.0))


def hair(person: np.ndarray = DARK, background: np.ndarray = LIGHT) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A picture with strands that stand off a solid head, their true alpha, and a matte that only sees a veil."""
    y, x = np.mgrid[:SIZE, :SIZE]
    radius = np.hypot(x - SIZE / 2, y - SIZE / 2)
    true = np.clip(30.5 - radius, 0, 1)
    strands = (np.cos(40 * np.arctan2(y - SIZE / 2, x - SIZE / 2)) > 0.5) & (radius < 42)
    true = np.maximum(true, 0.8 * strands).astype(np.float32)
    veil = np.clip((44 - radius) / 14, 0, 1).astype(np.float32)
    picture = true[..., None] * person + (1 - true[..., None]) * background
    noise = np.random.default_rng(0).normal(scale=3, size=picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8), true, np.maximum(veil, radius < 30).astype(np.float32)


def test_strands_are_told_from_the_gaps_between_them() -> None:
    picture, true, veil = hair()
    before, after = np.abs(veil - true).mean(), np.abs(sharpen_edges(picture, veil) - true).mean()
    assert after < 0.3 * before


def test_what_is_certain_stays() -> None:
    picture, _, veil = hair()
    sharp = sharpen_edges(picture, veil)
    assert sharp.dtype == np.float32 and sharp.min() >= 0 and sharp.max() <= 1
    certain = (veil == 0) | (veil == 1)
    np.testing.assert_array_equal(sharp[certain], veil[certain])


def test_where_person_and_background_look_alike_the_matte_stays() -> None:
    picture, _, veil = hair(person=LIGHT - 3)
    assert np.abs(sharpen_edges(picture, veil) - veil).mean() < 0.01


def test_before_a_restless_background_the_matte_is_believed_more() -> None:
    picture, _, veil = hair()
    restless = picture.copy()
    spots = np.random.default_rng(1).integers(0, 256, (SIZE // 8, SIZE // 8, 3)).repeat(8, 0).repeat(8, 1)
    restless[veil == 0] = spots[veil == 0]
    changed = [np.abs(sharpen_edges(image, veil) - veil)[veil > 0].mean() for image in (picture, restless)]
    assert changed[1] < 0.8 * changed[0]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_matte_of_nothing_or_everything_stays(share: float) -> None:
    picture, _, _ = hair()
    full = np.full((SIZE, SIZE), share, np.float32)
    np.testing.assert_array_equal(sharpen_edges(picture, full), full)
