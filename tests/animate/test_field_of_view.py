"""Another field of view: the camera stands nearer or farther, and the head keeps its size."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mggtalk.animate.animator import dolly
from mggtalk.avatar.avatar import Avatar
from mggtalk.errors import OptionError
from mggtalk.pipeline import MGGTalkPipeline


def test_the_portraits_own_field_of_view_moves_nothing() -> None:
    assert dolly(math.degrees(2 * math.atan(0.5 / 2.5)), 2.5) == pytest.approx(1.0)
    assert dolly(50.0, 2.5) < 1.0 < dolly(12.0, 2.5)  # a wide angle stands near


@pytest.mark.parametrize("degrees", [5.0, 90.0, float("nan")])
def test_a_field_of_view_that_cannot_be_is_named(degrees: float) -> None:
    with pytest.raises(OptionError, match="field of view"):
        dolly(degrees, 2.5)


def test_a_wide_angle_changes_the_perspective_of_the_head(pipeline: MGGTalkPipeline, avatar: Avatar) -> None:
    own, same, wide = (
        pipeline.animator(avatar, 128, degrees).frame(avatar.source).astype(float) for degrees in (None, 22.62, 55.0)
    )
    assert np.abs(own - same).mean() < 0.3
    assert 0.5 < np.abs(own - wide).mean() < 25.0
