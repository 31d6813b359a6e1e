import io
import json
import os
import signal
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import soundfile
from PIL import Image

from mggtalk.cli.checks import expand_paths
from mggtalk.cli.options import attach_dashed_values
from mggtalk.cli.parser import build_parser, main
from mggtalk.cli.progress import StageLines
from mggtalk.config import CONSENT, NO_BADGE_STATEMENT
from mggtalk.media import VideoWriter, has_sound, open_video, read_mark
from mggtalk.media.ffmpeg import executable
from mggtalk.motion.motion_file import load_motion
from tests.unmarked import UNMARKED

ASTRONAUT = skimage.data.astronaut()


def png_header_of(width, height):
    """A one-bit picture of many pixels in few bytes."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(bytes((width // 8 + 1) * height), 9)
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def speech_like(seconds, rate=16000):
    """Noise whose loudness rises and falls four times a second."""
    time = np.arange(int(seconds * rate)) / rate
    noise = np.random.default_rng(0).normal(size=len(time))
    return (0.2 * noise * (0.5 + 0.5 * np.sin(2 * np.pi * 4 * time))).astype(np.float32)


@pytest.fixture(scope="module")
def prepared(files):
    """The portrait as an avatar file, for tests of what comes after it."""
    assert main(("prepare", "--portrait", str(files / "portrait.png"), "--out", str(files / PREPARED[1]))) == 0


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Good and bad input, by name."""
    folder = tmp_path_factory.mktemp("input")

    def picture(name, array):
        Image.fromarray(array).save(folder / name)

    picture("portrait.png", ASTRONAUT[:320, 64:384])
    picture("no_face.png", skimage.data.coffee()[:256, :256])
    small = np.full((512, 512, 3), 128, np.uint8)
    small[200:270, 200:270] = np.asarray(Image.fromarray(ASTRONAUT[:300, 80:380]).resize((70, 70)))
    picture("small_face.png", small)
    picture("two_faces.png", np.concatenate([ASTRONAUT[:320, 64:384], ASTRONAUT[:320, 64:384][:, ::-1]], 1))
    picture("one_pixel.png", np.zeros((1, 1, 3), np.uint8))
    (folder / "huge.png").write_bytes(png_header_of(10_000, 10_000))
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("not a picture")

    with VideoWriter(folder / "driving.mp4", 256, 256, 25, sound=None, **UNMARKED) as writer:
        for shift in range(6):
            window = (64 + 2 * shift, 0, 384 + 2 * shift, 320)
            writer.write(np.asarray(Image.fromarray(ASTRONAUT).resize((256, 256), box=window)))
    soundfile.write(folder / "speech.wav", speech_like(0.4), 16000)
    frames = list(open_video(folder / "driving.mp4"))
    with VideoWriter(folder / "speaking.mp4", 256, 256, 25, sound=folder / "speech.wav", **UNMARKED) as writer:
        for frame in frames:
            writer.write(frame)
    with VideoWriter(folder / "no_face.mp4", 128, 128, 25, **UNMARKED) as writer:
        for _ in range(3):
            writer.write(np.full((128, 128, 3), 90, np.uint8))
    complete = (folder / "driving.mp4").read_bytes()
    source = ("-i", folder / "driving.mp4", "-map_metadata", "-1", folder / "driving_plain.mp4")
    subprocess.run([executable(), "-loglevel", "error", *source], check=True, timeout=600)
    (folder / "truncated.mp4").write_bytes(complete[: len(complete) // 2])
    (folder / "text.mp4").write_text("not a video\n" * 20)
    (folder / "empty.mp4").touch()
    soundfile.write(folder / "only_sound.mp4", speech_like(0.5), 16000, format="WAV")
    soundfile.write(folder / "silent.wav", np.zeros(16000, np.float32), 16000)
    soundfile.write(folder / "nan.wav", np.full(16000, np.nan, np.float32), 16000, subtype="FLOAT")
    soundfile.write(folder / "no_samples.wav", np.zeros(0, np.float32), 16000)
    np.savez(folder / "other.npz", numbers=np.arange(3))
    (folder / "text.npz").write_text("not a motion")
    return folder


REENACT = ("reenact", "--portrait", "portrait.png", "--driving", "driving.mp4", "--out", "out.mp4")
TALK = ("talk", "--portrait", "portrait.png", "--audio", "speech.wav", "--out", "out.mp4")
ORBIT = ("orbit", "--portrait", "portrait.png", "--out", "out.mp4")
PREPARED = ("--avatar", "prepared.safetensors", "--size", "128")
DUB = ("dub", "--video", "driving.mp4", "--audio", "speech.wav", "--out", "out.mp4", "--consent", CONSENT)
TRACK = ("track", "--driving", "driving.mp4", "--out", "out.npz")

PORTRAIT = ("--portrait", "portrait.png", "--out", "out.mp4")
WHOLE = ("--portrait", "two_faces.png", "--out", "out.mp4", "--frame", "whole")

BAD = {
    "no face": (*REENACT, "--portrait", "no_face.png"),
    "face too small": (*REENACT, "--portrait", "small_face.png"),
    "several faces": (*REENACT, "--portrait", "two_faces.png"),
    "no such face": (*REENACT, "--portrait", "two_faces.png", "--face", "7"),
    "missing avatar": ("reenact", "--avatar", "nowhere.safetensors", "--driving", "driving.mp4", "--out", "out.mp4"),
    "text as avatar": ("reenact", "--avatar", "text.png", "--driving", "driving.mp4", "--out", "out.mp4"),
    "avatar of another kind": ("prepare", "--portrait", "portrait.png", "--out", "a.txt"),
    "missing portrait": (*REENACT, "--portrait", "nowhere.png"),
    "second portrait missing": (*REENACT, "--portrait", "portrait.png", "nowhere.png"),
    "no face in the second portrait": (*REENACT, "--portrait", "portrait.png", "no_face.png"),
    "nine portraits": (*REENACT, "--portrait", *["portrait.png"] * 9),
    "output among the portraits": (*REENACT, "--portrait", "portrait.png", "out.mp4"),
    "empty portrait": (*REENACT, "--portrait", "empty.png"),
    "text as portrait": (*REENACT, "--portrait", "text.png"),
    "one pixel": (*REENACT, "--portrait", "one_pixel.png"),
    "100 megapixels": (*REENACT, "--portrait", "huge.png"),
    "no face in the video": (*REENACT, "--driving", "no_face.mp4"),
    "empty video": (*REENACT, "--driving", "empty.mp4"),
    "text as video": (*REENACT, "--driving", "text.mp4"),
    "truncated video": (*REENACT, "--driving", "truncated.mp4"),
    "video without frames": (*REENACT, "--driving", "only_sound.mp4"),
    "odd size": (*REENACT, "--size", "255"),
    "size out of range": (*REENACT, "--size", "8"),
    "size no number": (*REENACT, "--size", "big"),
    "unknown pose": (*REENACT, "--pose", "upside-down"),
    "two drivers": (*REENACT, "--motion", "other.npz"),
    "unknown depth estimator": (*REENACT, "--depth", "banana"),
    "no folder of the depth estimator": (*REENACT, "--depth", "geowizard=nowhere"),
    "missing weights": (*REENACT, "--weights", "no/such/folder"),
    "no folder for the output": (*REENACT, "--out", "nowhere/out.mp4"),
    "output is a folder": (*REENACT, "--out", "."),
    "output of another kind": (*REENACT, "--out", "out.avi"),
    "transparent MP4": (*REENACT, "--background", "none"),
    "background that is no colour": (*REENACT, "--background", "#12345"),
    "background of an unknown name": (*REENACT, "--background", "blue"),
    "missing background": (*REENACT, "--background", "nowhere.png"),
    "text as background": (*REENACT, "--background", "text.png"),
    "driver of a face without the whole picture": ("reenact", *PORTRAIT, "--drive", "0=driving.mp4"),
    "whole picture before a colour": (*REENACT, "--frame", "whole", "--background", "#00ff00"),
    "whole picture of an avatar": ("reenact", "--avatar", "a.safetensors", *REENACT[3:], "--frame", "whole"),
    "whole picture, several faces": (*REENACT, "--portrait", "two_faces.png", "--frame", "whole"),
    "driver without a face": ("reenact", *WHOLE, "--drive", "driving.mp4"),
    "driver that is missing": ("reenact", *WHOLE, "--drive", "0=nowhere.mp4"),
    "a face driven twice": ("reenact", *WHOLE, "--drive", "0=driving.mp4", "--drive", "0=speech.wav"),
    "driver of no face": ("reenact", *WHOLE, "--drive", "7=driving.mp4"),
    "driver that starts too late": ("reenact", *WHOLE, "--drive", "0=driving.mp4@1e9"),
    "silent speech": (*TALK, "--audio", "silent.wav"),
    "NaN speech": (*TALK, "--audio", "nan.wav"),
    "speech of no length": (*TALK, "--audio", "no_samples.wav"),
    "text as speech": (*TALK, "--audio", "text.mp4"),
    "video without sound as speech": (*TALK, "--audio", "driving.mp4"),
    "missing voice": (*TALK, "--voice", "nowhere.safetensors"),
    "not a voice": (*TALK, "--voice", "text.npz"),
    "voice without consent": ("voice", "--clip", "driving.mp4", "--out", "v.safetensors"),
    "voice of a silent film": ("voice", "--clip", "driving.mp4", "--out", "v.safetensors", "--consent", CONSENT),
    "voice of another kind": ("voice", "--clip", "driving.mp4", "--out", "v.txt", "--consent", CONSENT),
    "not a motion": (*TALK, "--motion", "text.npz"),
    "another archive as motion": (*ORBIT, "--motion", "other.npz"),
    "yaw no range": (*ORBIT, "--yaw", "left"),
    "yaw one number": (*ORBIT, "--yaw", "-30"),
    "yaw turned round": (*ORBIT, "--yaw", "30:-30"),
    "yaw too far": (*ORBIT, "--yaw", "-120:120"),
    "yaw not finite": (*ORBIT, "--yaw", "nan:nan"),
    "splats of another kind": (*ORBIT, "--ply", "head.obj"),
    "motion file of another kind": (*TRACK, "--out", "out.mp4"),
    "missing video": (*TRACK, "--driving", "nowhere.mp4"),
    "unknown region": (*REENACT, "--regions", "nose"),
    "unknown gaze": (*REENACT, "--gaze", "away"),
    "still of a video": (*REENACT, "--out", "out.jpg"),
    "picture without a face drives": (*REENACT, "--driving", "no_face.png"),
    "picture as a clip": ("voice", "--clip", "portrait.png", "--out", "v.safetensors", "--consent", CONSENT),
    "too few points": (*REENACT, "--points", "1,2", "3,4"),
    "no place": (*REENACT, "--points", "here"),
    "point outside": (*REENACT, "--points", *["10,10"] * 6, "9999,10"),
    "dub without consent": DUB[:-2],
    "dub of a picture": (*DUB, "--video", "portrait.png"),
    "dub by a silent film": (*DUB, "--audio", "driving.mp4"),
    "dub over its own film": (*DUB, "--out", "driving.mp4"),
    "dub of a film without a face": (*DUB, "--video", "no_face.mp4"),
    "dub of six frames": DUB,
    "badge without the statement": (*REENACT, "--no-badge", "please"),
    "video that is not ours": ("verify", "driving_plain.mp4"),
    "no mark": ("verify", "driving_without_mark.wav"),
    "unknown command": ("sing",),
    "no command": (),
    "option missing": ("talk", "--portrait", "portrait.png"),
}


@pytest.mark.parametrize("arguments", BAD.values(), ids=BAD.keys())
def test_bad_input_gives_one_line_and_status_2(arguments, files, monkeypatch, capfd):
    monkeypatch.chdir(files)
    before = sorted(files.iterdir())
    assert main(arguments) == 2
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("mggtalk: error: ")
    assert captured.err.count("\n") == 1 and captured.err.endswith("\n")
    assert sorted(files.iterdir()) == before, "nothing may be left behind"


def test_unwritable_output_is_told_before_the_portrait_is_read(files, monkeypatch, capfd):
    monkeypatch.chdir(files)
    assert main((*REENACT, "--portrait", "no_face.png", "--out", "nowhere/out.mp4")) == 2
    assert "nowhere" in capfd.readouterr().err


def test_reenact_writes_a_marked_video_with_sound_and_the_portraits_field_of_view(files, monkeypatch, tmp_path, capfd):
    monkeypatch.chdir(files)
    out = tmp_path / "out.mp4"
    options = ("--crop", "none", "--pose", "absolute", "--size", "256", "--driving", "speaking.mp4")
    assert main((*REENACT, *options, "--out", str(out))) == 0
    assert capfd.readouterr().out.splitlines()[-1] == str(out)
    with open_video(out) as video:
        assert (video.width, video.height, video.fps) == (256, 256, 25)
    frames = frames_of(out)
    assert len(frames) == 6
    corner = np.s_[:48, :48]
    portrait = np.asarray(Image.open("portrait.png").resize((256, 256)))
    assert np.abs(frames[0][corner].astype(int) - portrait[corner]).mean() < 12
    assert has_sound(out)
    assert read_mark(out)
    assert main(("verify", str(out))) == 0
    told = capfd.readouterr().out
    assert "metadata: AI-made" in told and "watermark: found" in told
    bare = tmp_path / "bare.mp4"
    command = [executable(), "-loglevel", "error", "-i", out, "-map_metadata", "-1", "-crf", "28", "-an", bare]
    subprocess.run(command, check=True, timeout=600)
    assert main(("verify", str(bare))) == 0
    told = capfd.readouterr().out
    assert "metadata: no mark" in told and "watermark: found" in told


def test_a_picture_drives_a_still_and_only_the_regions_follow(files, monkeypatch, tmp_path, capfd):
    monkeypatch.chdir(files)
    still = ("reenact", "--portrait", "portrait.png", "--driving", "portrait.png", "--size", "128")
    assert main([*still, "--out", str(tmp_path / "a.png"), "--regions", "pose", "--gaze", "camera"]) == 0
    assert capfd.readouterr().out.strip().endswith("a.png")
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (128, 128)
    assert read_mark(tmp_path / "a.png")


def test_without_a_background_the_video_has_alpha(files, monkeypatch, tmp_path, capfd):
    monkeypatch.chdir(files)
    out = tmp_path / "free.png"
    options = ("--crop", "none", "--size", "128", "--background", "none", "--driving", "speaking.mp4")
    assert main((*REENACT, *options, "--out", str(out))) == 0
    told = capfd.readouterr().out.splitlines()
    assert told[-1] == str(tmp_path / "free_0000.png") and "no sound" in told[-2]
    assert len(list(tmp_path.iterdir())) == 6
    alpha = np.asarray(Image.open(told[-1]))[..., 3]
    assert (alpha == 0).mean() > 0.1 and (alpha == 255).mean() > 0.2


@pytest.mark.usefixtures("prepared")
def test_without_the_badge_the_statement_is_kept(files, monkeypatch, tmp_path):
    monkeypatch.chdir(files)
    badge, none = tmp_path / "badge.mp4", tmp_path / "none.mp4"
    same = ("reenact", *PREPARED, "--driving", "driving.mp4")
    assert main((*same, "--out", str(badge))) == 0
    assert main((*same, "--out", str(none), "--no-badge", NO_BADGE_STATEMENT)) == 0
    changed = np.abs(frames_of(badge)[0].astype(int) - frames_of(none)[0]).max(axis=2) > 40  # [H, W]
    rows, columns = np.nonzero(changed)
    assert len(rows) > 100 and rows.max() < 30 and columns.min() > 50, "only the top right corner differs"
    assert NO_BADGE_STATEMENT in read_mark(none) and NO_BADGE_STATEMENT not in read_mark(badge)


@pytest.mark.usefixtures("prepared")
def test_track_then_reenact_by_the_motion_file_equals_reenact_by_the_video(files, monkeypatch, tmp_path):
    monkeypatch.chdir(files)
    motion, direct, indirect = tmp_path / "m.npz", tmp_path / "direct.mp4", tmp_path / "indirect.mp4"
    assert main(("track", "--driving", "driving.mp4", "--out", str(motion))) == 0
    assert len(load_motion(motion)) == 6
    assert main(("reenact", *PREPARED, "--driving", "driving.mp4", "--out", str(direct))) == 0
    assert main(("reenact", *PREPARED, "--motion", str(motion), "--out", str(indirect))) == 0
    difference = frames_of(direct).astype(int) - frames_of(indirect)
    assert np.abs(difference).mean() < 0.5
    assert not has_sound(direct) and not has_sound(indirect)


def test_a_prepared_avatar_gives_the_frames_of_its_portrait(files, monkeypatch, tmp_path):
    monkeypatch.chdir(files)
    avatar, direct, kept = tmp_path / "a.safetensors", tmp_path / "direct.mp4", tmp_path / "kept.mp4"
    said = ("--consent", "The astronaut agreed.")
    assert main(("prepare", "--portrait", "portrait.png", "--out", str(avatar), *said)) == 0
    driven = ("--driving", "driving.mp4", "--size", "128")
    assert main(("reenact", "--portrait", "portrait.png", *driven, "--out", str(direct))) == 0
    assert main(("reenact", "--avatar", str(avatar), *driven, "--out", str(kept))) == 0
    assert np.array_equal(frames_of(direct), frames_of(kept))


@pytest.mark.usefixtures("prepared")
def test_talk_takes_the_head_from_a_motion_file(files, monkeypatch, tmp_path):
    monkeypatch.chdir(files)
    out, motion = tmp_path / "out.mp4", tmp_path / "m.npz"
    assert main((*TRACK, "--out", str(motion))) == 0
    spoken = ("--audio", "speech.wav", "--motion", str(motion))
    assert main(("talk", *PREPARED, *spoken, "--out", str(out))) == 0
    assert has_sound(out)
    assert frames_of(out).shape == (10, 128, 128, 3)


def test_orbit_with_a_driver_writes_video_and_splats(files, monkeypatch, tmp_path, capfd):
    monkeypatch.chdir(files)
    out, head = tmp_path / "out.mp4", tmp_path / "head.ply"
    driven = ("--driving", "driving.mp4", "--size", "128", "--ply", str(head), "--out", str(out))
    assert main((*ORBIT, "--yaw", "-20:20", *driven)) == 0
    assert capfd.readouterr().out.splitlines()[-2:] == [str(out), str(head)]
    assert frames_of(out).shape == (6, 128, 128, 3)
    assert head.read_bytes().startswith(b"ply\n")
    assert sorted(tmp_path.iterdir()) == [head, out], "no temporary file stays"


@pytest.mark.usefixtures("prepared")
def test_interrupt_leaves_nothing_behind(files, monkeypatch, tmp_path, capfd):
    monkeypatch.chdir(files)
    written = []

    def interrupted(self, frame):
        written.append(frame)
        raise KeyboardInterrupt

    monkeypatch.setattr(VideoWriter, "write", interrupted)
    driven = ("--driving", "driving.mp4", "--out", str(tmp_path / "out.mp4"))
    assert main(("reenact", *PREPARED, *driven)) == 130
    assert written and list(tmp_path.iterdir()) == []
    assert capfd.readouterr().err == "mggtalk: interrupted\n"


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize("times", [1, 2])
def test_interrupt_keeps_the_frames_that_are_done_and_a_second_one_throws_them_away(
    files, monkeypatch, tmp_path, capfd, times
):
    monkeypatch.chdir(files)
    out, write = tmp_path / "out.mp4", VideoWriter.write

    def interrupted(self, frame):
        write(self, frame)
        if self.frames == 3:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(VideoWriter, "write", interrupted)
    assert main(("reenact", *PREPARED, "--driving", "speaking.mp4", "--out", str(out))) == 130
    if times == 1:
        assert capfd.readouterr().err == f"mggtalk: interrupted: the first 3 of 6 frames are in {out}\n"
        assert len(frames_of(out)) == 3 and has_sound(out) and read_mark(out)
    else:
        assert capfd.readouterr().err == "mggtalk: interrupted\n"
    assert list(tmp_path.iterdir()) == [out][: 2 - times], "nothing else is left"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


TOLD_AT_ONCE = [
    ((*REENACT, "--out", "driving.mp4"), "--out and --driving are the same file"),
    ((*REENACT, "--out", "./driving.mp4"), "--out and --driving are the same file"),
    ((*TRACK, "--driving", "out.npz"), "--out and --driving are the same file"),
    ((*ORBIT, "--ply", "out.mp4"), "--out and --ply are the same file"),
    (("adapt", "--clip", "driving.mp4", "--out", "a.safetensors"), "agreed"),
    (("preprocess", "--clips", "nowhere", "--out", "corpus"), "does not exist"),
    (("evaluate", "--clips", "nowhere"), "does not exist"),
    (("evaluate", "--clips", ".", "--size", "7"), "The size is 7"),
    (("train", "--corpus", "nowhere", "--out", "run"), "no folder 'nowhere' for --corpus"),
    ((*ORBIT, "--fov", "300"), "field of view is 300"),
    ((*REENACT, "--device", "toaster"), "device 'toaster'"),
    ((*REENACT, "--depth", "banana"), "no depth estimator 'banana'"),
    ((*ORBIT, "--motion", "text.npz"), "no complete .npz archive"),
    ((*ORBIT, "--motion", "other.npz"), "has no version"),
    ((*TALK, "--voice", "text.npz"), "cannot be read as a voice"),
    (("orbit", "--avatar", "text.png", "--out", "out.mp4"), "cannot be read as an avatar"),
    (("train", "--corpus", ".", "--out", "run", "--recipe", "soup"), "no recipe named 'soup'"),
    (("doctor", "--fetch", "banana"), "no depth estimator 'banana'"),
    ((*REENACT, "--portrait", "driving.mp4"), "no picture but a video"),
    ((*REENACT, "--portrait", *["portrait.png"] * 9), "9 photos were given"),
    ((*REENACT, "--portrait", "portrait.png", "huge.png"), "Photo 2 of 2, 'huge.png'"),
]
"""Arguments, and words of the message."""


def test_what_can_be_told_is_told_before_torch_is_loaded(files):
    """Torch takes seconds to load. One process tries all, as a process takes half a second."""
    code = (
        "import json, sys; from mggtalk.cli.parser import main\n"
        "for case in json.loads(sys.argv[1]):\n"
        "    print(main(case), 'torch' in sys.modules); print(end='', file=sys.stderr, flush=True)"
    )
    cases = json.dumps([arguments for arguments, _ in TOLD_AT_ONCE])
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    command = [sys.executable, "-c", code, cases]
    done = subprocess.run(command, cwd=files, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["2 False"] * len(TOLD_AT_ONCE)
    lines = done.stderr.splitlines()
    assert len(lines) == len(TOLD_AT_ONCE), "one line each"
    for line, (arguments, words) in zip(lines, TOLD_AT_ONCE):
        assert words in line, arguments


def test_options_are_read_with_the_home_folder_in_them(files, monkeypatch, capfd):
    monkeypatch.setenv("HOME", str(files))
    monkeypatch.chdir(files.parent)
    options = build_parser().parse_args([*REENACT, "--out=~/new.mp4", "--driving=~/driving.mp4"])
    expand_paths(options)
    assert (options.out, options.driving) == (f"{files}/new.mp4", f"{files}/driving.mp4")


def test_progress_of_long_work_is_written_where_stderr_is_no_terminal():
    out, now = io.StringIO(), [0.0]
    with StageLines(out, lambda: now[0]) as told:
        for done in range(1, 101):
            now[0] += 0.5
            told("render", done, 100)
    lines = out.getvalue().splitlines()
    assert lines[0] == "mggtalk: render: 20 of 100, 2.0 a second, 40 s left" and len(lines) == 5


def test_as_a_program_bad_input_shows_no_traceback(tmp_path):
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "mggtalk", "track", "--driving", "no.mp4", "--out", str(tmp_path / "m.npz")]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("mggtalk: error: ") and done.stderr.count("\n") == 1


def test_help_needs_no_model(capsys):
    with pytest.raises(SystemExit) as ended:
        main(("orbit", "--help"))
    assert ended.value.code == 0
    assert "--yaw" in capsys.readouterr().out


def test_dashed_values_are_attached_to_their_option():
    assert attach_dashed_values(["orbit", "--yaw", "-30:30", "--ply", "h"]) == ["orbit", "--yaw=-30:30", "--ply", "h"]
    assert attach_dashed_values(["--yaw"]) == ["--yaw"]


def frames_of(path):
    with open_video(path) as video:
        return np.stack(list(video))
