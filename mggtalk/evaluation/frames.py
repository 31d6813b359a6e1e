"""Frames of clips: read, cut square, resized, and kept on disk while several methods are measured against them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from mggtalk.errors import MediaError
from mggtalk.media import open_video

Item = TypeVar("Item")


class FrameStore:
    """Square frames in a temporary file, which goes away with the store: a clip need not fit into memory.

    Args:
        frames: uint8 ``[S, S, 3]``, all of one size; they are read once.
        count: How many are taken at most.
        size: S.
    """

    def __init__(self, frames: Iterable[np.ndarray], count: int, size: int) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as the store
        self._shape = (size, size, 3)
        self._bytes = size * size * 3
        self._count = 0
        for frame, _ in zip(frames, range(count)):
            if frame.shape != self._shape:
                raise ValueError(f"a frame is {frame.shape}, expected {self._shape}")
            self._file.write(np.ascontiguousarray(frame, dtype=np.uint8).tobytes())
            self._count += 1

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> np.ndarray:
        """One frame, uint8 ``[S, S, 3]``."""
        if not 0 <= index < self._count:
            raise IndexError(index)
        self._file.seek(index * self._bytes)
        return np.frombuffer(self._file.read(self._bytes), np.uint8).reshape(self._shape)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[index] for index in range(self._count))


def first_frame(path: Path) -> tuple[np.ndarray, float]:
    """The first frame of a video, cut to its central square, and the frames per second.

    Raises:
        MediaError: If there is none.
    """
    with open_video(path) as reader:
        for frame in reader:
            return centre_square(frame), float(reader.fps)
    raise MediaError(f"{path.name} has no frames.", "Give another video.")


def square_frames(path: Path) -> Iterator[np.ndarray]:
    """Frames of a video, uint8, cut to their central square."""
    with open_video(path) as reader:
        for frame in reader:
            yield centre_square(frame)


def picked_frames(path: Path, chosen: Sequence[int]) -> Iterator[np.ndarray]:
    """Some square frames of a video, given by ascending numbers; reading stops after the last."""
    wanted = set(chosen)
    for frame in islice(enumerate(square_frames(path)), max(wanted, default=-1) + 1):
        if frame[0] in wanted:
            yield frame[1]


def centre_square(frame: np.ndarray) -> np.ndarray:
    """The central square of a frame ``[H, W, 3]``."""
    height, width = frame.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return frame[top : top + side, left : left + side]


def resize_picture(frame: np.ndarray, size: int) -> np.ndarray:
    """A square uint8 frame at another size, ``[size, size, 3]``, Lanczos."""
    if frame.shape[0] == size:
        return frame
    return np.asarray(Image.fromarray(frame).resize((size, size), Image.Resampling.LANCZOS))


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Items a few at a time; the last may be fewer."""
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch
