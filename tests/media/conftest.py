"""Media that the tests make for themselves."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mggtalk.media.ffmpeg import executable

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Runs ffmpeg: ``make("name.mp4", "-f", "lavfi", ...)`` gives the path of the file made."""

    def run(name: str, *arguments: str) -> Path:
        path = tmp_path / name
        command = [executable(), "-y", "-nostdin", "-loglevel", "error", *arguments, f"file:{path}"]
        subprocess.run(command, check=True, capture_output=True, timeout=600)
        return path

    return run


@pytest.fixture
def clip(make: Make) -> Callable[..., Path]:
    """Makes a test video: ``clip("name.mp4", size="160x96", rate="25", seconds=1, *output arguments)``."""

    def run(name: str, *output: str, size: str = "160x96", rate: str = "25", seconds: float = 1.0) -> Path:
        source = f"testsrc=s={size}:r={rate}:d={seconds}"
        return make(name, "-f", "lavfi", "-i", source, *(output or ("-pix_fmt", "yuv420p", "-preset", "ultrafast")))

    return run


@pytest.fixture
def flat() -> Callable[..., np.ndarray]:
    """A frame of one colour: ``flat(height, width, (r, g, b))``."""

    def run(height: int, width: int, colour: tuple[int, int, int]) -> np.ndarray:
        return np.full((height, width, 3), colour, np.uint8)

    return run
