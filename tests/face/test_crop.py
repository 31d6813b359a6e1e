"""The square around a face, and landmarks that go with it."""

from __future__ import annotations

import numpy as np
import pytest

from mggtalk.face.crop import FACE_HEIGHTS, SquareCrop, choose_crop
from mggtalk.face.topology import FACE_OVAL
from mggtalk.scene import FaceTrack


def face(x: float, y: float, height: float) -> np.ndarray:
    """Landmarks of an elliptic face with its middle at (x, y)."""
    points = np.full((478, 3), (x, y, 0.0), np.float32)
    angles = 2 * np.pi * np.arange(len(FACE_OVAL)) / len(FACE_OVAL)
    points[list(FACE_OVAL), 0] = x + 0.35 * height * np.sin(angles)
    points[list(FACE_OVAL), 1] = y - 0.5 * height * np.cos(angles)
    points[:, 2] = 0.1 * height
    return points


def test_automatic_crop_is_a_multiple_of_the_face_around_it() -> None:
    crop = choose_crop(face(400, 300, 100), 800, 600, "auto")
    assert crop.side == pytest.approx(FACE_HEIGHTS * 100, rel=1e-3)
    assert (crop.x0 + crop.side / 2, crop.y0 + crop.side / 2) == pytest.approx((400, 300), abs=0.1)


@pytest.mark.parametrize(("width", "height"), [(800, 600), (600, 800), (500, 500), (1000, 90)])
@pytest.mark.parametrize("mode", ["auto", "none"])
def test_crop_stays_inside_the_picture(width: int, height: int, mode: str) -> None:
    generator = np.random.default_rng(0)
    for _ in range(20):
        size = generator.uniform(20, 400)
        crop = choose_crop(face(generator.uniform(0, width), generator.uniform(0, height), size), width, height, mode)
        assert crop.x0 >= 0 and crop.y0 >= 0 and crop.side > 0
        assert crop.x0 + crop.side <= width + 1e-6 and crop.y0 + crop.side <= height + 1e-6


def test_no_crop_keeps_a_square_picture_and_the_largest_square_of_another() -> None:
    assert choose_crop(face(100, 400, 60), 512, 512, "none") == SquareCrop(0.0, 0.0, 512.0)
    crop = choose_crop(face(700, 200, 60), 800, 400, "none")
    assert crop.side == 400 and crop.x0 == 400 and crop.y0 == 0


def test_cut_and_track_agree() -> None:
    image = np.zeros((120, 160, 3), np.uint8)
    image[50:54, 80:84] = 255  # its middle is at (82, 52)
    crop = SquareCrop(60.0, 30.0, 40.0)
    small = crop.cut(image, 80).astype(float)[..., 0]
    rows, columns = np.mgrid[0:80, 0:80] + 0.5
    seen = (small * columns).sum() / small.sum(), (small * rows).sum() / small.sum()
    landmarks = np.array([[[82.0, 52.0, 5.0]]], np.float32)
    track = FaceTrack(landmarks, np.zeros((1, 52), np.float32), np.ones(1, bool), 1.0, 160, 120)
    moved = crop.track(track, 80)
    assert moved.landmarks[0, 0, :2] == pytest.approx(seen, abs=0.05)
    assert moved.landmarks[0, 0, 2] == pytest.approx(10.0)  # z has the scale of x
    assert (moved.width, moved.height) == (80, 80)
    assert landmarks[0, 0].tolist() == [82.0, 52.0, 5.0]  # the original stays
