from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from mggtalk.config import TrackerConfig
from mggtalk.errors import FaceTooSmallError, NoFaceError, OptionError, SeveralFacesError
from mggtalk.face import blendshapes, topology
from mggtalk.face.tracker import FaceTracker

EMPTY = np.full((240, 320, 3), 90, np.uint8)


@pytest.fixture(scope="module")
def tracker() -> FaceTracker:
    return FaceTracker(TrackerConfig())


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    return astronaut()[:320, 60:380].copy()  # [320, 320, 3], the face about 110 pixels wide


def scaled(image: np.ndarray, factor: float) -> np.ndarray:
    size = (round(image.shape[1] * factor), round(image.shape[0] * factor))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))


def on_canvas(image: np.ndarray, height: int, width: int, top: int, left: int) -> np.ndarray:
    canvas = np.full((height, width, 3), 120, np.uint8)
    canvas[top : top + image.shape[0], left : left + image.shape[1]] = image
    return canvas


def test_landmarks_and_scores_of_a_smiling_face(tracker, portrait) -> None:
    track = tracker.still(portrait)
    assert track.landmarks.shape == (1, 478, 3) and track.landmarks.dtype == np.float32
    assert (track.width, track.height, len(track)) == (320, 320, 1)
    points = track.landmarks[0]
    assert 130 < points[:, 0].mean() < 190 and 80 < points[:, 1].mean() < 150
    right_eye, left_eye = points[list(topology.RIGHT_IRIS)].mean(0), points[list(topology.LEFT_IRIS)].mean(0)
    assert right_eye[0] < points[1, 0] < left_eye[0]  # nose between the eyes
    assert points[1, 2] < points[234, 2]  # nose nearer than the ear
    assert points[10, 1] < right_eye[1] < points[1, 1] < points[13, 1] < points[152, 1]
    scores = dict(zip(blendshapes.NAMES, track.blendshapes[0]))
    assert scores["mouthSmileLeft"] > 0.5 and scores["eyeBlinkLeft"] < 0.4


def test_a_mirrored_picture_gives_mirrored_landmarks(tracker, portrait) -> None:
    plain = tracker.still(portrait)
    mirrored = tracker.still(portrait[:, ::-1].copy())
    expected = plain.landmarks[0][topology.mirror_permutation()] * [-1, 1, 1] + [portrait.shape[1], 0, 0]
    distance = np.linalg.norm((mirrored.landmarks[0] - expected)[:, :2], axis=1)
    assert distance.mean() < 1.5 and distance.max() < 5
    difference = mirrored.blendshapes[0] - plain.blendshapes[0][list(blendshapes.MIRROR)]
    assert np.abs(difference).mean() < 0.06


def test_landmarks_scale_with_the_picture(tracker, portrait) -> None:
    plain, large = tracker.still(portrait).landmarks[0], tracker.still(scaled(portrait, 4.0)).landmarks[0]
    assert np.linalg.norm((large / 4.0 - plain)[:, :2], axis=1).mean() < 1.0


def test_several_faces_must_be_chosen(tracker, portrait) -> None:
    picture = np.concatenate([portrait, portrait[:, ::-1]], axis=1)
    with pytest.raises(SeveralFacesError, match="2 faces.*0 at x=.*1 at x="):
        tracker.still(picture)
    left, right = (tracker.still(picture, face=index).landmarks[0, :, 0].mean() for index in (0, 1))
    assert left < 320 < right
    assert len(tracker.still(picture, allow_several=True)) == 1
    with pytest.raises(OptionError, match="Face 2"):
        tracker.still(picture, face=2)


def test_a_much_smaller_second_face_does_not_count(tracker, portrait) -> None:
    picture = on_canvas(portrait, 320, 480, 0, 0)
    small = scaled(portrait, 0.35)
    picture[100 : 100 + small.shape[0], 340 : 340 + small.shape[1]] = small
    assert tracker.still(picture).landmarks[0, :, 0].mean() < 320


