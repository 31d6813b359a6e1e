"""The flow that moves a lower face."""

from __future__ import annotations

import numpy as np
import pytest

from mggtalk.dub.flow import RINGS, flow_of, ring_triangles, sample, with_rings
from mggtalk.face.topology import FACE_OVAL, MESH_VERTICES, canonical_mesh

SIDE = 200


@pytest.fixture(scope="module")
def face() -> tuple[np.ndarray, np.ndarray]:
    """A face in the middle of a picture: landmarks ``[478, 2]`` and depths ``[478]``."""
    vertices = np.concatenate([canonical_mesh()[0], np.zeros((10, 3), np.float32)])
    return vertices[:, :2] * (5.0, -5.0) + (SIDE / 2, SIDE / 2), -vertices[:, 2]


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """Smooth colours, all different."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE * 255.0
    return np.stack([x, y, 255.0 - x], axis=-1).astype(np.uint8)


def lowered(landmarks: np.ndarray, way: float) -> np.ndarray:
    """The face with its chin lowered by some pixels, and what is above the mouth at its place."""
    share = np.clip((landmarks[:, 1] - SIDE / 2) / 40.0, 0.0, 1.0)[:, None]
    return landmarks + share * (0.0, way)


def test_nothing_moves_without_a_change(face: tuple[np.ndarray, np.ndarray]) -> None:
    landmarks, depth = face
    assert flow_of(landmarks, landmarks, depth, SIDE, SIDE) is None


def test_a_shift_of_all_vertices_is_a_shift_of_the_face_and_fades_around_it(
    face: tuple[np.ndarray, np.ndarray], picture: np.ndarray
) -> None:
    landmarks, depth = face
    flow = flow_of(landmarks, landmarks + (3.0, 2.0), depth, SIDE, SIDE)
    assert flow is not None
    x, y = (int(place) for place in landmarks[1] - (flow.left, flow.top))  # the nose's tip
    here = np.array([flow.left + x + 0.5, flow.top + y + 0.5])
    np.testing.assert_allclose(flow.source[y, x], here - (3.0, 2.0), atol=1e-4)
    left = np.stack([np.full(len(flow.source), flow.left + 0.5), flow.top + 0.5 + np.arange(len(flow.source))], -1)
    assert np.abs(flow.source[:, 0] - left).max() < 1.0, "at the rim there is next to nothing left"
    seen = sample(picture, flow.source)[y, x]
    np.testing.assert_allclose(seen, picture[flow.top + y - 2, flow.left + x - 3].astype(float), atol=1.5)


@pytest.mark.parametrize("way", [-12.0, 12.0])
def test_a_jaw_moves_without_folds_and_the_eyes_stay(way: float, face: tuple[np.ndarray, np.ndarray]) -> None:
    landmarks, depth = face
    flow = flow_of(landmarks, lowered(landmarks, way), depth, SIDE, SIDE)
    assert flow is not None
    down = np.diff(flow.source[..., 1], axis=0)  # a fold would go back up
    assert down.min() > 0.0 and down.max() < 3.0
    assert np.nonzero(flow.moved)[0].min() + flow.top > landmarks[[159, 145, 386, 374], 1].max()


def test_sampling_between_pixels_keeps_what_is_fine() -> None:
    y, x = np.mgrid[:64, :64].astype(np.float64)
    for period in (4.0, 6.0, 8.0):

        def wave(across: np.ndarray, period: float = period) -> np.ndarray:
            return 128.0 + 60.0 * np.sin(2 * np.pi * across / period)

        picture = np.repeat(np.rint(wave(x))[..., None], 3, axis=-1).astype(np.uint8)
        places = np.stack([x + 0.5 + 0.4, y + 0.5], axis=-1).astype(np.float32)
        seen = sample(picture, places)[8:-8, 8:-8, 0]
        assert np.abs(seen - wave(x + 0.4)[8:-8, 8:-8]).max() < 0.1 * 120.0


def test_outside_of_the_lips_the_flow_has_no_steps(face: tuple[np.ndarray, np.ndarray]) -> None:
    landmarks, depth = face
    aside = landmarks.copy()
    aside[:, 0] -= 0.9 * depth * 5.0  # turned: the far cheek is behind the near one
    flow = flow_of(aside, lowered(aside, 10.0), depth, SIDE, SIDE)
    assert flow is not None
    way = flow.source - np.stack(np.meshgrid(*(np.arange(side) for side in flow.moved.shape[::-1])), axis=-1)
    steps = np.abs(np.diff(way[..., 1], axis=1))
    assert steps.max() < 3.0 and np.quantile(steps, 0.999) < 1.5


def test_rings_surround_the_mesh(face: tuple[np.ndarray, np.ndarray]) -> None:
    points = with_rings(face[0])
    assert len(points) == MESH_VERTICES + len(RINGS) * len(FACE_OVAL)
    corners = points[ring_triangles()]  # [F, 3, 2]
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    assert (area > 0).all() or (area < 0).all(), "all have one winding: none lies over another"
