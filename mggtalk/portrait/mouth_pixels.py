"""Where the teeth of an open mouth end and the lower lip begins, by their colours.

The tracked rim is off by a pixel or two, and teeth that stuck to the lower lip would go down with it. Darkness may: it
is the shadow on the lip when the mouth closes, which without it would end in a pale line.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from mggtalk.face.topology import LOWER_LIP_MIDDLES

REACH = 0.07
"""How far the lip may begin above or below the tracked rim, over the mouth's width; two pixels at least."""

WHITER = 0.06
"""By how much the least channel of teeth is above that of the lip; where it is not, no teeth are seen."""

DARK = 0.6
"""Brightness over that of the lip under which a pixel is darkness, which tells nothing."""

MIXED = 1.0
"""Rows below the edge whose pixels are a mixture of both: on the lip they would be a dotted line."""

SMOOTHING = 1.0
"""Standard deviation of the edge's smoothing along the mouth, columns."""


def inside_pixels(image: np.ndarray, opening: np.ndarray, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tell which pixels show the inside of an open mouth.

    In each column that shows teeth at the rim, the edge of the lower lip is where what is above is most like them, and
    what is below least.

    Args:
        image: RGB ``[H, W, 3]`` in [0, 1].
        opening: ``[H, W]`` bool, inside the tracked rim; not empty.
        pixels: ``[V, 2]`` vertices of the face model.

    Returns:
        ``[H, W]`` bool: ``opening``, whose lower end in each column has moved to the edge; and ``[W]`` bool: the
        columns in which teeth reach the lip.
    """
    columns = np.nonzero(opening.any(0))[0]  # [C]
    rows = np.arange(len(image))
    end = np.array([rows[opening[:, column]].max() + 1 for column in columns])  # [C] first row below the rim
    reach = max(2, round(REACH * len(columns)))
    likeness = _tooth_likeness(image, opening, pixels)  # [H, W]
    window = np.clip(end + np.arange(-reach, reach)[:, None], 0, len(image) - 1)  # [2 reach, C]
    above = np.cumsum(likeness[window, columns], axis=0)  # [2 reach, C] sum down to and with each row
    sums = np.concatenate([np.zeros((1, len(columns))), 2.0 * above]) - above[-1]  # [2 reach + 1, C] for each edge
    prefer_rim = 1e-3 * np.abs(np.arange(-reach, reach + 1))[:, None]
    best = (sums - prefer_rim).argmax(0)  # [C]
    teeth = (likeness[window, columns] * (np.arange(2 * reach)[:, None] < best)).max(0) > 0.0  # [C]
    edge = np.where(teeth, end - reach + best + MIXED, end)  # [C]
    edge = ndimage.gaussian_filter1d(ndimage.median_filter(edge.astype(float), 5, mode="nearest"), SMOOTHING)
    inside = opening.copy()
    for column, last, first in zip(columns, end, edge.round().astype(int)):
        inside[first:last, column] = False
        inside[last:first, column] = True
    reached = np.zeros(image.shape[1], bool)
    reached[columns] = ndimage.median_filter(teeth.astype(np.uint8), 5, mode="nearest") > 0
    return inside, reached


def _tooth_likeness(image: np.ndarray, opening: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """How much more like a tooth than like the lower lip each pixel is, ``[H, W]`` in [-1, 1]; 0 in the dark."""
    column, row = (pixels[list(LOWER_LIP_MIDDLES)].T - 0.5).round().astype(int)
    lip = np.median(image[row.clip(0, len(image) - 1), column.clip(0, image.shape[1] - 1)], axis=0)  # [3]
    white, bright = image.min(-1), image.mean(-1)  # [H, W]
    teeth = float(np.percentile(white[opening], 85))
    tooth = (white - lip.min()) / (teeth - lip.min()) if teeth > lip.min() + WHITER else np.zeros_like(white)
    likeness: np.ndarray = np.where(bright < DARK * lip.mean(), 0.0, 2.0 * tooth.clip(0.0, 1.0) - 1.0)
    return likeness
