"""Films of all kinds, with and without transparency."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest
from PIL import Image, ImageSequence

from mggtalk.errors import MediaError, OptionError
from mggtalk.media import verify
from mggtalk.media.backdrop import check_backdrop, read_backdrop
from mggtalk.media.badge import draw_badge
from mggtalk.media.ffmpeg import executable
from mggtalk.media.marks import lay_over
from mggtalk.media.sound import Sound
from mggtalk.media.writers import CLEAR_SUFFIXES, check_length, open_writer

SIDE = 128


def clear_frames(count: int = 4) -> list[np.ndarray]:
    """A soft disc that moves, over nothing: textured colours go on behind it."""
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    waves = np.stack([128 + 90 * np.sin(x / 9), 128 + 90 * np.cos(y / 7), 60 + x], axis=2).clip(0, 255)
    frames = []
    for index in range(count):
        reach = np.hypot(x - 64 - 2 * index, y - 72)
        alpha = np.clip((54 - reach) / 4, 0, 1) * 255
        frames.append(np.concatenate([waves, alpha[..., None]], axis=2).astype(np.uint8))
    return frames


def decode(path, suffix: str) -> list[np.ndarray]:
    """Frames of a film with their alpha."""
    if suffix == ".png":
        return [np.asarray(Image.open(file)) for file in sorted(path.parent.glob("a_*.png"))]
    if suffix == ".gif":
        return [np.asarray(frame.convert("RGBA")) for frame in ImageSequence.Iterator(Image.open(path))]
    decoder = ["-c:v", "libvpx-vp9"] if suffix == ".webm" else []
    command = [executable(), "-loglevel", "error", *decoder, "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgba", "-"]
    data = subprocess.run(command, capture_output=True, check=True, timeout=600).stdout
    return list(np.frombuffer(data, np.uint8).reshape(-1, SIDE, SIDE, 4))


@pytest.mark.parametrize("suffix", CLEAR_SUFFIXES)
def test_alpha_comes_back_and_the_marks_hold(tmp_path, suffix):
    path, made = tmp_path / f"a{suffix}", clear_frames(6)
    with open_writer(path, SIDE, SIDE, 25, transparent=True) as writer:
        for frame in made:
            writer.write(frame)
    back = decode(path, suffix)
    assert len(back) == len(made)
    below = np.s_[24:]  # the badge is above
    for before, after in zip(made, back):
        alpha = before[below][..., 3].astype(int)
        assert {0, 255} <= set(np.unique(after[below][..., 3]))
        wanted = np.where(alpha >= 128, 255, 0) if suffix == ".gif" else alpha
        assert np.abs(wanted - after[below][..., 3]).mean() < (0.1 if suffix in (".gif", ".png") else 1.5)
        solid = alpha == 255
        assert np.abs(before[below][..., :3][solid].astype(int) - after[below][..., :3][solid]).mean() < 12
    assert (back[0][:24, -60:, 3] > 100).any(), "the badge is seen"
    found = verify(writer.finish())
    assert found.mark is not None
    assert found.watermark is not None and found.watermark.found


@pytest.mark.parametrize("suffix", [".webm", ".mov", ".gif", ".webp", ".png"])
def test_opaque_films_have_the_right_length(tmp_path, suffix):
    sound = Sound(np.sin(np.arange(16000) / 5).astype(np.float32), 16000)
    with open_writer(tmp_path / f"a{suffix}", SIDE, SIDE, 30, sound) as writer:
        for frame in clear_frames(12):
            writer.write(lay_over(frame))
    path = writer.finish()
    assert path.exists()
    if suffix == ".png":
        assert len(list(tmp_path.iterdir())) == 12
    elif suffix in (".gif", ".webp"):
        with Image.open(path) as film:
            durations = [frame.convert("RGB").info["duration"] for frame in ImageSequence.Iterator(film)]
        assert sum(durations) == 400
    else:
        told = subprocess.run([executable(), "-i", str(path)], capture_output=True, text=True, check=False).stderr
        assert "Audio" in told and "Duration: 00:00:00.4" in told


def test_what_cannot_be_transparent_says_so_and_leaves_nothing(tmp_path):
    with pytest.raises(OptionError, match="cannot be transparent"):
        open_writer(tmp_path / "a.mp4", SIDE, SIDE, 25, transparent=True)
    with pytest.raises(OptionError, match="too many for one .gif"):
        check_length(tmp_path / "a.gif", 10_000, 512, 512)
    writer = open_writer(tmp_path / "a.webp", SIDE, SIDE, 25, transparent=True)
    with pytest.raises(MediaError, match="takes uint8"):
        writer.write(np.zeros((SIDE, SIDE, 3), np.uint8))
    with pytest.raises(KeyboardInterrupt), writer:
        writer.write(clear_frames(1)[0])
        raise KeyboardInterrupt
    with pytest.raises(MediaError, match="No frame"), open_writer(tmp_path / "a.gif", SIDE, SIDE, 25):
        pass
    assert not list(tmp_path.iterdir())


def test_backdrops_are_none_a_colour_or_a_picture(tmp_path):
    assert read_backdrop("none").transparent
    assert read_backdrop("#0a0").colour == read_backdrop("#00AA00").colour == (0, 170, 0)
    wide = np.zeros((80, 160, 3), np.uint8)
    wide[:, 70:90] = 255
    Image.fromarray(wide).save(tmp_path / "wide.png")
    square = read_backdrop(str(tmp_path / "wide.png")).square(64)
    assert square.shape == (64, 64, 3) and square[:, 30:34].min() > 200 and square[:, :8].max() < 20
    for wrong in ("#12345", "blue", "#zzzzzz"):
        with pytest.raises(OptionError, match="no colour and no file"):
            check_backdrop(wrong)
    with pytest.raises(MediaError, match="no file"):
        check_backdrop(str(tmp_path / "nowhere.png"))


def test_a_badge_over_alpha_is_the_badge_over_what_comes_behind():
    frame = clear_frames(1)[0]
    frame[:40, 60:] = (30, 200, 90, 128)
    first, last = lay_over(draw_badge(frame), 255), draw_badge(lay_over(frame, 255))
    assert np.abs(first.astype(int) - last).max() <= 2
