import numpy as np

from mggtalk.face.smoothing import LANDMARK_RANGE, smooth_blendshapes, smooth_landmarks
from mggtalk.face.tracker import bridge

FPS = 25.0
WIDTH = 200.0  # pixels, of the synthetic face


def face(frames: int) -> np.ndarray:
    """A still face ``[T, 100, 3]`` with points spread over its width."""
    points = np.random.default_rng(0).uniform(0, WIDTH, (100, 3))
    points[0, 0], points[1, 0] = 0, WIDTH
    return np.repeat(points[None], frames, axis=0).astype(np.float32)


def test_noise_on_a_still_face_is_halved() -> None:
    still = face(200)
    noise = np.random.default_rng(1).normal(0, 0.3 * LANDMARK_RANGE * WIDTH, still.shape).astype(np.float32)
    left = smooth_landmarks(still + noise, FPS) - still
    assert left.std() < 0.5 * noise.std()
    assert abs(left.mean()) < 0.05 * noise.std()


def test_a_fast_blink_survives() -> None:
    track = face(60)
    lid = 0.05 * WIDTH  # how far a lid travels
    blink = np.zeros(60)
    blink[28:33] = [0.5, 1.0, 1.0, 0.7, 0.3]
    track[:, 5, 1] += (lid * blink).astype(np.float32)
    moved = smooth_landmarks(track, FPS)[:, 5, 1] - track[0, 5, 1]
    assert moved.max() > 0.9 * lid
    spike = track.copy()
    spike[:, 5, 1] = track[0, 5, 1]
    spike[30, 5, 1] += lid  # closed in a single frame
    assert (smooth_landmarks(spike, FPS)[30, 5, 1] - track[0, 5, 1]) > 0.9 * lid
    scores = np.zeros((60, 52), np.float32)
    scores[:, 9] = 0.6 * blink
    assert smooth_blendshapes(scores, FPS)[:, 9].max() > 0.9 * 0.6


def test_nothing_is_delayed() -> None:
    track = face(120)
    times = np.arange(120) / FPS
    wave = 0.03 * WIDTH * np.sin(2 * np.pi * 1.5 * times)
    track[..., 0] += wave[:, None].astype(np.float32)
    moved = smooth_landmarks(track, FPS)[:, 7, 0]
    moved = moved - moved.mean()
    scores = [np.dot(moved[10 + lag : 110 + lag], wave[10:110]) for lag in range(-3, 4)]
    assert np.argmax(scores) == 3
    reversed_track = smooth_landmarks(track[::-1].copy(), FPS)[::-1]
    np.testing.assert_allclose(reversed_track, smooth_landmarks(track, FPS), atol=1e-3)


def test_a_steady_movement_and_a_single_frame_stay_as_they_are() -> None:
    track = face(40)
    track[..., 1] += np.linspace(0, 10, 40, dtype=np.float32)[:, None]
    np.testing.assert_allclose(smooth_landmarks(track, FPS), track, atol=1e-3)
    np.testing.assert_array_equal(smooth_landmarks(track[:1], FPS), track[:1])


def test_bridging_interpolates_short_gaps_and_holds_long_ones() -> None:
    found = np.array([False, True, False, False, False, True, False])
    values = np.array([1.0, 5.0], np.float32)
    np.testing.assert_allclose(bridge(values, found, fps=4.0, seconds=1.0), [1, 1, 2, 3, 4, 5, 5])
    np.testing.assert_allclose(bridge(values, found, fps=2.0, seconds=1.0), [1, 1, 1, 1, 3, 5, 5])
    np.testing.assert_array_equal(bridge(np.arange(4.0), np.ones(4, bool), 25.0, 1.0), np.arange(4.0))
