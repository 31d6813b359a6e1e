from __future__ import annotations

import gc
import os
import shutil
import subprocess
import tracemalloc
from contextlib import suppress
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from mggtalk.config import MediaConfig
from mggtalk.errors import MediaError, MediaTooLongError
from mggtalk.media import VideoWriter, has_sound, open_video
from mggtalk.media.ffmpeg import FFmpegPipe, frame_rate, last_line
from mggtalk.media.stills import add_heif
from tests.unmarked import UNMARKED

FAST = ("-pix_fmt", "yuv420p", "-preset", "ultrafast")


def children() -> set[str]:
    """Ids of the living ffmpeg processes that this one has started (Linux)."""
    task = f"/proc/{os.getpid()}/task"
    found: set[str] = set()
    for thread in os.listdir(task):
        with suppress(FileNotFoundError), open(f"{task}/{thread}/children") as file:  # a thread may have ended
            found |= set(file.read().split())
    return found


@pytest.mark.parametrize(
    "name, output",
    [
        ("a.mp4", FAST),
        ("a.mov", FAST),
        ("a.mkv", ("-c:v", "ffv1")),
        ("a.webm", ("-c:v", "libvpx", "-cpu-used", "8", "-deadline", "realtime")),
        ("a.avi", ("-c:v", "mjpeg", "-q:v", "3", "-pix_fmt", "yuvj420p")),
        ("a.gif", ()),
        ("a.mxf", ("-c:v", "mpeg2video", "-s", "160x96")),
        ("a.h264", FAST),
        ("a.apng", ("-plays", "0", "-f", "apng")),
        ("a.webp", ("-c:v", "libwebp_anim", "-loop", "0")),
    ],
)
def test_containers(clip, name, output):
    reader = open_video(clip(name, *output) if output else clip(name, "-loop", "0"))
    frames = list(reader)
    assert (reader.width, reader.height, reader.fps) == (160, 96, 25.0)
    assert len(frames) == reader.frame_count == 25
    assert abs(reader.duration - 1.0) < 0.03
    assert not reader.has_sound
    assert all(frame.shape == (96, 160, 3) and frame.dtype == np.uint8 for frame in frames)
    assert frames[0].std() > 40 and not np.array_equal(frames[0], frames[-1])


def test_named_for_nothing_like_video(clip, tmp_path):
    shutil.copy(clip("a.mp4"), tmp_path / "notes.txt")
    assert len(list(open_video(tmp_path / "notes.txt"))) == 25


@pytest.mark.parametrize("name", ["a b.mp4", "日本 é.mp4", 'it\'s "q".mp4', "-i.mp4", "a:b;$(x)&%d.mp4", "http:x.mp4"])
def test_hostile_names(clip, tmp_path, monkeypatch, name):
    clip("plain.mp4", seconds=0.2).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert len(list(open_video(name))) == 5


def test_ntsc_rate_is_kept(clip):
    reader = open_video(clip("a.mp4", rate="30000/1001"))
    assert reader.rate == Fraction(30000, 1001) and abs(reader.fps - 29.97003) < 1e-5
    assert len(list(reader)) == 30


def test_high_rates_are_divided(clip):
    assert open_video(clip("a.mp4", rate="120", seconds=0.5)).fps == 60.0
    reader = open_video(clip("b.mp4", rate="50"), MediaConfig(max_fps=30))
    assert reader.fps == 25.0 and len(list(reader)) == 25


def test_variable_rate_is_resampled(make):
    select = "select='if(lt(t,1),1,not(mod(n,3)))'"
    source = ("-f", "lavfi", "-i", "testsrc=s=160x96:r=30:d=2", "-vf", select, "-fps_mode", "vfr")
    reader = open_video(make("a.mp4", *source, *FAST))  # 30 frames in the first second, 10 in the next
    frames = list(reader)
    assert reader.fps == 30.0
    assert abs(len(frames) - reader.frame_count) <= 1 and abs(len(frames) - 59) <= 2
    assert all(np.array_equal(frames[45], frames[k]) for k in (46, 47))  # repeated where there was none


def test_recording_without_rate_or_duration(make, tmp_path):
    """What a browser's recorder writes: a WebM stream with neither."""
    source = ("-f", "lavfi", "-i", "testsrc=s=160x96:r=30:d=1", "-c:v", "libvpx", "-cpu-used", "8")
    path = make("a.webm", *source, "-deadline", "realtime", "-live", "1")
    reader = open_video(path)
    assert reader.fps == 30.0 and abs(len(list(reader)) - 30) <= 1
    assert abs(reader.duration - 1.0) < 0.05


