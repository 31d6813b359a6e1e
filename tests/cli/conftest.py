"""Good and bad input of the command line, and arguments that work."""

from __future__ import annotations

import struct
import subprocess
import zlib

import numpy as np
import pytest
import skimage.data
import soundfile
from PIL import Image

from mggtalk.cli.parser import main
from mggtalk.config import CONSENT
from mggtalk.media import VideoWriter, open_video
from mggtalk.media.ffmpeg import executable
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


@pytest.fixture(scope="session")
def prepared(files):
    """The portrait as an avatar file, for tests of what comes after it."""
    assert main(("prepare", "--portrait", str(files / "portrait.png"), "--out", str(files / PREPARED[1]))) == 0


@pytest.fixture(scope="session")
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
