"""From a relative depth or disparity to decimetres: the least-squares fit to the tracked mesh."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

ROUNDS = 6
"""Rounds of a network's fit: glasses, beard and hair over the face are no part of the mesh."""

BEHIND = 3.0
"""Decimetres behind the face at which a depth made of disparity ends: what is farther is background."""


class ScaleShift(NamedTuple):
    """The least-squares fit of a relative depth to the tracked mesh."""

    scale: float
    shift: float
    rms: float  # decimetres


def fit_scale_shift(relative: np.ndarray, target: np.ndarray, valid: np.ndarray, rounds: int = 2) -> ScaleShift:
    """Least squares of ``scale * relative + shift = target``; every round but the first drops the worst tenth.

    Args:
        relative: ``[H, W]`` relative depth.
        target: ``[H, W]`` depth of the tracked mesh, decimetres.
        valid: ``[H, W]`` bool, the face's pixels.
        rounds: Of fitting, >= 1.

    Returns:
        The fit. A surface that is flat on the face keeps scale 1 and is only shifted.
    """
    x, y = relative[valid].astype(np.float64), target[valid].astype(np.float64)
    scale, shift = 1.0, 0.0
    for _ in range(rounds):
        if len(x) < 3 or x.std() < 1e-9:
            scale, shift = 1.0, float((y - x).mean()) if len(x) else 0.0
            break
        scale, shift = np.polyfit(x, y, 1)
        error = np.abs(scale * x + shift - y)
        inside = error <= np.quantile(error, 0.9)
        x, y = x[inside], y[inside]
    rms = float(np.sqrt(np.mean((scale * x + shift - y) ** 2))) if len(x) else 0.0
    return ScaleShift(float(scale), float(shift), rms)


def fit_depth(relative: np.ndarray, target: np.ndarray, face: np.ndarray) -> np.ndarray | None:
    """A relative depth in decimetres.

    Args:
        relative: ``[H, W]``, larger is farther.
        target: ``[H, W]`` depth of the tracked mesh, decimetres.
        face: ``[H, W]`` bool, where they are compared.

    Returns:
        ``[H, W]``, or None if the relative depth is flat on the face or runs against it.
    """
    if face.sum() < 3 or relative[face].std() < 1e-9:
        return None
    fit = fit_scale_shift(relative, target, face, ROUNDS)
    return fit.scale * relative + fit.shift if fit.scale > 0 else None


def fit_disparity(relative: np.ndarray, target: np.ndarray, face: np.ndarray) -> np.ndarray | None:
    """A relative disparity in decimetres: ``1 / z = scale * disparity + shift``.

    Args:
        relative: ``[H, W]``, larger is nearer.
        target: ``[H, W]`` depth of the tracked mesh, decimetres, positive.
        face: ``[H, W]`` bool, where they are compared.

    Returns:
        ``[H, W]``, cut off well behind the face, or None if the disparity is flat on the face or runs against it.
    """
    if face.sum() < 3 or relative[face].std() < 1e-9:
        return None
    middle = float(np.median(target[face]))
    fit = fit_scale_shift(relative, middle / target, face, ROUNDS)  # dimensionless, about 1
    if fit.scale <= 0:
        return None
    farthest = float(target[face].max()) + BEHIND
    return middle / np.maximum(fit.scale * relative + fit.shift, middle / farthest)