def test_a_small_face_in_a_big_picture_is_found(tracker, portrait) -> None:
    picture = on_canvas(scaled(portrait, 0.45), 900, 1400, 500, 950)
    points = tracker.still(picture).landmarks[0]
    reference = tracker.still(portrait).landmarks[0] * 0.45 + [950, 500, 0]
    assert np.linalg.norm((points - reference)[:, :2], axis=1).mean() < 2.0


def test_a_group_in_a_big_picture_is_found_down_to_its_smallest_face(tracker, portrait) -> None:
    picture, small = on_canvas(scaled(portrait, 1.3), 1000, 1600, 300, 1100), scaled(portrait, 0.6)
    for top, left in ((100, 80), (700, 500), (150, 700)):
        picture[top : top + len(small), left : left + len(small)] = small
    found = tracker.usable(picture)
    assert [round(face.width / 10) for face in found] == pytest.approx([6, 6, 6, 12], abs=1)


def test_a_lying_face_is_found(tracker, portrait) -> None:
    turned = tracker.still(np.rot90(portrait).copy()).landmarks[0]
    upright = tracker.still(portrait).landmarks[0]
    expected = np.stack([upright[:, 1], portrait.shape[1] - upright[:, 0]], axis=1)
    assert np.linalg.norm(turned[:, :2] - expected, axis=1).mean() < 2.5


def test_pictures_without_a_usable_face_are_refused(tracker, portrait) -> None:
    with pytest.raises(NoFaceError, match="320x240"):
        tracker.still(EMPTY)
    with pytest.raises(NoFaceError):
        tracker.still(np.random.default_rng(0).integers(0, 255, (200, 300, 3), dtype=np.uint8))
    with pytest.raises(FaceTooSmallError, match="pixels wide"):
        tracker.still(scaled(portrait, 0.25))


def test_lost_frames_are_bridged(tracker, portrait) -> None:
    wide = on_canvas(portrait, 320, 480, 0, 60)
    frames = [np.roll(wide, 3 * step, axis=1) for step in range(14)]
    truth = tracker.video(iter(frames), 25.0)
    assert truth.found.all() and len(truth) == 14
    shift = truth.landmarks[-1, :, 0].mean() - truth.landmarks[0, :, 0].mean()
    assert shift == pytest.approx(39, abs=1.5)
    for lost in (0, 6, 7, 8, 13):
        frames[lost] = np.full_like(wide, 90)
    done = []
    track = tracker.video(iter(frames), 25.0, on_progress=done.append)
    assert done == list(range(1, 15))
    assert np.flatnonzero(~track.found).tolist() == [0, 6, 7, 8, 13]
    error = np.linalg.norm((track.landmarks - truth.landmarks)[..., :2], axis=-1).mean(1)
    assert error[1:13].max() < 1.5 and error[0] < 5 and error[13] < 5


def test_one_of_two_faces_is_followed(tracker, portrait) -> None:
    picture = np.concatenate([portrait, portrait[:, ::-1]], axis=1)
    frames = [picture] * 3
    assert tracker.video(frames, 25.0, face=1).landmarks[..., 0].mean() > 320
    assert tracker.video(frames, 25.0, face=0).landmarks[..., 0].mean() < 320
    with pytest.raises(OptionError):
        tracker.video(frames, 25.0, face=3)


def test_a_video_without_a_face_is_refused(tracker) -> None:
    with pytest.raises(NoFaceError, match="3 frames"):
        tracker.video([EMPTY] * 3, 25.0)


def test_threads_share_a_tracker(tracker, portrait) -> None:
    pictures = [portrait, portrait[:, ::-1].copy(), np.roll(portrait, 9, axis=0)] * 2
    alone = [tracker.still(picture).landmarks for picture in pictures]
    with ThreadPoolExecutor(3) as pool:
        together = [track.landmarks for track in pool.map(tracker.still, pictures)]
    for one, other in zip(alone, together):
        np.testing.assert_array_equal(one, other)
