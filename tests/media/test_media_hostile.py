from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mggtalk.config import MediaConfig
from mggtalk.errors import MediaError, MediaTooLongError
from mggtalk.media import has_sound, load_image, load_sound, open_video, verify
from mggtalk.media.ffmpeg import MOST_PIXELS
from tests.hostile import Hostile, hostile_images, hostile_sounds, hostile_videos, png, small_video, strange_names, wav

LIMITS = MediaConfig.page_limits()


def read_video(path: Path) -> int:
    with open_video(path, LIMITS) as reader:
        return sum(1 for _ in reader)


def refused(files: dict[str, Hostile], read: Callable[[Path], object], folder: Path, scratch: Path) -> None:
    """Every file is refused in one line that says why, and nothing is left anywhere."""
    before = sorted(folder.iterdir()), sorted(scratch.iterdir()), len(os.listdir("/proc/self/fd"))
    for what, (path, words) in files.items():
        with pytest.raises(MediaError, match=words) as caught:
            read(path)
        message = str(caught.value)
        assert "\n" not in message and len(message) < 600, what
        assert message.count(". ") >= 1, f"{what}: what to do is missing"
        del caught
    assert (sorted(folder.iterdir()), sorted(scratch.iterdir())) == before[:2]
    assert len(os.listdir("/proc/self/fd")) <= before[2]


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """A folder of its own for temporary files."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "uploads"
    folder.mkdir()
    return folder


def test_images(folder, scratch):
    refused(hostile_images(folder), lambda path: load_image(path, LIMITS), folder, scratch)


def test_videos(folder, scratch):
    refused(hostile_videos(folder), read_video, folder, scratch)


def test_videos_as_sound(folder, scratch):
    """The sound of a driving video is asked for first in some places."""
    files = {what: Hostile(path, ".") for what, (path, _) in hostile_videos(folder).items() if what != "recording"}
    refused(files, lambda path: load_sound(path, config=LIMITS), folder, scratch)


def test_sounds(folder, scratch):
    refused(hostile_sounds(folder), lambda path: load_sound(path, config=LIMITS), folder, scratch)


def test_what_playlists_point_to_could_be_read(folder):
    """Otherwise the refusals above would show nothing."""
    hostile_videos(folder)
    assert read_video(folder / "secret.mp4") == 5


def test_looking_for_marks(folder, scratch):
    files = {**hostile_videos(folder), **hostile_images(folder)}
    readable = {what: files.pop(what).path for what in ("recording", "65000 x 1", "picture", "video as picture")}
    refused({what: Hostile(path, ".") for what, (path, _) in files.items()}, verify, folder, scratch)
    assert not any(verify(path).found for path in readable.values())
    assert verify(readable["recording"]).watermark is None


def test_strange_names_are_read(folder, monkeypatch):
    monkeypatch.chdir(folder)
    picture = io.BytesIO()
    Image.new("RGB", (96, 96), (9, 99, 200)).save(picture, "PNG")
    for path in strange_names(folder, ".png", picture.getvalue()):
        assert load_image(path.name, LIMITS).shape == (96, 96, 3)
    for path in strange_names(folder, ".wav", wav(np.full(1600, 0.5))):
        assert load_sound(path.name, config=LIMITS).peak == 0.5
    for path in strange_names(folder, ".mp4", small_video(folder))[-3:]:
        assert read_video(Path(path.name)) == 5 and not has_sound(path.name)


def test_names_that_no_file_can_have(folder):
    for read in (load_image, open_video, load_sound):
        for name in ("x" * 300 + ".mp4", "a\0.mp4", "\udcff" * 90 + "/../nowhere.mp4"):
            with pytest.raises(MediaError) as caught:
                read(folder / name)
            assert "\n" not in str(caught.value)


def test_a_picture_in_a_video_that_is_too_large_is_never_decoded(make):
    side = int(MOST_PIXELS**0.5) + 200
    coding = ("-pix_fmt", "yuv420p", "-preset", "ultrafast")
    path = make("large.mkv", "-f", "lavfi", "-i", f"color=s={side}x{side}:r=5:d=0.2", *coding)
    with pytest.raises(MediaTooLongError, match=f"{side} x {side}"):
        open_video(path)
    with pytest.raises(MediaError, match="Only 0 of 1 frames"):
        list(open_video(path, MediaConfig(max_video_side=99999, max_video_megapixels=1e6)))


@pytest.mark.parametrize(
    "limits, words",
    [
        ({"max_image_megabytes": 1e-5}, r"has 0\.1 MB.*1e-05 MB or less"),
        ({"max_image_megapixels": 0.01}, "128 x 128"),
    ],
)
def test_limits_of_images(tmp_path, limits, words):
    (tmp_path / "a.png").write_bytes(png(128, 128))
    assert load_image(tmp_path / "a.png", LIMITS).shape == (128, 128, 3)
    with pytest.raises(MediaTooLongError, match=words):
        load_image(tmp_path / "a.png", MediaConfig(**limits))


def test_limits_are_those_published_on_the_page(make):
    assert (LIMITS.max_image_megabytes, LIMITS.max_image_megapixels) == (10, 50)
    assert (LIMITS.max_video_megabytes, LIMITS.max_video_seconds, LIMITS.max_sound_seconds) == (100, 60, 120)
    for size in ("1920x1080", "1080x1920", "1440x1440"):
        make(f"{size}.mkv", "-f", "lavfi", "-i", f"color=s={size}:r=5:d=0.2", "-c:v", "mpeg4")
    folder = make("wide.mkv", "-f", "lavfi", "-i", "color=s=1922x64:r=5:d=0.2", "-c:v", "mpeg4").parent
    make("square.mkv", "-f", "lavfi", "-i", "color=s=1600x1600:r=5:d=0.2", "-c:v", "mpeg4")
    for size in ("1920x1080", "1080x1920", "1440x1440"):
        open_video(folder / f"{size}.mkv", LIMITS).close()
    for name, words in (("wide", "1922 x 64"), ("square", "2.6 million")):
        with pytest.raises(MediaTooLongError, match=words):
            open_video(folder / f"{name}.mkv", LIMITS)
    with pytest.raises(MediaTooLongError, match="MB"):
        open_video(folder / "square.mkv", MediaConfig(max_video_megabytes=1e-4))
