"""Faces that no detector finds."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mggtalk.config import TrackerConfig
from mggtalk.errors import OptionError
from mggtalk.face.clicks import place_mesh
from mggtalk.face.detector import FaceDetector
from mggtalk.face.face_model import FaceModel
from mggtalk.face.landmarks import Face
from mggtalk.face.points import POINTS
from mggtalk.face.roi import Roi
from mggtalk.face.stubborn import search_stubbornly, stretch
from mggtalk.face.tracker import FaceTracker
from mggtalk.geometry import euler_to_rotation, head_to_camera, project

WIDTH, HEIGHT, FOCAL = 400, 500, 2.5


def seen(face_model: FaceModel, angles: tuple[float, float, float]) -> np.ndarray:
    """Landmarks ``[478, 2]`` of a face with an identity of its own, in a pose (radians)."""
    identity = torch.zeros(len(face_model.identity_basis))
    identity[:4] = torch.tensor([1.0, -1.0, 0.5, 0.5])
    shape = face_model.vertices(identity, torch.zeros(len(face_model.expression_basis)))
    rotation = euler_to_rotation(torch.tensor(angles))
    in_camera = head_to_camera(shape, rotation, torch.tensor([0.3, -0.2, 9.0]))
    return project(in_camera, FOCAL * HEIGHT, (WIDTH / 2, HEIGHT / 2)).numpy()


@pytest.mark.parametrize("count", [7, 8, 9])
@pytest.mark.parametrize("angles", [(0.0, 0.0, 0.0), (0.1, 0.35, -0.3), (-0.15, -0.4, 0.5)])
def test_clicks_give_the_mesh_of_the_face(
    count: int, angles: tuple[float, float, float], face_model: FaceModel
) -> None:
    truth = seen(face_model, angles)
    points = [tuple(truth[vertex]) for _, vertex in POINTS][:count]
    track = place_mesh(points, face_model, WIDTH, HEIGHT, FOCAL)
    placed = track.landmarks[0, :, :2]
    width = np.ptp(truth[:, 0])
    away = np.linalg.norm(placed - truth, axis=-1) / width
    assert np.median(away) < 0.03 and away.max() < 0.15
    clicked = [vertex for _, vertex in POINTS][:count]
    np.testing.assert_allclose(placed[clicked], points, atol=0.05)
    assert track.landmarks[0, 1, 2] < track.landmarks[0, 234, 2], "the nose is nearer than the ear"


def test_points_that_are_no_face_are_refused(face_model: FaceModel) -> None:
    truth = seen(face_model, (0.0, 0.0, 0.0))
    points = [tuple(truth[vertex]) for _, vertex in POINTS]
    mixed = [points[0], points[1], points[2], points[3], points[7], points[6], points[5], points[4], points[8]]
    for wrong, words in ((points[:5], "7 to 9"), ([*points[:8], (-5.0, 9.0)], "400 x 500"), (mixed, "this order")):
        with pytest.raises(OptionError, match=words):
            place_mesh(wrong, face_model, WIDTH, HEIGHT, FOCAL)


@pytest.fixture(scope="module")
def tracker() -> FaceTracker:
    """The tracker with its usual thresholds."""
    return FaceTracker(TrackerConfig())


def test_a_face_is_found_in_a_pale_negative(tracker: FaceTracker, astronaut: np.ndarray) -> None:
    pale = (215 + (255 - astronaut[:320, 64:384].astype(int)) // 8).astype(np.uint8)
    track = tracker.still(pale)
    upright = tracker.still(astronaut[:320, 64:384])
    assert np.linalg.norm(track.landmarks[0] - upright.landmarks[0], axis=-1).mean() < 0.08 * 150


def test_a_mirrored_find_is_turned_back(tracker: FaceTracker, astronaut: np.ndarray) -> None:
    picture = astronaut[:320, 64:384]

    class OnlyMirrored(FaceDetector):
        def best_look(self, image: np.ndarray, view: Roi):  # type: ignore[no-untyped-def]
            flipped = image.shape == picture.shape and (image == picture[:, ::-1]).all()
            return super().best_look(image, view) if flipped else None

    (face,) = search_stubbornly(picture, OnlyMirrored(0.5), tracker.look)
    plain = tracker.still(picture).landmarks[0]
    assert isinstance(face, Face) and np.linalg.norm(face.landmarks[:, :2] - plain[:, :2], axis=-1).mean() < 4.0


def test_nothing_is_found_where_there_is_nobody(tracker: FaceTracker) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (160, 200, 3), dtype=np.uint8)
    assert search_stubbornly(noise, FaceDetector(0.5), tracker.look) == []
    assert stretch(np.full((4, 4, 3), 7, np.uint8)).max() == 0
