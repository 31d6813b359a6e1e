"""Where the teeth of an open mouth end and the lower lip begins, by their colours.

The tracked rim is off by a pixel or two, and teeth that stuck to the lower lip would go down with it. Darkness may: it
is the shadow on the lip when the mouth closes, which without it would end in a pale line.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from mggtalk.face.topology import LIPS_INNER_LOWER, LIPS_INNER_UPPER, LOWER_LIP_MIDDLES
from mggtalk.nets.paths import likeliest_path

REACH = 0.07
"""How far the lip may begin above or below the tracked rim, over the mouth's width; two pixels at least."""

WHITER = 0.06
"""By how much the least channel of teeth is above that of the lip; where it is not, no teeth are seen."""

STIFF = 6.0
"""What a step of the edge by one row from column to column costs, in pixels that look like what they are not."""

DARK = 0.6
"""Brightness over that of the lip under which a pixel is darkness, which tells nothing."""

MIXED = 1.0
"""Rows below the edge whose pixels are a mixture of both: on the lip they would be a dotted line."""

LINE = 2
"""Pixels of the position map above and below the edge of the lower lip that the line before it may be thick."""

SHADOW = 0.75
"""Brightness over that of the lip under which half of the line must be: else it is lip or gum."""

BESIDE = 6
"""Columns beside bright teeth in which there are darker ones."""

TEETH = 0.7
"""Brightness of teeth over that of the lip from which on there are any, and of a tooth over that of bright ones."""

SLIT, TOOTHLESS = 0.27, 0.9
"""Height over width of an opening under which it is a slit, and the least channel of what it shows over that of the lip
under which that is no teeth."""

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
    best = likeliest_path(sums - prefer_rim, STIFF)  # [C]
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


def lip_line(image: np.ndarray, inside: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Tell which pixels are the line between the teeth of a smile and the lower lip.

    It is a pixel or two of darkness, shadow and lip. Neither teeth nor lip keep it when the mouth opens further. Where
    it is mostly thicker, it is the dark inside of the mouth, which stays.

    Args:
        image: RGB ``[H, W, 3]`` in [0, 1].
        inside: ``[H, W]`` bool, of :func:`inside_pixels`.
        pixels: ``[V, 2]`` vertices of the face model.

    Returns:
        ``[H, W]`` bool; none where no teeth are seen, or darkness below them.
    """
    lip, white, bright = _lower_lip(image, pixels), image.min(-1), image.mean(-1)  # [3], [H, W], [H, W]
    if not inside.any() or np.percentile(bright[inside], 85) < TEETH * lip.mean():
        return np.zeros_like(inside)
    tooth = inside & (white > TEETH * np.percentile(white[inside], 85))
    reach = np.ones((2 * LINE + 1, 1), bool)
    edge = inside & ~ndimage.binary_erosion(inside, [[0], [1], [1]])  # [H, W] the last row of each column
    toothed = ndimage.maximum_filter1d(np.cumsum(tooth, axis=0), 2 * BESIDE + 1, axis=1) > 0  # [H, W] teeth above
    gap = (inside & ~tooth & toothed).sum(0)[tooth.any(0)]  # [C] pixels between teeth and lip
    if np.median(gap) > LINE:
        return np.zeros_like(inside)
    near = ndimage.binary_dilation(edge, reach) & toothed
    line: np.ndarray = near & ~tooth & (inside | (bright < DARK * lip.mean()))
    dark = line.any() and np.median(bright[line]) < SHADOW * lip.mean()
    return line if dark else np.zeros_like(line)


def dark_slit(image: np.ndarray, inside: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Tell which pixels are the dark between lips that are hardly open.

    It would be drawn out over teeth, or hang in shreds before them, when the mouth opens wide.

    Args:
        image: RGB ``[H, W, 3]`` in [0, 1].
        inside: ``[H, W]`` bool, of :func:`inside_pixels`.
        pixels: ``[V, 2]`` vertices of the face model.

    Returns:
        ``[H, W]`` bool: ``inside``, or none where it shows teeth or the mouth is open.
    """
    rims = pixels[[LIPS_INNER_UPPER, LIPS_INNER_LOWER]]  # [2, 11, 2]
    height = np.linalg.norm(rims[0, 5] - rims[1, 5])
    slit = height < SLIT * np.linalg.norm(rims[0, 0] - rims[0, -1])
    if not slit or not inside.any():
        return np.zeros_like(inside)
    toothless = np.percentile(image.min(-1)[inside], 85) < TOOTHLESS * _lower_lip(image, pixels).min()
    return inside if toothless else np.zeros_like(inside)


def thin_rim(lower: np.ndarray) -> np.ndarray:
    """Tell which pixels are no teeth of the jaw but the shadow that the lower lip begins with.

    Drawn out along a mouth that opens further they would be dark spots on the lip.

    Args:
        lower: ``[H, W]`` bool, what of the inside moves with the jaw.

    Returns:
        ``[H, W]`` bool: ``lower``, or none where it is mostly thicker than a line.
    """
    thick = lower.sum(0)[lower.any(0)]  # [C] pixels
    return lower if len(thick) and np.median(thick) <= LINE else np.zeros_like(lower)


def _lower_lip(image: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Colour ``[3]`` of the lower lip."""
    column, row = (pixels[list(LOWER_LIP_MIDDLES)].T - 0.5).round().astype(int)
    colour: np.ndarray = np.median(image[row.clip(0, len(image) - 1), column.clip(0, image.shape[1] - 1)], axis=0)
    return colour


def _tooth_likeness(image: np.ndarray, opening: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """How much more like a tooth than like the lower lip each pixel is, ``[H, W]`` in [-1, 1]; 0 in the dark."""
    lip = _lower_lip(image, pixels)  # [3]
    white, bright = image.min(-1), image.mean(-1)  # [H, W]
    teeth = float(np.percentile(white[opening], 85))
    tooth = (white - lip.min()) / (teeth - lip.min()) if teeth > lip.min() + WHITER else np.zeros_like(white)
    likeness: np.ndarray = np.where(bright < DARK * lip.mean(), 0.0, 2.0 * tooth.clip(0.0, 1.0) - 1.0)
    return likeness
