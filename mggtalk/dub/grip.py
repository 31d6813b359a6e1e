"""Where the lips of a film begin: the tracked edge of an open mouth often lies on the teeth beside them."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import map_coordinates, maximum_filter1d

from mggtalk.dub.mouth import seam
from mggtalk.face.topology import LIPS_INNER_LOWER, LIPS_INNER_UPPER, LIPS_OUTER_LOWER, LIPS_OUTER_UPPER

RIMS = ((LIPS_INNER_UPPER, LIPS_OUTER_UPPER), (LIPS_INNER_LOWER, LIPS_OUTER_LOWER))
"""Inner and outer edge of the upper and the lower lip, from corner to corner."""

LEAST, MOST = 0.15, 0.75
"""Shares of a lip's height by which its inner edge is taken outward where an open mouth closes: least and most."""

STEPS = 16
"""Places between the two edges at which is looked."""

OWN = 0.5
"""Share of the height from which on a lip shows its own colour."""

SURE = 0.12
"""Share of the height by which a lip is gripped behind its first place: film is blurred there."""

WHITER, DARKER = 0.08, 0.6
"""What is no lip: its least channel is above the lip's by so much of the lip's brightness, or its brightness is below
this share of the lip's."""


def grip_lips(frame: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Take the film's inner lips outward onto the lips themselves, as far as its open mouth closes.

    Teeth beside a tracked edge would be moved along as if they were lip.

    Args:
        frame: Of the film, uint8 ``[H, W, 3]``.
        before: Landmarks ``[V, 2]`` of the film's frame, pixels.
        after: The same in the new frame.

    Returns:
        The film's landmarks ``[V, 2]`` to move from.
    """
    closing = seam(before, after)
    if closing == 0.0:
        return before
    gripped = before.copy()
    for inner, outer in RIMS:
        edge, rim = before[list(inner)], before[list(outer)]  # [11, 2]
        gripped[list(inner)] = edge + closing * find_lip(frame, edge, rim)[:, None] * (rim - edge)
    return gripped


def find_lip(frame: np.ndarray, edge: np.ndarray, rim: np.ndarray) -> np.ndarray:
    """Find where a lip begins.

    Args:
        frame: Of the film, uint8 ``[H, W, 3]``.
        edge: Inner edge of the lip ``[11, 2]``, pixels, from corner to corner.
        rim: Outer edge ``[11, 2]``.

    Returns:
        Shares ``[11]`` of the way from the inner edge to the outer one, in [LEAST, MOST].
    """
    shares = np.linspace(0.0, 1.0, STEPS)
    places = edge[:, None] + shares[:, None] * (rim - edge)[:, None] - 0.5  # [11, STEPS, 2]
    colour = np.stack(
        [
            map_coordinates(frame[..., k], places.T[::-1], order=1, output=np.float32, mode="nearest").T
            for k in range(3)
        ],
        axis=-1,
    )  # [11, STEPS, 3]
    lip = np.median(colour[2:-2, shares >= OWN], axis=(0, 1))  # [3]
    white = colour.min(-1) - lip.min() > WHITER * lip.mean()  # [11, STEPS]
    other = white | (colour.mean(-1) < DARKER * lip.mean())
    first = (other & (shares <= MOST)).cumprod(axis=1).sum(1)  # [11] the first place that is lip
    found = np.where(first > 0, SURE + shares[np.minimum(first, STEPS - 1)], 0.0)
    wide = maximum_filter1d(found, 3, mode="nearest")
    return np.clip(np.convolve(np.pad(wide, 1, mode="edge"), (0.25, 0.5, 0.25), mode="valid"), LEAST, MOST)
