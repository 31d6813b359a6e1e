from __future__ import annotations

import base64
import io
import re

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from PIL import Image

from mggtalk import notebook
from mggtalk.media import verify


@pytest.fixture(autouse=True)
def no_window(monkeypatch: pytest.MonkeyPatch):
    matplotlib.use("agg")
    yield
    plt.close("all")


def test_choose_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(notebook.FAST, "1")
    assert notebook.choose(256, fast=128) == 128
    monkeypatch.setenv(notebook.FAST, "0")
    assert notebook.choose(256, fast=128) == 256


def test_pictures_of_all_shapes_are_understood() -> None:
    colours = np.random.default_rng(0).uniform(-0.5, 1.5, (4, 5, 3))
    expected = colours.clip(0, 1)
    np.testing.assert_allclose(notebook.to_picture(colours), expected)
    np.testing.assert_allclose(notebook.to_picture(torch.from_numpy(colours).permute(2, 0, 1)), expected)
    assert notebook.to_picture(torch.zeros(4, 5)).shape == (4, 5)
    assert notebook.to_picture(np.full((4, 5, 3), 200, np.uint8)).dtype == np.uint8
    with pytest.raises(ValueError, match="got \\[2, 4, 5\\]"):
        notebook.to_picture(np.zeros((2, 4, 5)))


def test_show_draws_each_picture_under_its_title() -> None:
    notebook.show(np.zeros((4, 4)), np.ones((4, 4, 3)), torch.ones(3, 4, 4), titles=["one", "two"], columns=2)
    axes = plt.gcf().axes
    assert len(axes) == 3 and all(len(axis.images) == 1 for axis in axes)
    assert [axis.get_title() for axis in axes] == ["one", "two", ""]


def test_cloud_shows_the_right_side_in_the_right_colour() -> None:
    points = torch.tensor([[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    colours = torch.eye(3)  # left red, right green, top blue
    picture = notebook.draw_cloud(points, colours, size=64, radius=0.1, centre=torch.zeros(3))
    left, right, top = picture[32, 11], picture[32, 53], picture[11, 32]
    assert [int(colour.argmax()) for colour in (left, right, top)] == [0, 1, 2]
    np.testing.assert_allclose(picture[60, 60], 1.0, atol=1e-6)
    behind = notebook.draw_cloud(points, colours, yaw=180.0, size=64, radius=0.1, centre=torch.zeros(3))
    assert int(behind[32, 53].argmax()) == 0  # seen from behind, left is right


def test_video_plays_in_the_notebook_and_says_that_it_is_made(tmp_path) -> None:
    frames = [np.full((64, 96, 3), 20 * index, np.uint8) for index in range(5)]
    video = notebook.play(iter(frames), fps=25.0)
    assert "data:video/mp4;base64," in video._repr_html_()
    (tmp_path / "video.mp4").write_bytes(base64.b64decode(re.search(r"base64,([^\"]+)", video._repr_html_())[1]))
    assert verify(tmp_path / "video.mp4").mark is not None


def test_slider_holds_every_frame_and_shows_the_middle_one() -> None:
    frames = [np.full((8, 8, 3), 100 * index, np.uint8) for index in range(3)]
    html = notebook.turn_by_hand(frames, label="a < b").data
    pictures = re.findall(r'base64,([^"]+)" style="display:(\w+)', html)
    assert [shown for _, shown in pictures] == ["none", "block", "none"]
    for frame, (data, _) in zip(frames, pictures):
        assert abs(int(np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))[0, 0, 0]) - int(frame[0, 0, 0])) < 4
    assert 'max="2"' in html and "a &lt; b" in html
