"""Cameras of this machine, through ffmpeg; a video can stand in for one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from mggtalk.errors import MediaError
from mggtalk.media.ffmpeg import FFmpegPipe, last_line
from mggtalk.media.video import open_video

SIZE = (640, 480)
FPS = 25.0


def check_camera(name: str) -> None:
    """Check that a camera is there, or a video that stands in for one.

    Raises:
        MediaError: If neither is.
    """
    if not name.isdigit():
        open_video(name).close()
    elif sys.platform == "linux" and not Path(f"/dev/video{name}").exists():
        raise MediaError(f"There is no camera {name} (/dev/video{name}).", "Connect one, or give a video.")


def _arguments(name: str) -> list[str]:
    """Arguments that make ffmpeg read a camera of this system."""
    size = ["-framerate", f"{FPS:g}", "-video_size", f"{SIZE[0]}x{SIZE[1]}"]
    if sys.platform == "darwin":
        return ["-f", "avfoundation", *size, "-i", f"{name}:none"]
    if sys.platform == "win32":
        return ["-f", "vfwcap", *size, "-i", name]
    return ["-f", "v4l2", *size, "-i", f"/dev/video{name}"]


@contextmanager
def camera_frames(name: str) -> Iterator[Iterator[np.ndarray]]:
    """Frames of a camera, or of a video, uint8 ``[H, W, 3]``.

    Raises:
        MediaError: If there is no picture.
    """
    if not name.isdigit():
        with open_video(name) as reader:
            yield iter(reader)
        return
    pipe = FFmpegPipe([*_arguments(name), "-an", "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"], writes=False)
    try:
        yield _read(pipe, name)
    finally:
        pipe.kill()


def _read(pipe: FFmpegPipe, name: str) -> Iterator[np.ndarray]:
    """Frames until the camera stops."""
    width, height = SIZE
    count = 0
    while True:
        frame = np.empty((height, width, 3), np.uint8)
        if pipe.read_into(frame.reshape(-1).data) < frame.nbytes:
            break
        yield frame
        count += 1
    if not count:
        raise MediaError(f"The camera {name} gives no picture: {last_line(pipe.log())}.", "Is it used elsewhere?")
