"""The command line, run as a person would."""

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mggtalk.cli.checks import expand_paths
from mggtalk.cli.options import attach_dashed_values
from mggtalk.cli.parser import build_parser, main
from mggtalk.cli.progress import StageLines
from mggtalk.config import NO_BADGE_STATEMENT
from mggtalk.media import VideoWriter, has_sound, open_video, read_mark
from mggtalk.media.ffmpeg import executable
from mggtalk.motion.motion_file import load_motion
from tests.cli.conftest import ORBIT, PREPARED, REENACT, TALK, TRACK


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


def test_a_picture_drives_a_still_of_the_whole_picture(files, monkeypatch, tmp_path):
    monkeypatch.chdir(files)
    out = tmp_path / "whole.jpg"
    whole = ("--frame", "whole", "--driving", "portrait.png", "--out", str(out))
    assert main(("reenact", "--portrait", "portrait.png", *whole)) == 0
    assert list(tmp_path.iterdir()) == [out]
    with Image.open(out) as picture, Image.open("portrait.png") as given:
        assert picture.size == given.size


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
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job has none

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
