"""CPU kernels: colours from degree-1 spherical harmonics, and their gradients.

In torch, to be read: :mod:`mggtalk.render.harmonics`.
"""

from __future__ import annotations

import math

import numpy as np

from mggtalk.render.constants import SH_0, SH_1
from mggtalk.runtime.kernels import kernel


@kernel
def shade(
    first: int, last: int, means: np.ndarray, harmonics: np.ndarray, centre: np.ndarray, colours: np.ndarray
) -> None:
    """Colours ``[N, 3]`` of Gaussians ``first .. last`` seen from ``centre [3]``."""
    dt = means.dtype.type
    band_0, band_1, half, zero = dt(SH_0), dt(SH_1), dt(0.5), dt(0)
    for i in range(first, last):
        x, y, z = means[i, 0] - centre[0], means[i, 1] - centre[1], means[i, 2] - centre[2]
        unit = band_1 / math.sqrt(x * x + y * y + z * z)
        x, y, z = x * unit, y * unit, z * unit
        for k in range(3):
            value = harmonics[i, 0, k] * band_0 + half
            value += z * harmonics[i, 2, k] - y * harmonics[i, 1, k] - x * harmonics[i, 3, k]
            colours[i, k] = zero if value < zero else value  # NaN stays NaN: such a Gaussian is dropped


@kernel
def shade_gradients(
    first: int,
    last: int,
    means: np.ndarray,
    harmonics: np.ndarray,
    centre: np.ndarray,
    colours: np.ndarray,
    grad_colours: np.ndarray,
    grad_means: np.ndarray,
    grad_harmonics: np.ndarray,
) -> None:
    """Gradients of :func:`shade` by the means ``[N, 3]`` and the harmonics ``[N, 4, 3]``."""
    dt = means.dtype.type
    band_0, band_1, zero = dt(SH_0), dt(SH_1), dt(0)
    for i in range(first, last):
        x, y, z = means[i, 0] - centre[0], means[i, 1] - centre[1], means[i, 2] - centre[2]
        size = math.sqrt(x * x + y * y + z * z)
        drawn = False  # a dropped Gaussian gets no gradient; its numbers may be infinite or not numbers at all
        for k in range(3):
            drawn |= grad_colours[i, k] != zero
        if not drawn:
            for k in range(3):
                grad_means[i, k] = zero
                for j in range(4):
                    grad_harmonics[i, j, k] = zero
            continue
        x, y, z = x / size, y / size, z / size
        along_x, along_y, along_z = zero, zero, zero  # gradient by the unit direction
        for k in range(3):
            grad = grad_colours[i, k] if colours[i, k] > zero else zero
            grad_harmonics[i, 0, k] = band_0 * grad
            grad *= band_1
            grad_harmonics[i, 1, k] = -y * grad
            grad_harmonics[i, 2, k] = z * grad
            grad_harmonics[i, 3, k] = -x * grad
            along_x -= grad * harmonics[i, 3, k]
            along_y -= grad * harmonics[i, 1, k]
            along_z += grad * harmonics[i, 2, k]
        radial = along_x * x + along_y * y + along_z * z
        grad_means[i, 0] = (along_x - radial * x) / size
        grad_means[i, 1] = (along_y - radial * y) / size
        grad_means[i, 2] = (along_z - radial * z) / size
