"""CPU kernel: Gauss-Newton steps on head poses, frame by frame."""

from __future__ import annotations

import math

import numpy as np

from mggtalk.geometry import FLIP
from mggtalk.runtime.kernels import helper, kernel

DAMPING = 1e-6
"""Added to the diagonal of the normal equations."""

FLIP_X, FLIP_Y, FLIP_Z = FLIP


@helper
def _solve(matrix: np.ndarray, right: np.ndarray) -> None:
    """Solve ``matrix [n, n] @ x = right`` in place, by Cholesky; the matrix is symmetric and positive definite."""
    n = len(right)
    for j in range(n):
        for i in range(j, n):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            matrix[i, j] = math.sqrt(total) if i == j else total / matrix[j, j]
        total = right[j]
        for k in range(j):
            total -= matrix[j, k] * right[k]
        right[j] = total / matrix[j, j]
    for j in range(n - 1, -1, -1):
        total = right[j]
        for k in range(j + 1, n):
            total -= matrix[k, j] * right[k]
        right[j] = total / matrix[j, j]


@helper
def _turn(rotation: np.ndarray, x: float, y: float, z: float) -> None:
    """``rotation [3, 3]`` becomes ``exp([(x, y, z)]_x) @ rotation``, by Rodrigues' formula."""
    angle = math.sqrt(x * x + y * y + z * z)
    first = math.sin(angle) / angle if angle > 1e-8 else 1.0
    second = (1.0 - math.cos(angle)) / (angle * angle) if angle > 1e-4 else 0.5
    for column in range(3):
        a, b, c = rotation[0, column], rotation[1, column], rotation[2, column]
        once_a, once_b, once_c = y * c - z * b, z * a - x * c, x * b - y * a
        twice_a, twice_b, twice_c = y * once_c - z * once_b, z * once_a - x * once_c, x * once_b - y * once_a
        rotation[0, column] = a + first * once_a + second * twice_a
        rotation[1, column] = b + first * once_b + second * twice_b
        rotation[2, column] = c + first * once_c + second * twice_c


@kernel
def refine_poses(
    first: int,
    last: int,
    shapes: np.ndarray,
    rays: np.ndarray,
    depths: np.ndarray,
    weights: np.ndarray,
    depth_weight: float,
    steps: int,
    rotations: np.ndarray,
    translations: np.ndarray,
) -> None:
    """Improve the poses of frames ``first .. last``.

    Residuals of a vertex are how far its ray is from the one that was seen, times the head's distance, and how far its
    depth is from the one that was seen, less the mean of that over all vertices. When the head turns by ``omega`` and
    moves by ``tau`` (camera axes), a vertex moves by ``omega x turned + tau``; the third residual does not notice tau.

    Args:
        first: First frame.
        last: One past the last frame.
        shapes: ``[T, V, 3]`` head frame, decimetres.
        rays: ``[T, V, 2]`` x / z and y / z that were seen.
        depths: ``[T, V]`` depth that was seen, relative to the face's middle, over the distance.
        weights: ``[V]``, sum 1.
        depth_weight: Of the third residual.
        steps: Gauss-Newton steps.
        rotations: ``[T, 3, 3]`` float64, improved in place.
        translations: ``[T, 3]`` float64, improved in place.
    """
    across, down = np.empty(7), np.empty(7)  # a residual's derivatives by omega and tau, and the residual
    sums = np.empty((7, 7))
    for frame in range(first, last):
        rotation, shift = rotations[frame], translations[frame]
        for _ in range(steps):
            sums[:] = 0.0
            mean_x, mean_y, mean_e = 0.0, 0.0, 0.0
            xx, xy, yy, xe, ye = 0.0, 0.0, 0.0, 0.0, 0.0
            for v in range(len(weights)):
                a, b, c = shapes[frame, v, 0], shapes[frame, v, 1], shapes[frame, v, 2]
                x = FLIP_X * (rotation[0, 0] * a + rotation[0, 1] * b + rotation[0, 2] * c)
                y = FLIP_Y * (rotation[1, 0] * a + rotation[1, 1] * b + rotation[1, 2] * c)
                z = FLIP_Z * (rotation[2, 0] * a + rotation[2, 1] * b + rotation[2, 2] * c)
                depth = z + shift[2]
                ray_x, ray_y, scale = (x + shift[0]) / depth, (y + shift[1]) / depth, shift[2] / depth
                across[0], across[1], across[2] = -scale * ray_x * y, scale * (z + ray_x * x), -scale * y
                across[3], across[4], across[5] = scale, 0.0, -scale * ray_x
                across[6] = (ray_x - rays[frame, v, 0]) * shift[2]
                down[0], down[1], down[2] = -scale * (z + ray_y * y), scale * ray_y * x, scale * x
                down[3], down[4], down[5] = 0.0, scale, -scale * ray_y
                down[6] = (ray_y - rays[frame, v, 1]) * shift[2]
                weight = float(weights[v])
                for i in range(7):
                    for j in range(i + 1):
                        sums[i, j] += weight * (across[i] * across[j] + down[i] * down[j])
                error = depth - depths[frame, v] * shift[2]
                mean_x, mean_y, mean_e = mean_x + weight * x, mean_y + weight * y, mean_e + weight * error
                xx, xy, yy = xx + weight * x * x, xy + weight * x * y, yy + weight * y * y
                xe, ye = xe + weight * x * error, ye + weight * y * error
            square = float(depth_weight) * depth_weight
            sums[0, 0] += square * (yy - mean_y * mean_y)
            sums[1, 0] -= square * (xy - mean_x * mean_y)
            sums[1, 1] += square * (xx - mean_x * mean_x)
            sums[6, 0] += square * (ye - mean_y * mean_e)
            sums[6, 1] -= square * (xe - mean_x * mean_e)
            for i in range(6):
                sums[i, i] += DAMPING
            step = sums[6, :6]
            _solve(sums[:6, :6], step)
            _turn(rotation, -FLIP_X * step[0], -FLIP_Y * step[1], -FLIP_Z * step[2])
            for k in range(3):
                shift[k] -= step[3 + k]