@pytest.mark.parametrize("angle", [90, 180, 270])
def test_rotation_is_applied(make, clip, angle):
    plain = clip("plain.mp4", *FAST, size="160x96", seconds=0.2)
    turned = make("turned.mp4", "-display_rotation", str(angle), "-i", str(plain), "-c", "copy")
    reader = open_video(turned)
    first = next(iter(reader))
    expected = np.rot90(next(iter(open_video(plain))), angle // 90)  # counter-clockwise, as the option says
    assert (reader.height, reader.width) == expected.shape[:2] == first.shape[:2]
    assert np.abs(first.astype(int) - expected).mean() < 4


def test_odd_sizes(clip):
    reader = open_video(clip("a.webm", "-c:v", "libvpx", "-deadline", "realtime", size="161x97", seconds=0.2))
    assert (reader.width, reader.height) == (161, 97)
    assert next(iter(reader)).shape == (97, 161, 3)


def test_non_square_pixels(clip):
    reader = open_video(clip("a.mp4", "-vf", "setsar=2/1", *FAST, seconds=0.2))
    assert (reader.width, reader.height) == (320, 96)
    assert next(iter(reader)).shape == (96, 320, 3)


def test_colours_of_tagged_and_untagged_files(make):
    for matrix in ("bt709", "smpte170m"):
        source = ("-f", "lavfi", "-i", "color=0xC86440:s=64x64:r=10:d=0.5,format=gbrp")
        scale = f"scale=out_color_matrix={matrix}:out_range=tv,format=yuv420p"
        path = make(f"{matrix}.mp4", *source, "-vf", scale, "-colorspace", matrix, "-c:v", "libx264", "-crf", "5")
        assert np.abs(next(iter(open_video(path))).mean(axis=(0, 1)) - (0xC8, 0x64, 0x40)).max() < 3


def test_iterating_twice_and_closing(clip):
    with open_video(clip("a.mp4")) as reader:
        once = np.stack(list(reader))
        assert np.array_equal(once, np.stack(list(reader)))


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="needs Linux's process table")
def test_no_process_outlives_the_reader(clip):
    path = clip("a.mp4", seconds=8.0, size="320x240")
    before = children()
    with open_video(path) as reader:
        frames = iter(reader)
        next(frames)
        assert children() - before
    assert not children() - before
    with pytest.raises(RuntimeError, match="stop"):
        for _ in open_video(path):
            raise RuntimeError("stop")
    frames = iter(open_video(path))
    next(frames)
    del frames
    gc.collect()
    assert not children() - before


