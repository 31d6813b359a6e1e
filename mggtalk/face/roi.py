"""Rotated square regions of interest and their resampling."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mggtalk.runtime.kernels import kernel

RIGHT_CORNER, LEFT_CORNER = 33, 263  # outer corners of the eyes: they give the roll
MARGIN = 1.5  # side of the region over the longer side of the face's box


class Roi(NamedTuple):
    """A rotated square in the picture, pixels."""

    x: float  # centre
    y: float
    side: float
    angle: float  # radians, clockwise on the screen, of the square's own x axis

    def to_image(self, points: np.ndarray) -> np.ndarray:
        """Take ``[N, 2 or 3]`` points in units of the side (0..1 inside) to pixels; z is only scaled."""
        c, s = np.cos(self.angle) * self.side, np.sin(self.angle) * self.side
        x, y = points[:, 0] - 0.5, points[:, 1] - 0.5
        moved = [self.x + c * x - s * y, self.y + s * x + c * y]
        return np.stack(moved + [column * self.side for column in points[:, 2:].T], axis=1)  # [N, 2 or 3]

    @staticmethod
    def from_landmarks(landmarks: np.ndarray) -> Roi:
        """The region around known landmarks ``[478, 3]``, level with the eyes."""
        low, high = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
        eye_line = landmarks[LEFT_CORNER] - landmarks[RIGHT_CORNER]
        centre = (low + high) / 2
        return Roi(
            float(centre[0]),
            float(centre[1]),
            float((high - low).max() * MARGIN),
            float(np.arctan2(eye_line[1], eye_line[0])),
        )

    @staticmethod
    def from_box(box: np.ndarray, right_eye: np.ndarray, left_eye: np.ndarray) -> Roi:
        """The region around a detected box ``(x0, y0, x1, y1)``, level with the eyes' centres ``[2]``."""
        eye_line = left_eye - right_eye
        return Roi(
            float(box[0] + box[2]) / 2,
            float(box[1] + box[3]) / 2,
            float(max(box[2] - box[0], box[3] - box[1]) * MARGIN),
            float(np.arctan2(eye_line[1], eye_line[0])),
        )


def resample(image: np.ndarray, roi: Roi, size: int, padding: str = "border") -> np.ndarray:
    """Bilinear samples of a region.

    A region much larger than ``size`` is first reduced by averaging blocks of pixels, so that detail does not alias.

    Args:
        image: ``[H, W, 3]`` uint8.
        roi: The region; it may lie partly outside the picture.
        size: Samples along each side.
        padding: What lies outside: ``zeros`` or ``border`` (the nearest pixel).

    Returns:
        ``[size, size, 3]`` float32 in [0, 255].
    """
    height, width = image.shape[:2]
    reach = 0.5 * roi.side * (abs(np.cos(roi.angle)) + abs(np.sin(roi.angle))) + 2
    block = max(1, int(roi.side / size))
    x0, x1 = (int(np.clip(edge, 0, width)) for edge in (roi.x - reach, roi.x + reach + 1))
    y0, y1 = (int(np.clip(edge, 0, height)) for edge in (roi.y - reach, roi.y + reach + 1))
    x0, y0 = min(x0, width - 1), min(y0, height - 1)
    x1, y1 = max(x1, x0 + 1), max(y1, y0 + 1)
    cells = image[y0:y1, x0:x1].astype(np.float32, order="C")  # [h, w, 3]
    if block > 1:
        pixels, cells = cells, np.empty((-(-(y1 - y0) // block), -(-(x1 - x0) // block), 3), np.float32)
        _average(pixels, block, cells)
    c, s = np.cos(roi.angle) * roi.side / size, np.sin(roi.angle) * roi.side / size
    place = np.array([roi.x - x0, roi.y - y0, c, s], np.float32) / block
    samples = np.empty((size, size, 3), np.float32)
    _sample(cells, place, padding == "zeros", samples)
    return samples


@kernel
def _average(pixels, block, cells):  # type: ignore[no-untyped-def]
    """Means over squares of ``pixels [h, w, 3]``; those at its far edges may be smaller.

    Args:
        pixels: Of the picture.
        block: Side of the squares.
        cells: ``[ceil(h / block), ceil(w / block), 3]`` float32, written.
    """
    height, width = pixels.shape[0], pixels.shape[1]
    for row in range(len(cells)):
        top, bottom = row * block, min(height, (row + 1) * block)
        for column in range(cells.shape[1]):
            left, right = column * block, min(width, (column + 1) * block)
            red, green, blue = np.float32(0), np.float32(0), np.float32(0)
            for y in range(np.uint64(top), np.uint64(bottom)):
                for x in range(np.uint64(left), np.uint64(right)):
                    red += pixels[y, x, np.uint64(0)]
                    green += pixels[y, x, np.uint64(1)]
                    blue += pixels[y, x, np.uint64(2)]
            share = np.float32(1) / np.float32((bottom - top) * (right - left))
            cells[row, column, 0], cells[row, column, 1], cells[row, column, 2] = (
                red * share,
                green * share,
                blue * share,
            )


@kernel
def _sample(cells, place, zeros, samples):  # type: ignore[no-untyped-def]
    """Bilinear samples of ``cells [h, w, 3]`` on a turned grid, in the order of its rows.

    Args:
        cells: Pixels, or means of some.
        place: ``[4]`` centre x, y of the grid, and x, y of the step from column to column, in cells.
        zeros: Whether there is black outside; else the nearest cell.
        samples: ``[size, size, 3]``, written.
    """
    dt = samples.dtype.type
    half, one, none = dt(0.5), dt(1), dt(0)
    height, width, size = cells.shape[0], cells.shape[1], len(samples)
    x, y, turn_x, turn_y = place[0] - half, place[1] - half, place[2], place[3]
    margin = one if zeros else none  # farther outside, all is black
    for row in range(size):
        down = dt(row) - dt(size - 1) * half
        for column in range(size):
            across = dt(column) - dt(size - 1) * half
            at_x = min(max(x + turn_x * across - turn_y * down, -margin), dt(width - 1) + margin)
            at_y = min(max(y + turn_y * across + turn_x * down, -margin), dt(height - 1) + margin)
            left, top = np.int64(at_x + one) - 1, np.int64(at_y + one) - 1
            along, below = at_x - dt(left), at_y - dt(top)
            if zeros:
                along_left = one - along if left >= 0 and left < width else none
                along_right = along if left + 1 < width else none
                below_top = one - below if top >= 0 and top < height else none
                below_bottom = below if top + 1 < height else none
            else:
                along_left, along_right, below_top, below_bottom = one - along, along, one - below, below
            i, k = np.uint64(min(max(top, 0), height - 1)), np.uint64(min(top + 1, height - 1))
            j, m = np.uint64(min(max(left, 0), width - 1)), np.uint64(min(left + 1, width - 1))
            a, b = below_top * along_left, below_top * along_right
            c, d = below_bottom * along_left, below_bottom * along_right
            for channel in range(3):
                n = np.uint64(channel)
                value = a * cells[i, j, n] + b * cells[i, m, n] + c * cells[k, j, n] + d * cells[k, m, n]
                samples[np.uint64(row), np.uint64(column), n] = value
