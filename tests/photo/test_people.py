"""The squares of the people in a photo."""

from __future__ import annotations

import numpy as np

from mggtalk.face.crop import SquareCrop
from mggtalk.face.landmarks import Face
from mggtalk.photo.people import EDGE, border_weight, choose_square, own_share


def face(x: float, y: float, height: float) -> Face:
    """An oval face of points."""
    angles = np.linspace(0, 2 * np.pi, 478, endpoint=False)
    points = np.stack([x + 0.4 * height * np.sin(angles), y - 0.5 * height * np.cos(angles), 0 * angles], axis=1)
    points[10], points[152] = (x, y - height / 2, 0), (x, y + height / 2, 0)
    points[234], points[454] = (x - 0.4 * height, y, 0), (x + 0.4 * height, y, 0)
    return Face(points.astype(np.float32), np.zeros(52, np.float32), 1.0, (x - height / 2, y, x + height / 2, y))


def test_squares_lie_in_the_photo_on_whole_pixels() -> None:
    generator = np.random.default_rng(0)
    for _ in range(50):
        width, height = generator.integers(200, 2000, 2)
        one = face(generator.uniform(0, width), generator.uniform(0, height), generator.uniform(40, 600))
        x0, y0, side = choose_square(one.landmarks, width, height)
        assert x0 >= 0 and y0 >= 0 and x0 + side <= width and y0 + side <= height
        assert all(value == int(value) for value in (x0, y0, side))


def test_the_border_fades_only_where_the_photo_goes_on() -> None:
    weight = border_weight(SquareCrop(100.0, 300.0, 200.0), 100, 1000, 500, 0.0, EDGE)
    assert weight[:, 0].max() < 0.05 and weight[0].max() < 0.05 and weight[:, -1].max() < 0.05
    assert weight[-1, 50] == 1.0, "the square ends with the photo there"
    assert border_weight(SquareCrop(0.0, 0.0, 500.0), 100, 500, 500, 0.0, EDGE).min() == 1.0


def test_pixels_belong_to_the_nearest_face_by_its_own_size() -> None:
    window = SquareCrop(0.0, 0.0, 400.0)
    large, small = face(120, 200, 160), face(300, 200, 60)
    share, other = own_share(window, 400, large, [small]), own_share(window, 400, small, [large])
    assert share[200, 120] == other[200, 300] == 1.0 and share[200, 300] == other[200, 120] == 0.0
    assert np.allclose(share + other, 1.0, atol=1e-5)
    border = 300 - 180 * 60 / 220  # as many face heights from both
    assert abs(share[200, int(border)] - 0.5) < 0.1
    assert own_share(window, 400, large, []).min() == 1.0
