"""Regions of a real portrait."""

import math

import numpy as np
import pytest

from mggtalk.evaluation.regions import REGIONS, RegionScore, frame_regions
from mggtalk.face.topology import LEFT_EYE, LIPS


@pytest.fixture(scope="module")
def seen(pipeline, astronaut):
    """Landmarks of the astronaut, and her regions."""
    points = pipeline.tracker.still(astronaut).landmarks[0]  # [478, 3]
    return points, frame_regions(points, pipeline.person_matte(astronaut, points))


def test_regions_share_the_frame_out(seen):
    _, regions = seen
    assert tuple(regions) == REGIONS
    assert (sum(mask.astype(int) for mask in regions.values()) == 1).all()
    assert all(mask.any() for mask in regions.values())


def test_regions_lie_where_their_names_say(seen):
    points, regions = seen

    def at(x, y):
        return next(name for name, mask in regions.items() if mask[int(y), int(x)])

    assert at(*points[list(LIPS), :2].mean(0)) == "mouth"
    assert at(*points[list(LEFT_EYE), :2].mean(0)) == "eyes"
    assert at(*points[4, :2]) == "face"  # tip of the nose
    assert at(*points[234, :2]) == at(*points[152, :2]) == "outline"  # before the ear, and the chin
    height = points[152, 1] - points[10, 1]
    assert at(points[10, 0], points[10, 1] - 0.2 * height) == "hair"
    assert at(points[152, 0], points[152, 1] + 0.15 * height) == "neck"
    assert at(points[152, 0], points[152, 1] + 1.2 * height) == "torso"
    assert at(500, 5) == "background" or at(5, 200) == "background"


def test_regions_that_a_frame_lacks_do_not_count():
    some = RegionScore(0.1, 4.0, 0.2, math.nan)
    none = RegionScore(0.0, math.nan, math.nan, math.nan)
    mean = RegionScore.mean([some, none])
    assert (mean.area, mean.l1, mean.lpips) == pytest.approx((0.05, 4.0, 0.2)) and np.isnan(mean.lpips_vgg)
