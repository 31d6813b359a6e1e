"""The likeliest of all ways through a map, by Viterbi's algorithm."""

from __future__ import annotations

import numpy as np


def likeliest_path(likeness: np.ndarray, stiffness: float) -> np.ndarray:
    """Choose one of O offsets for each of C columns.

    Args:
        likeness: ``[O, C]``.
        stiffness: What a step by one offset from column to column costs.

    Returns:
        ``[C]``, which maximise ``sum_c likeness[o_c, c] - stiffness sum_c (o_c - o_{c-1})^2``.
    """
    offsets = np.arange(len(likeness))
    cost = stiffness * (offsets[:, None] - offsets) ** 2  # [O, O] of a step to the first one from the second one
    total, came = likeness[:, 0], np.zeros(likeness.shape, int)
    for column in range(1, likeness.shape[1]):
        ways = total - cost  # [O, O]
        came[:, column] = ways.argmax(1)
        total = ways.max(1) + likeness[:, column]
    best = [int(total.argmax())]
    for column in range(likeness.shape[1] - 1, 0, -1):
        best.append(int(came[best[-1], column]))
    return np.array(best[::-1])
