r"""The invisible watermark that says a picture is AI-made, and finding it again without the original.

The frame is divided into 16 x 16 cells, whatever its size, so that scaling does not matter. In each cell two smooth
waves are looked at, one period across the cell along one axis, faded out along the other:

.. math:: \psi_h(x, y) = \sin(2 \pi x) \sin^2(\pi y), \qquad \psi_v(x, y) = \sin^2(\pi x) \sin(2 \pi y)

How much of each the luma of a cell holds is a feature ``f``. A key gives every feature a sign ``s``, and the feature is
pushed along a smooth periodic curve toward the places where ``s sin(2 pi f / STEP) = 1``:

.. math:: f' = f + s a \cos(2 \pi f / \mathrm{STEP})

What the picture itself holds hardly disturbs this (it only shifts along the period), and nothing jumps when the picture
moves, because the curve is smooth. The strength ``a`` follows the fine texture of the cell, which hides the change.

Detection needs no original. ``u`` is ``sin(2 pi f / STEP)``, averaged over frames, and the score

.. math:: z = \sum s u \,/ \sqrt{\sum u^2}

has, for any picture that knows nothing of the signs, mean 0, variance 1 and tails under ``exp(-z^2 / 2)`` (Hoeffding).
At :data:`THRESHOLD` and the up to six placements that are tried, fewer than 1 in 1000 unmarked files are taken for
marked, whatever they show.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from PIL import Image

from mggtalk.runtime.kernels import kernel

KEY = b"MGGTalk watermark 1"
"""Characters that the signs are made of."""

CELLS = 16
"""Cells along each side of the frame."""

SAMPLES = 8
"""Samples along each side of a cell; the features are taken from these."""

GRID = CELLS * SAMPLES
"""Samples along each side of the frame."""

STEP = 17.0
"""Period of the features, in grey levels."""

STRENGTH = 4.4
"""Largest change of a feature in grey levels, in rich texture."""

FLAT = 0.28
"""Share of the strength that flat areas get."""

TEXTURE_GAIN = 0.2
"""Growth of that share for each grey level of fine texture."""

LEAST_PSNR = 42.3
"""A frame that would be changed by more than this many decibels allow gets a weaker mark."""

THRESHOLD = 4.2
"""Score from which on a file counts as marked: ``6 exp(-4.2^2 / 2) < 1/1000``."""

LONGEST = 1024
"""Pictures with a side of twice as many pixels are averaged down before the watermark is looked for."""

WIDEST = 4
"""Pictures that are more times as long as wide are only looked at as a whole."""

WAVE = np.sin(2 * np.pi * (np.arange(SAMPLES) + 0.5) / SAMPLES)
FADE = np.sin(np.pi * (np.arange(SAMPLES) + 0.5) / SAMPLES) ** 2
ENERGY = 3 / 16
"""Mean square of a wave of strength 1 over its cell."""


class Detection(NamedTuple):
    """Finding about the watermark."""

    score: float  # about normal with variance 1 where there is none

    @property
    def found(self) -> bool:
        """Whether it is there."""
        return self.score >= THRESHOLD


def embed(frame: np.ndarray) -> np.ndarray:
    """Put the watermark into a frame.

    Args:
        frame: uint8 ``[H, W, 3]`` RGB; it is left as it is.

    Returns:
        A marked copy, uint8 ``[H, W, 3]``, with a PSNR of over 42 dB.
    """
    frame = np.ascontiguousarray(frame)
    grid = _sample(frame)  # [GRID, GRID]
    strength = STRENGTH * np.minimum(FLAT + TEXTURE_GAIN * _texture(grid), 1.0)  # [CELLS, CELLS]
    change = _signs() * strength * np.cos(2 * np.pi / STEP * _features(grid))  # [2, CELLS, CELLS]
    error = 2 * ENERGY * float(np.square(change).mean()) + 1 / 12  # mean square, with the rounding
    most = 255.0**2 / 10 ** (LEAST_PSNR / 10)
    if error > most:
        change *= math.sqrt(most / error)
    height, width = frame.shape[:2]
    marked = np.empty_like(frame)
    rows = (height, 3 * width)
    _add(frame.reshape(rows), change.astype(np.float32), *_axis(height), *_axis(width), marked.reshape(rows))
    return marked


def detect(frames: Iterable[np.ndarray]) -> Detection:
    """Look for the watermark.

    Tried are the frame as it is and mirrored; of a frame that is not square also the square in its middle, and the
    square that it was cut from, as when a video was made to fit a wide or an upright screen.

    Args:
        frames: uint8 ``[H, W, 3]`` RGB, one or more of one size: not all that a video has are needed.

    Returns:
        The best score of these placements; 0 without a frame.
    """
    sums: list[np.ndarray] = []
    for frame in frames:
        for index, window in enumerate(_windows(frame)):
            phase = np.sin(2 * np.pi / STEP * _features(_sample(np.ascontiguousarray(window))))  # [2, CELLS, CELLS]
            if index == len(sums):
                sums.append(np.zeros_like(phase))
            sums[index] += phase
    scores = [_score(total) for total in sums]
    return Detection(max((max(pair) for pair in scores), default=0.0))


def _score(phases: np.ndarray) -> tuple[float, float]:
    """Scores of summed phases ``[2, CELLS, CELLS]`` as they are, and of the mirrored picture."""
    length = float(np.sqrt(np.square(phases).sum()))
    if length < 1e-9:  # nothing but flat ground
        return 0.0, 0.0
    mirrored = phases[:, :, ::-1] * np.array([-1.0, 1.0])[:, None, None]  # the wave along x turns its sign
    return float((_signs() * phases).sum()) / length, float((_signs() * mirrored).sum()) / length


def _windows(frame: np.ndarray) -> Iterator[np.ndarray]:
    """The frame, and where it is not square the two squares around its middle; the larger is filled up with black.

    Large pictures are averaged down first, and strips have no squares: a picture must not need much memory.
    """
    coarse = max(frame.shape[:2]) // LONGEST
    if coarse > 1:
        frame = np.asarray(Image.fromarray(frame).reduce(coarse))
    yield frame
    height, width = frame.shape[:2]
    if height == width or max(height, width) > WIDEST * min(height, width):
        return
    side, over = min(height, width), abs(height - width) // 2
    yield frame[over : over + side] if height > width else frame[:, over : over + side]
    spare = abs(height - width)
    before, after = spare // 2, spare - spare // 2
    rows, columns = ((0, 0), (before, after)) if height > width else ((before, after), (0, 0))
    yield np.pad(frame, (rows, columns, (0, 0)))


def _features(grid: np.ndarray) -> np.ndarray:
    """Measure how much of each wave the cells of ``[GRID, GRID]`` hold, in grey levels: ``[2, CELLS, CELLS]``."""
    cells = grid.reshape(CELLS, SAMPLES, CELLS, SAMPLES)  # [row, y, column, x]
    norm = float((WAVE @ WAVE) * (FADE @ FADE))
    along_x = np.einsum("iajb,a,b->ij", cells, FADE, WAVE) / norm
    along_y = np.einsum("iajb,a,b->ij", cells, WAVE, FADE) / norm
    return np.stack([along_x, along_y])


def _texture(grid: np.ndarray) -> np.ndarray:
    """Mean absolute second difference in each cell, ``[CELLS, CELLS]``; it is zero on even gradients."""
    bends = np.zeros_like(grid)  # [GRID, GRID]
    bends[:, 1:-1] += np.abs(2 * grid[:, 1:-1] - grid[:, :-2] - grid[:, 2:])
    bends[1:-1] += np.abs(2 * grid[1:-1] - grid[:-2] - grid[2:])
    return bends.reshape(CELLS, SAMPLES, CELLS, SAMPLES).mean(axis=(1, 3)) / 2


@lru_cache(maxsize=1)
def _signs() -> np.ndarray:
    """The key's signs, ``[2, CELLS, CELLS]`` of -1 and 1."""
    digest = hashlib.shake_256(KEY).digest(2 * CELLS * CELLS // 8)
    bits = np.unpackbits(np.frombuffer(digest, np.uint8))
    return bits.reshape(2, CELLS, CELLS).astype(np.float64) * 2 - 1


@lru_cache(maxsize=16)
def _axis(length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each of ``length`` pixels: its cell, the wave and the fade there, each ``[length]``."""
    place = (np.arange(length) + 0.5) * CELLS / length
    cell = place.astype(np.int64)
    inside = place - cell
    return cell, np.sin(2 * np.pi * inside).astype(np.float32), (np.sin(np.pi * inside) ** 2).astype(np.float32)


def _sample(frame: np.ndarray) -> np.ndarray:
    """Mean luma of ``[H, W, 3]`` on a grid over it, float64 ``[GRID, GRID]``."""
    grid = np.empty((GRID, GRID))
    _average(frame, grid)
    return grid


@kernel
def _average(frame, grid):  # type: ignore[no-untyped-def]
    """Mean luma of the pixels of each sample; small frames give a pixel to several samples."""
    height, width = frame.shape[0], frame.shape[1]
    rows, columns = grid.shape
    for row in range(rows):
        top = row * height // rows
        bottom = max(top + 1, (row + 1) * height // rows)
        for column in range(columns):
            left = column * width // columns
            right = max(left + 1, (column + 1) * width // columns)
            total = 0
            for y in range(top, bottom):
                for x in range(left, right):
                    total += 299 * frame[y, x, 0] + 587 * frame[y, x, 1] + 114 * frame[y, x, 2]
            grid[row, column] = total / (1000.0 * (bottom - top) * (right - left))


@kernel
def _add(frame, change, rows, wave_y, fade_y, columns, wave_x, fade_x, marked):  # type: ignore[no-untyped-def]  # noqa: PLR0913  # a kernel
    """Add the waves of all cells to all channels, rounded and clipped. Frames are ``[H, W * 3]`` here."""
    width = columns.shape[0]
    along_x, along_y = np.empty(width * 3, np.float32), np.empty(width * 3, np.float32)
    done = -1
    for y in range(frame.shape[0]):
        if rows[y] != done:  # a new row of cells
            done = rows[y]
            for x in range(width):
                for channel in range(3):
                    along_x[3 * x + channel] = change[0, done, columns[x]] * wave_x[x]
                    along_y[3 * x + channel] = change[1, done, columns[x]] * fade_x[x]
        before, after = frame[y], marked[y]
        fade, wave = fade_y[y], wave_y[y]
        for i in range(width * 3):
            value = np.float32(before[i]) + along_x[i] * fade + along_y[i] * wave + np.float32(0.5)
            after[i] = np.uint8(np.int32(min(max(value, np.float32(0)), np.float32(255))))
