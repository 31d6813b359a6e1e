"""Rotated square regions of interest and their resampling."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

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
    patch = torch.from_numpy(image[y0:y1, x0:x1].copy()).permute(2, 0, 1)[None].float()  # [1, 3, h, w]
    if block > 1:
        patch = F.avg_pool2d(patch, block, ceil_mode=True, count_include_pad=False)  # [1, 3, ceil(h/b), ceil(w/b)]
    steps = (torch.arange(size) + 0.5) / size - 0.5
    c, s = np.cos(roi.angle) * roi.side, np.sin(roi.angle) * roi.side
    x = roi.x - x0 + c * steps[None, :] - s * steps[:, None]  # [size, size] pixels in the patch
    y = roi.y - y0 + s * steps[None, :] + c * steps[:, None]
    cells_y, cells_x = patch.shape[2] * block, patch.shape[3] * block
    grid = torch.stack([x * (2.0 / cells_x) - 1.0, y * (2.0 / cells_y) - 1.0], dim=-1)[None]  # [1, size, size, 2]
    samples = F.grid_sample(patch, grid, mode="bilinear", padding_mode=padding, align_corners=False)
    return samples[0].permute(1, 2, 0).numpy()  # [size, size, 3]
