import numpy as np
import pytest
import torch

from mggtalk.evaluation.explain import explain, facing, origins
from mggtalk.geometry import rotation_to_euler
from mggtalk.scene import Gaussians


@pytest.fixture(scope="module")
def explanation(pipeline, avatar):
    return explain(pipeline, avatar, 128)


def test_counts_are_those_of_the_splats(explanation, pipeline, avatar):
    assert explanation.counts.total == len(pipeline.splat(avatar, avatar.source).means)
    assert explanation.counts.seen >= len(avatar.points) and explanation.counts.dropped > 0


def test_origins_know_sets_without_the_hidden_mouth(pipeline, avatar):
    """The compiled set of closed lips lacks the sheet; dividing what is left by the points gave wrong groups."""
    points, twins = len(avatar.points), len(avatar.mirrored)
    back, mouth = len(avatar.back.means), len(avatar.mouth.colour)
    assert origins(avatar, points + twins + back) == [("seen", points), ("mirrored", twins), ("back", back)]
    assert origins(avatar, 2 * (points + twins) + back)[-2:] == [("mirrored", twins), ("back", back)]
    assert origins(avatar, 2 * (points + twins) + back + mouth)[-1] == ("mouth", mouth)
    with pytest.raises(ValueError, match="none of this avatar's"):
        origins(avatar, points + twins + back + mouth - 1)


def test_explanation_of_a_set_without_the_mouth(pipeline, avatar, monkeypatch):
    whole = type(pipeline).splat

    def closed(self, avatar, frame):
        return Gaussians(*(part[: len(part) - len(avatar.mouth.colour)] for part in whole(self, avatar, frame)))

    monkeypatch.setattr(type(pipeline), "splat", closed)
    counts = explain(pipeline, avatar, 64).counts
    assert counts.mouth == 0 and counts.back == len(avatar.back.means)


def test_the_nose_is_nearest_and_looks_at_the_viewer(explanation, avatar):
    mask = avatar.mask.numpy()
    row, column = np.argwhere(mask)[int(torch.argmax(avatar.points[:, 2]))]
    assert explanation.depth[row, column, 0] > 0.97 * explanation.depth[..., 0].max()
    assert explanation.normals[mask][:, 2].mean() > 150, "blue: most of the face looks at the viewer"


def test_pictures_are_dark_outside_the_head(explanation, avatar):
    for picture in (explanation.depth, explanation.normals, explanation.mirrored):
        assert picture.shape == (*avatar.mask.shape, 3) and picture.dtype == np.uint8
        assert picture[~avatar.mask.numpy()].max() < 30
    assert explanation.origin.shape == (128, 128, 3)
    green = explanation.origin[..., 1].astype(int) - explanation.origin[..., 0]
    assert (green > 30).mean() > 0.05, "what the photo shows is green"


def test_facing_sets_the_yaw(avatar):
    frame = facing(avatar, avatar.source, -30.0)
    assert float(torch.rad2deg(rotation_to_euler(frame.rotation)[1])) == pytest.approx(-30.0, abs=1e-3)
    assert frame.expression is avatar.expression
