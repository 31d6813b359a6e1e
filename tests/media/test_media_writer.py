from __future__ import annotations

import gc
import subprocess
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
import soundfile

from mggtalk.errors import MediaError
from mggtalk.media import Sound, VideoWriter, has_sound, load_sound, open_video, read_mark
from mggtalk.media.ffmpeg import executable
from mggtalk.media.writer import Coding
from tests.unmarked import UNMARKED


def frames(count: int, height: int = 96, width: int = 160) -> list[np.ndarray]:
    """Smooth moving pictures."""
    y, x = np.mgrid[0:height, 0:width]
    return [
        np.stack([128 + 100 * np.sin((x + 3 * t) / 20), 2 * y, 90 + 0 * x], axis=2).clip(0, 255).astype(np.uint8)
        for t in range(count)
    ]


def click(at: float, rate: int = 16000, seconds: float = 2.0) -> Sound:
    """Silence with a short burst."""
    samples = np.zeros(round(rate * seconds), np.float32)
    start = round(at * rate)
    samples[start : start + rate // 100] = 0.8 * np.sin(np.arange(rate // 100) * 1.3)
    return Sound(samples, rate)


def click_time(sound: Sound) -> float:
    return float(np.argmax(np.abs(sound.samples) > 0.3 * sound.peak)) / sound.rate


def details(path) -> str:
    """What ffmpeg says about a file."""
    command = [executable(), "-hide_banner", "-i", str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False).stderr


def test_round_trip(tmp_path):
    made = frames(40)
    with VideoWriter(tmp_path / "a.mp4", 160, 96, 25, **UNMARKED) as writer:
        for frame in made:
            writer.write(frame)
    reader = open_video(tmp_path / "a.mp4")
    back = list(reader)
    assert (reader.width, reader.height, reader.fps, reader.has_sound) == (160, 96, 25.0, False)
    assert len(back) == reader.frame_count == 40
    errors = [np.abs(a.astype(int) - b).mean() for a, b in zip(made, back)]
    assert max(errors) < 4
    assert np.abs(made[0].astype(int) - back[2]).mean() > 1.5 * max(errors)  # the order is kept, no frame is shifted
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("colour", [(200, 120, 90), (255, 255, 255), (255, 0, 0), (20, 220, 60), (0, 0, 255)])
def test_flat_colours_come_back(tmp_path, flat, colour):
    with VideoWriter(tmp_path / "a.mp4", 64, 64, 25, **UNMARKED) as writer:
        for _ in range(3):
            writer.write(flat(64, 64, colour))
    for frame in open_video(tmp_path / "a.mp4"):
        assert np.abs(frame.astype(int) - colour).mean() < 3


def test_browsers_can_play_it(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", 160, 96, 25, sound=click(0.5)) as writer:
        for frame in frames(20):
            writer.write(frame)
    text = details(tmp_path / "a.mp4")
    assert "Video: h264 (High)" in text and "yuv420p(tv, bt709" in text
    assert "Audio: aac (LC)" in text and "48000 Hz" in text
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    assert read_mark(tmp_path / "a.mp4").startswith("AI-made with MGGTalk")


@pytest.mark.parametrize("fps, exact", [(29.97, Fraction(30000, 1001)), (23.976, Fraction(24000, 1001)), (12.5, 12.5)])
def test_rates_are_exact(tmp_path, fps, exact):
    with VideoWriter(tmp_path / "a.mp4", 64, 64, fps) as writer:
        for frame in frames(30, 64, 64):
            writer.write(frame)
    reader = open_video(tmp_path / "a.mp4")
    assert reader.rate == exact and len(list(reader)) == 30
    assert abs(reader.duration - float(30 / exact)) < 1e-3


def test_odd_sizes_are_padded_by_repeating(tmp_path):
    made = frames(3, 97, 161)
    with VideoWriter(tmp_path / "a.mp4", 161, 97, 25, **UNMARKED) as writer:
        for frame in made:
            writer.write(frame)
    back = next(iter(open_video(tmp_path / "a.mp4")))
    assert back.shape == (98, 162, 3)
    assert np.abs(back[:97, :161].astype(int) - made[0]).mean() < 4
    assert np.abs(back[97].astype(int) - back[96]).mean() < 4


@pytest.mark.parametrize("source, fps", [("samples", 25), ("wav", 29.97), ("mp4", 25)])
def test_sound_is_in_sync_and_as_long_as_the_video(tmp_path, make, source, fps):
    sound: object = click(1.0)
    if source != "samples":
        soundfile.write(tmp_path / "click.wav", click(1.0, 44100).samples, 44100)
        sound = tmp_path / "click.wav"
    if source == "mp4":
        inputs = ("-f", "lavfi", "-i", "testsrc=s=64x64:r=25:d=2", "-i", str(tmp_path / "click.wav"))
        sound = make("click.mp4", *inputs, "-preset", "ultrafast", "-c:a", "aac")
    count = round(1.5 * fps)
    with VideoWriter(tmp_path / "a.mp4", 64, 64, fps, sound=sound) as writer:
        for frame in frames(count, 64, 64):
            writer.write(frame)
    back = load_sound(tmp_path / "a.mp4")
    assert abs(back.seconds - count / fps) < 1 / fps  # cut from 2 s
    assert abs(click_time(back) - 1.0) < 0.5 / fps
    assert len(list(open_video(tmp_path / "a.mp4"))) == count


def test_flash_and_click_meet(tmp_path, flat):
    """Picture and sound of the same moment, through the writer and both readers."""
    with VideoWriter(tmp_path / "a.mp4", 64, 64, 25, sound=click(1.0)) as writer:
        for index in range(40):
            writer.write(flat(64, 64, (250, 250, 250) if index >= 25 else (5, 5, 5)))
    bright = [frame.mean() > 128 for frame in open_video(tmp_path / "a.mp4")]
    assert bright.index(True) == 25
    assert abs(click_time(load_sound(tmp_path / "a.mp4")) - 25 / 25) < 0.02


def test_short_sound_is_continued_with_silence(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", 64, 64, 25, sound=click(0.1, seconds=0.3)) as writer:
        for frame in frames(50, 64, 64):
            writer.write(frame)
    back = load_sound(tmp_path / "a.mp4")
    assert abs(back.seconds - 2.0) < 0.04 and np.abs(back.samples[8000:]).max() < 1e-3


def test_finish_keeps_what_is_done(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", 64, 64, 25, sound=click(0.1)) as writer:
        for frame in frames(10, 64, 64):
            writer.write(frame)
        assert writer.finish() == tmp_path / "a.mp4" == writer.finish()
        with pytest.raises(MediaError, match="closed already"):
            writer.write(frame)
    assert len(list(open_video(tmp_path / "a.mp4"))) == 10


def test_exceptions_leave_nothing_and_keep_the_old(tmp_path):
    (tmp_path / "a.mp4").write_text("old")
    with pytest.raises(RuntimeError, match="oops"):
        with VideoWriter(tmp_path / "a.mp4", 64, 64, 25) as writer:
            writer.write(frames(1, 64, 64)[0])
            raise RuntimeError("oops")
    with pytest.raises(MediaError, match="No frame"):
        with VideoWriter(tmp_path / "a.mp4", 64, 64, 25):
            pass
    writer = VideoWriter(tmp_path / "a.mp4", 64, 64, 25)
    writer.write(frames(1, 64, 64)[0])
    del writer
    gc.collect()
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    assert (tmp_path / "a.mp4").read_text() == "old"
    with VideoWriter(tmp_path / "a.mp4", 64, 64, 25) as writer:
        writer.write(frames(1, 64, 64)[0])
    assert len(list(open_video(tmp_path / "a.mp4"))) == 1


def test_bad_outputs_are_told_before_the_first_frame(tmp_path):
    (tmp_path / "folder.mp4").mkdir()
    for name, words in (("no/a.mp4", "no folder"), ("folder.mp4", "is a folder"), ("a.avi", "Use .mp4")):
        with pytest.raises(MediaError, match=words):
            VideoWriter(tmp_path / name, 64, 64, 25)
    for width, height, fps in ((0, 64, 25), (64, 64, 0), (64, 64, float("nan"))):
        with pytest.raises(MediaError, match="cannot be written"):
            VideoWriter(tmp_path / "a.mp4", width, height, fps)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.mp4"]


def test_bad_sounds_are_told_before_the_first_frame(tmp_path, clip):
    mute = clip("mute.mp4", seconds=0.2)
    cases = [
        (mute, "has no sound"),
        (tmp_path / "missing.wav", "There is no file"),
        (Sound(np.zeros(0, np.float32), 16000), "no usable samples"),
        (Sound(np.array([np.nan], np.float32), 16000), "no usable samples"),
    ]
    for sound, words in cases:
        with pytest.raises(MediaError, match=words):
            VideoWriter(tmp_path / "a.mp4", 64, 64, 25, sound=sound)
    with pytest.raises(MediaError, match="the file that the sound comes from"):
        VideoWriter(mute, 64, 64, 25, sound=mute)
    assert [path.name for path in tmp_path.iterdir()] == ["mute.mp4"]


def test_frames_of_another_kind(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", 64, 64, 25) as writer:
        writer.write(np.zeros((64, 64, 3), np.uint8))
        for wrong in (np.zeros((64, 64, 3)), np.zeros((64, 66, 3), np.uint8), np.zeros((64, 64), np.uint8)):
            with pytest.raises(MediaError, match=r"takes uint8 \[64, 64, 3\]"):
                writer.write(wrong)
        writer.write(np.zeros((64, 3, 64), np.uint8).transpose(0, 2, 1))  # not in one piece: fine
    assert len(list(open_video(tmp_path / "a.mp4"))) == 2


def test_memory_stays_flat(tmp_path):
    """Marking and writing keep no frame."""
    frame = frames(1, 256, 256)[0]
    with VideoWriter(tmp_path / "a.mp4", 256, 256, 25) as writer:
        writer.write(frame)
        tracemalloc.start()
        for _ in range(150):
            writer.write(frame)
        held, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert held < 2 * frame.nbytes and peak < 8 * frame.nbytes


def test_ffmpeg_that_dies_is_told(tmp_path):
    with pytest.raises(MediaError, match="ffmpeg stopped while writing|could not be written") as caught:
        with VideoWriter(tmp_path / "a.mp4", 640, 480, 25, coding=Coding(preset="no-such-preset")) as writer:
            for frame in frames(30, 480, 640):
                writer.write(frame)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_file_taken_away_while_writing(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(MediaError, match="could not be written"):
        with VideoWriter(folder / "a.mp4", 64, 64, 25) as writer:
            writer.write(frames(1, 64, 64)[0])
            writer.write(frames(1, 64, 64)[0])
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()


@pytest.mark.parametrize("name", ["a b.mp4", "日本 é.mp4", 'it\'s "q".mp4', "-y.mp4", "a:b;$(x)&%03d.mp4"])
def test_hostile_names(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    soundfile.write(f"./{name}.wav", click(0.1).samples, 16000)
    with VideoWriter(name, 64, 64, 25, sound=f"{name}.wav") as writer:
        writer.write(frames(1, 64, 64)[0])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, f"{name}.wav"])
    assert has_sound(name) and len(list(open_video(name))) == 1
