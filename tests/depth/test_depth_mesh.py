"""The embedded depth estimator: exact on the face, round beyond it."""

from __future__ import annotations

import numpy as np
import pytest

from mggtalk.depth.estimator import DepthMap, HeadView
from mggtalk.depth.mesh import MeshDepthEstimator, normals_from_depth

SIZE, PIXEL = 96, 0.02


def view() -> tuple[HeadView, np.ndarray]:
    """A face that is a flat, slanted square before a round head whose silhouette lies 0.5 dm behind it."""
    corners = np.array([[36.0, 36.0], [60.0, 36.0], [60.0, 60.0], [36.0, 60.0]])
    depth = 9.5 + 0.004 * (corners[:, 0] - 48)
    y, x = np.mgrid[0:SIZE, 0:SIZE] + 0.5
    mask = (np.hypot(x - 48, y - 48) < 36).astype(np.float32)
    made = HeadView(
        image=np.zeros((SIZE, SIZE, 3), np.float32),
        mask=mask,
        vertices=np.column_stack([np.zeros((4, 2)), depth]).astype(np.float32),
        pixels=corners,
        triangles=np.array([[0, 1, 2], [0, 2, 3]]),
        centre=np.array([0.0, 0.0, 10.0], np.float32),
        pixel_size=PIXEL,
    )
    return made, 9.5 + 0.004 * (x - 48)


@pytest.fixture(scope="module")
def estimate() -> DepthMap:
    return MeshDepthEstimator()(view()[0])


def test_depth_on_the_face_is_the_mesh(estimate: DepthMap) -> None:
    _, truth = view()
    inner = np.s_[42:54, 42:54]
    assert np.abs(estimate.depth[inner] - truth[inner]).max() < 5e-3


def test_depth_falls_back_to_the_silhouette(estimate: DepthMap) -> None:
    row = estimate.depth[48, 60:84]  # from the face's border to the outline
    assert (np.diff(row) > -1e-3).all()
    assert estimate.depth[48, 83] == pytest.approx(10.0, abs=0.12)
    assert np.diff(row)[-4:].mean() > 3 * max(np.diff(row)[:4].mean(), 1e-3)  # round: steepest at the outline
    assert np.isfinite(estimate.depth).all()


def test_normals_are_unit_and_face_the_viewer(estimate: DepthMap) -> None:
    assert estimate.normals.shape == (3, SIZE, SIZE)
    assert np.allclose(np.linalg.norm(estimate.normals, axis=0), 1.0, atol=1e-5)
    assert (estimate.normals[2] > 0).all()


def test_normals_of_slopes_known_by_hand() -> None:
    y, x = np.mgrid[0:8, 0:8].astype(float)
    half = np.sqrt(0.5)
    assert np.allclose(normals_from_depth(PIXEL * x, PIXEL)[:, 4, 4], (half, 0, half), atol=1e-6)  # recedes rightward
    assert np.allclose(normals_from_depth(PIXEL * y, PIXEL)[:, 4, 4], (0, -half, half), atol=1e-6)  # recedes downward
    assert np.allclose(normals_from_depth(np.ones((8, 8)), PIXEL)[:, 4, 4], (0, 0, 1), atol=1e-6)


def test_beside_the_face_the_head_turns_away_from_its_middle(estimate: DepthMap) -> None:
    assert estimate.normals[0, 48, 78] > 0.3  # the viewer's right side faces right
    assert estimate.normals[0, 48, 17] < -0.3
    assert estimate.normals[1, 17, 48] > 0.3  # the top faces up
    assert estimate.normals[1, 78, 48] < -0.3


def test_a_face_that_leaves_the_picture_does_not_break_it() -> None:
    made, _ = view()
    shifted = made._replace(pixels=made.pixels - 40, mask=np.roll(made.mask, -40, (0, 1)))
    assert np.isfinite(MeshDepthEstimator()(shifted).depth).all()
