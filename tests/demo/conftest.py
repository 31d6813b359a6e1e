"""A page that is served, and small uploads for it."""

from __future__ import annotations

import contextlib
import socket
import zipfile
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import soundfile
from PIL import Image, ImageChops

from demo.ui import build, serving
from mggtalk.media import VideoWriter
from mggtalk.motion.motion_file import load_motion, save_motion

ASTRONAUT = skimage.data.astronaut()
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """Where the page keeps its files."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        yield folder


@pytest.fixture(scope="session")
def page(pipeline, cache):
    """The page, served on a port of its own."""
    page = build(pipeline)
    with socket.socket() as free:  # two workers that try the same ports at once would be in each other's way
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    page.launch(prevent_thread_lock=True, quiet=True, server_port=port, **serving(page))
    yield page
    with contextlib.suppress(OSError):
        page.close()


def write_camera(path, picture, frames=10):
    """What a browser's fake camera shows: a picture that moves to and fro, as uncompressed YUV."""
    with open(path, "wb") as file:
        file.write(f"YUV4MPEG2 W{picture.width} H{picture.height} F25:1 Ip A1:1 C420jpeg\n".encode())
        for frame in range(frames):
            y, cb, cr = ImageChops.offset(picture, 2 * frame, 0).convert("YCbCr").split()
            small = [plane.resize((picture.width // 2, picture.height // 2)) for plane in (cb, cr)]
            file.write(b"FRAME\n" + b"".join(plane.tobytes() for plane in (y, *small)))


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """Uploads by name."""
    folder = tmp_path_factory.mktemp("uploads")
    Image.fromarray(ASTRONAUT[:320, 64:384]).save(folder / "portrait.png")
    pair = ASTRONAUT[:300, 100:360]
    Image.fromarray(np.concatenate([pair, pair[:, ::-1]], axis=1)).save(folder / "two.png")
    Image.fromarray(skimage.data.coffee()[:256, :256]).save(folder / "no_face.png")
    (folder / "text.png").write_text("not a picture")
    (folder / "text.mp4").write_text("not a video\n" * 20)
    time = np.arange(20000) / 16000
    noise = np.random.default_rng(0).normal(size=len(time)) * (0.5 + 0.5 * np.sin(8 * np.pi * time))
    soundfile.write(folder / "speech.wav", 0.2 * noise, 16000)
    soundfile.write(folder / "silent.wav", np.zeros(8000), 16000)
    with VideoWriter(folder / "driving.mp4", 256, 256, 25, sound=folder / "speech.wav", watermark=False) as writer:
        for shift in range(30):
            window = (64 + shift % 8, 0, 384 + shift % 8, 320)
            writer.write(np.asarray(Image.fromarray(ASTRONAUT).resize((256, 256), box=window)))
    motion = load_motion(EXAMPLES / "look_around.npz")
    for name, frames in (("short", 4), ("medium", 40), ("first", 5), ("second", 6)):
        cut = {key: getattr(motion, key)[:frames] for key in ("expression", "rotation", "translation")}
        save_motion(motion.with_(**cut, found=None), folder / f"{name}.npz")
    save_motion(motion, folder / "long.npz")
    room = Image.new("RGB", (320, 240), "grey")
    room.paste(Image.fromarray(ASTRONAUT[:320, 64:384]).resize((240, 240)), (40, 0))
    write_camera(folder / "camera.y4m", room)
    boundless = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 64), }"
    header = b"\x93NUMPY\x01\x00" + (len(boundless) + 1).to_bytes(2, "little") + boundless + b"\n"
    with zipfile.ZipFile(folder / "short.npz") as real, zipfile.ZipFile(folder / "terabytes.npz", "w") as false:
        for name in real.namelist():
            false.writestr(name, header if name == "expression.npy" else real.read(name))
    return folder
