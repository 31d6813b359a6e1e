"""Smoothing of tracks over time, without lag and without losing fast movements.

A bilateral filter in time that works on pairs: two neighbours at the same distance before and after a sample vote with
their mean, weighted by a Gaussian of the distance in time and a Gaussian of how far that mean is from the sample. A
still or steadily moving point is averaged over the whole window; at a blink or a lip closure, where the mean of the
neighbours differs by much more than the tracker's noise, the sample stays as it is. Pairs are symmetric, so nothing is
delayed.
"""

from __future__ import annotations

import numpy as np

WINDOW_SECONDS = 0.065  # standard deviation in time
LANDMARK_RANGE = 0.005  # standard deviation in value, over the width of the face
BLENDSHAPE_RANGE = 0.03
_CHUNK = 48  # points filtered at once, which bounds the memory


def smooth_landmarks(landmarks: np.ndarray, fps: float) -> np.ndarray:
    """Smooth landmarks ``[T, N, 3]`` in pixels; the same shape and type."""
    widths = landmarks[..., 0].max(1) - landmarks[..., 0].min(1)  # [T]
    scale = max(float(np.median(widths)) * LANDMARK_RANGE, 1e-6)
    parts = [
        bilateral(landmarks[:, start : start + _CHUNK] / scale, fps) for start in range(0, landmarks.shape[1], _CHUNK)
    ]
    return (np.concatenate(parts, axis=1) * scale).astype(landmarks.dtype)  # [T, N, 3]


def smooth_blendshapes(blendshapes: np.ndarray, fps: float) -> np.ndarray:
    """Smooth scores ``[T, 52]``, each on its own; the same shape and type."""
    return (bilateral(blendshapes[..., None] / BLENDSHAPE_RANGE, fps)[..., 0] * BLENDSHAPE_RANGE).astype(
        blendshapes.dtype
    )


def bilateral(values: np.ndarray, fps: float) -> np.ndarray:
    """Bilateral filter over the first axis.

    Args:
        values: ``[T, N, D]``: N signals of D components, in units of the standard deviation in value.
        fps: Samples per second.

    Returns:
        ``[T, N, D]``.
    """
    sigma = WINDOW_SECONDS * fps  # samples
    reach = min(int(np.ceil(2.5 * sigma)), (len(values) - 1) // 2)
    total = values.astype(np.float64)
    weight = np.ones(values.shape[:2])  # [T, N]
    for step in range(1, reach + 1):
        middle = 0.5 * (values[2 * step :] + values[: -2 * step])  # [T - 2 step, N, D]
        difference = middle - values[step:-step]
        pair = 2.0 * np.exp(-0.5 * (step / sigma) ** 2 - 0.5 * (difference**2).sum(-1))  # [T - 2 step, N]
        total[step:-step] += pair[..., None] * middle
        weight[step:-step] += pair
    return total / weight[..., None]