def test_files_that_are_no_video(tmp_path, make, clip):
    (tmp_path / "text.mp4").write_text("hello, this is no video\n" * 20)
    whole = clip("whole.mp4").read_bytes()
    (tmp_path / "head.mp4").write_bytes(whole[: len(whole) // 2])  # the index at its end is gone
    fast = clip("fast.mp4", *FAST, "-movflags", "+faststart", seconds=4.0).read_bytes()
    (tmp_path / "part.mp4").write_bytes(fast[: len(fast) // 2])  # the index at its front is there
    make("sound.mp4", "-f", "lavfi", "-i", "sine=d=0.5", "-c:a", "aac")
    make("still.png", "-f", "lavfi", "-i", "testsrc=s=64x64", "-frames:v", "1").rename(tmp_path / "still.mp4")
    make("none.avi", "-f", "lavfi", "-i", "testsrc=s=64x64:r=10:d=1", "-c:v", "mjpeg", "-frames:v", "0")
    cases = {
        "text.mp4": "no video",
        "head.mp4": "cut off",
        "part.mp4": "cut off",
        "sound.mp4": "only sound",
        "still.mp4": "cannot be read",
        "none.avi": "no picture",
    }
    for name, words in cases.items():
        with pytest.raises(MediaError, match=words) as caught:
            open_video(tmp_path / name)
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "gif", "heic", "avif"])
def test_a_picture_in_place_of_a_driver_is_called_so(tmp_path, suffix):
    add_heif()
    Image.new("RGB", (96, 96), (9, 99, 200)).save(tmp_path / f"a.{suffix}")
    with pytest.raises(MediaError, match=r"is a picture that does not move\. Give a video \(MP4"):
        open_video(tmp_path / f"a.{suffix}")
    with pytest.raises(MediaError, match=r"is a picture .* or a recording \(WAV"):
        has_sound(tmp_path / f"a.{suffix}")


def test_cover_art_is_no_video(make):
    cover = make("cover.png", "-f", "lavfi", "-i", "testsrc=s=64x64", "-frames:v", "1")
    tune = make(
        "tune.mp3", "-f", "lavfi", "-i", "sine=d=0.5", "-i", str(cover), "-map", "0", "-map", "1", "-c:v", "copy"
    )
    with pytest.raises(MediaError, match="only sound"):
        open_video(tune)


def test_playlists_are_not_followed(tmp_path, clip):
    clip("other.mp4")
    playlists = {
        "hls.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nother.mp4\n#EXT-X-ENDLIST\n",
        "hls.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nother.mp4\n#EXT-X-ENDLIST\n",
        "concat.mp4": "ffconcat version 1.0\nfile other.mp4\n",
        "dash.mp4": '<?xml version="1.0"?>\n<MPD type="static"></MPD>\n',
    }
    for name, text in playlists.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(MediaError, match="playlist"):
            open_video(tmp_path / name)


def test_limits_are_checked_before_decoding(clip):
    path = clip("a.mp4", seconds=3.0)
    with pytest.raises(MediaTooLongError, match="3.0 s long"):
        open_video(path, MediaConfig(max_video_seconds=0.5))
    with pytest.raises(MediaTooLongError, match="160 x 96"):
        open_video(path, MediaConfig(max_video_side=120))
    assert open_video(path, MediaConfig(max_video_seconds=3, max_video_side=160)).frame_count == 75


def test_absurd_frame_times_are_refused(clip):
    """One frame that claims to last for years."""
    path = clip("a.avi", "-c:v", "mjpeg")
    data = bytearray(path.read_bytes())
    header = data.index(b"strh") + 8  # AVI stream header: scale at byte 20, rate at 24
    data[header + 20 : header + 24] = (300_000_000).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(MediaTooLongError, match="s long"):
        open_video(path)


def test_damaged_middle_is_survived_or_told(clip):
    path = clip("a.mp4", *FAST, seconds=4.0)
    data = bytearray(path.read_bytes())
    start, end = len(data) // 3, len(data) // 2
    data[start:end] = np.random.default_rng(0).integers(0, 255, end - start, dtype=np.uint8).tobytes()
    path.write_bytes(data)
    try:
        assert 50 <= sum(1 for _ in open_video(path)) <= 101
    except MediaError as error:
        assert "decoded" in str(error) or "cut off" in str(error)


def test_memory_stays_flat(clip):
    path = clip("a.mp4", *FAST, seconds=20.0, size="128x128")
    peaks = []
    tracemalloc.start()
    count, size = 0, 0
    for frame in open_video(path):
        count, size = count + 1, frame.nbytes
        if count in (25, 500):
            peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    assert count == 500
    assert peaks[1] - peaks[0] < 4 * size


def test_sound_and_late_start(make):
    """A video track that starts late is filled up, so that frame times and sound times agree."""
    video = make("v.mp4", "-f", "lavfi", "-i", "testsrc=s=64x64:r=10:d=1", *FAST)
    sound = make("s.wav", "-f", "lavfi", "-i", "sine=d=2")
    late = make("late.mkv", "-itsoffset", "0.5", "-i", str(video), "-i", str(sound), "-c:v", "copy", "-c:a", "flac")
    reader = open_video(late)
    assert reader.has_sound and has_sound(late) and not has_sound(video)
    frames = list(reader)
    assert len(frames) == 15
    assert np.array_equal(frames[0], frames[5]) and not np.array_equal(frames[5], frames[6])


def test_stalled_pipe_is_ended():
    arguments = [
        "-re",
        "-f",
        "lavfi",
        "-i",
        "testsrc=s=64x64:r=0.01",
        "-f",
        "rawvideo",
        "-flush_packets",
        "1",
        "pipe:1",
    ]
    pipe = FFmpegPipe(arguments, writes=False, stall_seconds=0.4)
    with pytest.raises(MediaError, match="did not move for 0.4 s"):
        pipe.read_into(memoryview(bytearray(10**6)))
    pipe.kill()
    assert not pipe.running


def test_frame_rates_from_rounded_figures():
    assert frame_rate(23.98) == frame_rate(23.976) == Fraction(24000, 1001)
    assert frame_rate(59.94) == Fraction(60000, 1001)
    assert frame_rate(25) == frame_rate(25.0001) == 25
    assert frame_rate(12.5) == Fraction(25, 2)
    assert frame_rate(Fraction(30000, 1001)) == Fraction(30000, 1001)


def test_last_line_of_a_log():
    log = "[x @ 0x1] first\n[mp4 @ 0x55] [out @ 0x5a] No space left on device.\nConversion failed!\n\n"
    assert last_line(log) == "No space left on device"
    assert last_line("\n") == "it gave no reason"


def test_ffmpeg_is_never_a_shell(clip, tmp_path, monkeypatch):
    """Every process is started from a list."""
    seen = []
    start = subprocess.Popen.__init__

    def watched(self, command, *arguments, **options):
        seen.append((command, options.get("shell", False)))
        start(self, command, *arguments, **options)

    path = clip("a.mp4", seconds=0.2)
    monkeypatch.setattr(subprocess.Popen, "__init__", watched)
    frames = list(open_video(path))
    with VideoWriter(tmp_path / "b.mp4", 160, 96, 25, **UNMARKED) as writer:
        writer.write(frames[0])
    assert len(seen) == 4 and all(isinstance(command, list) and not shell for command, shell in seen)
    assert all("-nostdin" in command for command, _ in seen)
