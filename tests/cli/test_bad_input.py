"""Bad input gets one line and status 2, before anything is written."""

import pytest

from mggtalk.cli.parser import main
from mggtalk.config import CONSENT
from tests.cli.conftest import DUB, ORBIT, PORTRAIT, REENACT, TALK, TRACK, WHOLE

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
