"""Several estimates of one picture, started from different noise, made one."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

REGULARISER = 0.02
"""Weight of keeping the joint depth within [0, 1]."""

ITERATIONS = 2
"""Steps of the optimiser, the authors' number; the start is already good."""


def joint_depth(members: np.ndarray) -> np.ndarray:
    """The depth on which several affine-invariant maps agree.

    Scale and shift of each member are chosen so that the members lie close to each other in pairs and their median
    fills [0, 1].

    Args:
        members: ``[M, H, W]`` depth, each up to its own scale and shift.

    Returns:
        ``[H, W]`` float32 in [0, 1].
    """
    count = len(members)
    if count == 1:
        return to_unit_range(members[0])
    members = members.astype(np.float64)  # BFGS takes differences over 1e-8, which single precision rounds away
    low, high = members.min((1, 2)), members.max((1, 2))  # [M]
    scale = 1.0 / np.maximum(high - low, 1e-6)
    first, second = np.triu_indices(count, 1)

    def aligned(parameters: np.ndarray) -> np.ndarray:
        scales, shifts = parameters.reshape(2, count, 1, 1)
        return members * scales + shifts  # [M, H, W]

    def disagreement(parameters: np.ndarray) -> float:
        maps = aligned(parameters)
        apart = np.sqrt(np.mean((maps[first] - maps[second]) ** 2))
        middle = lower_median(maps)
        return float(apart + REGULARISER * (abs(middle.min()) + abs(1.0 - middle.max())))

    start = np.concatenate([scale, -scale * low])
    best = minimize(disagreement, start, method="BFGS", tol=1e-3, options={"maxiter": ITERATIONS}).x
    return to_unit_range(lower_median(aligned(best)))


def joint_normals(members: np.ndarray) -> np.ndarray:
    """The member that is closest to the mean direction of all.

    Args:
        members: ``[M, 3, H, W]`` unit normals.

    Returns:
        One of the members, unit length, ``[3, H, W]`` float32.
    """
    if len(members) == 1:
        return members[0].astype(np.float32)
    units = members / (np.linalg.norm(members, axis=1, keepdims=True) + 1e-5)  # [M, 3, H, W]
    x, y, z = units.transpose(1, 0, 2, 3)  # [M, H, W] each
    azimuth = np.arctan2(y, x).mean(0)  # [H, W]
    polar = np.arctan2(np.hypot(x, y), z).mean(0)  # [H, W]
    mean = np.stack([np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)])  # [3, H, W]
    angles = np.arccos(np.clip((units * mean).sum(1), -0.999, 0.999))  # [M, H, W]
    return units[angles.sum((1, 2)).argmin()].astype(np.float32)


def lower_median(maps: np.ndarray) -> np.ndarray:
    """Median over the first axis; of an even number, the lower of the two in the middle."""
    return np.partition(maps, (len(maps) - 1) // 2, axis=0)[(len(maps) - 1) // 2]


def to_unit_range(depth: np.ndarray) -> np.ndarray:
    """Stretch a map to [0, 1]; a flat map becomes 0."""
    low, high = float(depth.min()), float(depth.max())
    return ((depth - low) / max(high - low, 1e-6)).astype(np.float32)
