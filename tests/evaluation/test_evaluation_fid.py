"""Fréchet distances: closed forms, sets that come in parts, and what is asked of a method."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from mggtalk.errors import OptionError
from mggtalk.evaluation.fid import InceptionDistance
from mggtalk.evaluation.frames import FrameStore
from mggtalk.evaluation.frechet import Moments, Reference
from mggtalk.evaluation.scores import STILL
from tests.evaluation.colours import Colours


def moments(vectors):
    gathered = Moments(vectors.shape[1])
    gathered.add(vectors)
    return gathered


def gaussian(deviations, mean):
    """Vectors with exactly this mean and these deviations along the axes, uncorrelated."""
    count = 2 * len(deviations)
    steps = np.sqrt((count - 1) / 2) * np.diag(deviations)
    return np.concatenate([steps, -steps]) + mean


def test_distance_of_gaussians_along_the_same_axes():
    a, b = np.array([1.0, 2.0, 0.5]), np.array([3.0, 1.0, 0.0])
    first, second = gaussian(a, np.zeros(3)), gaussian(b, np.array([1.0, -2.0, 2.0]))
    np.testing.assert_allclose(moments(first).covariance, np.diag(a**2), atol=1e-12)
    expected = 9.0 + ((a - b) ** 2).sum()
    assert Reference(moments(first)).distance(moments(second)) == pytest.approx(expected)
    assert Reference(moments(second)).distance(moments(first)) == pytest.approx(expected)


def test_distance_of_sets_along_other_axes():
    generator = np.random.default_rng(0)
    first = generator.normal(size=(60, 8))
    second = generator.normal(size=(50, 8)) @ generator.normal(size=(8, 8)) + 1.0
    covariances = [np.cov(part, rowvar=False) for part in (first, second)]
    expected = ((first.mean(0) - second.mean(0)) ** 2).sum() + np.trace(
        covariances[0] + covariances[1] - 2 * sqrtm(covariances[0] @ covariances[1]).real
    )
    assert Reference(moments(first)).distance(moments(second)) == pytest.approx(expected, rel=1e-9)
    assert Reference(moments(first)).distance(moments(first)) == pytest.approx(0.0, abs=1e-9)


def test_few_vectors_are_at_no_distance_from_themselves():
    few = moments(np.random.default_rng(0).normal(size=(5, 40)))
    assert Reference(few).distance(few) == pytest.approx(0.0, abs=1e-5)


def test_moments_of_parts_and_repeats():
    vectors = np.random.default_rng(0).normal(3.0, 1.0, (9, 4)).astype(np.float32)
    parts = Moments(4)
    for part in (vectors[:2], vectors[2:8]):
        parts.add(part)
    parts.add(vectors[8:], times=3)
    whole = np.concatenate([vectors, vectors[8:], vectors[8:]]).astype(np.float64)
    assert parts.count == 11
    np.testing.assert_allclose(parts.mean, whole.mean(axis=0))
    np.testing.assert_allclose(parts.covariance, np.cov(whole, rowvar=False))


def test_methods_are_compared_with_the_real_frames_of_all_clips():
    generator = np.random.default_rng(0)
    distance = InceptionDistance(Colours())
    for clip in range(2):
        frames = generator.integers(100 * clip, 100 * clip + 50, (4, 8, 8, 3)).astype(np.uint8)
        real, darker = FrameStore(frames, 4, 8), FrameStore(frames // 2, 4, 8)
        if clip == 1:
            with pytest.raises(OptionError, match="0 frames are too few.* 4 or more"):
                InceptionDistance(Colours()).distances()
        distance.watch(real, frames[0], {"same": real, "darker": darker})
    found = distance.distances()
    assert list(found) == [STILL, "same", "darker"]
    assert found["same"] == pytest.approx(0.0, abs=1e-6)
    assert found["darker"] > 1000 > found[STILL] > found["same"]
    with pytest.raises(OptionError, match="3 frames are too few for the covariance of 3 features.* 4 or more"):
        few = InceptionDistance(Colours())
        few.watch(FrameStore(frames, 3, 8), frames[0], {})
        few.distances()
