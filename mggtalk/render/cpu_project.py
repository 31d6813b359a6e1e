"""CPU kernels: the projection of Gaussians to the picture, and its gradients.

A projected Gaussian is a row of ``splats [N, 6]``: centre x, y (pixels), the inverse covariance's xx, xy, yy entries,
opacity. ``boxes [N, 4]`` holds the pixels it can touch (first and end column, first and end row), ``depths [N]`` its
camera-frame z. A dropped Gaussian has depth 0 and an empty box.

Small matrices are flat tuples, row by row. ``view`` is ``[4, 4]``; ``lens`` is focal x, y, centre x, y, width, height.
"""

from __future__ import annotations

import math

from mggtalk.render.constants import (
    BLUR,
    FAR,
    FIELD_MARGIN,
    MAX_DETERMINANT,
    MAX_EXTENT,
    MIN_ALPHA,
    NEAR,
)
from mggtalk.render.numba_compile import helper, kernel

SPLAT_FIELDS = 6
MOMENTS = 6
"""Sums per Gaussian from which all gradients of the geometry follow: v, v dx, v dy, v dx², v dx dy, v dy²."""


@helper
def _rotation(w, x, y, z):
    """Rotation matrix of a unit quaternion, 9 numbers."""
    dt = type(w)
    one = dt(1)
    two = dt(2)
    return (
        one - two * (y * y + z * z), two * (x * y - w * z), two * (x * z + w * y),
        two * (x * y + w * z), one - two * (x * x + z * z), two * (y * z - w * x),
        two * (x * z - w * y), two * (y * z + w * x), one - two * (x * x + y * y),
    )  # fmt: skip


@helper
def _times(a, m):
    """``a [2, 3] @ m [3, 3]``."""
    return (
        a[0] * m[0] + a[1] * m[3] + a[2] * m[6],
        a[0] * m[1] + a[1] * m[4] + a[2] * m[7],
        a[0] * m[2] + a[1] * m[5] + a[2] * m[8],
        a[3] * m[0] + a[4] * m[3] + a[5] * m[6],
        a[3] * m[1] + a[4] * m[4] + a[5] * m[7],
        a[3] * m[2] + a[4] * m[5] + a[5] * m[8],
    )


@helper
def _transposed(m):
    """Transpose of ``m [3, 3]``."""
    return (m[0], m[3], m[6], m[1], m[4], m[7], m[2], m[5], m[8])


@helper
def _outer(a, b):
    """``a.T @ b`` for ``a, b [2, 3]``: 9 numbers."""
    return (
        a[0] * b[0] + a[3] * b[3], a[0] * b[1] + a[3] * b[4], a[0] * b[2] + a[3] * b[5],
        a[1] * b[0] + a[4] * b[3], a[1] * b[1] + a[4] * b[4], a[1] * b[2] + a[4] * b[5],
        a[2] * b[0] + a[5] * b[3], a[2] * b[1] + a[5] * b[4], a[2] * b[2] + a[5] * b[5],
    )  # fmt: skip


@helper
def _scaled(a, s0, s1, s2):
    """``a [2, 3] @ diag(s)``."""
    return (a[0] * s0, a[1] * s1, a[2] * s2, a[3] * s0, a[4] * s1, a[5] * s2)


@helper
def _camera_axes(view):
    """The view's rotation as 9 numbers."""
    return (
        view[0, 0], view[0, 1], view[0, 2],
        view[1, 0], view[1, 1], view[1, 2],
        view[2, 0], view[2, 1], view[2, 2],
    )  # fmt: skip


@helper
def _place(view, means, i):
    """Camera-frame position of Gaussian i."""
    x, y, z = means[i, 0], means[i, 1], means[i, 2]
    return (
        view[0, 0] * x + view[0, 1] * y + view[0, 2] * z + view[0, 3],
        view[1, 0] * x + view[1, 1] * y + view[1, 2] * z + view[1, 3],
        view[2, 0] * x + view[2, 1] * y + view[2, 2] * z + view[2, 3],
    )


@helper
def _limits(lens):
    """Largest and smallest x/z and y/z at which the projection is linearised."""
    dt = type(lens[0])
    margin_x = dt(FIELD_MARGIN / 2) * lens[4] / lens[0]
    margin_y = dt(FIELD_MARGIN / 2) * lens[5] / lens[1]
    return (
        (lens[4] - lens[2]) / lens[0] + margin_x,
        -lens[2] / lens[0] - margin_x,
        (lens[5] - lens[3]) / lens[1] + margin_y,
        -lens[3] / lens[1] - margin_y,
    )


@helper
def _jacobian(x, y, z, lens, limits):
    """Derivative of the pixel by the camera-frame position, ``[2, 3]``, at the clamped position."""
    inverse = type(z)(1) / z
    along_x = min(limits[0], max(limits[1], x * inverse))
    along_y = min(limits[2], max(limits[3], y * inverse))
    zero = z - z
    fx = lens[0] * inverse
    fy = lens[1] * inverse
    return (fx, zero, -fx * along_x, zero, fy, -fy * along_y)


@kernel
def project(first, last, means, quaternions, scales, opacities, colours, view, lens, splats, boxes, depths):
    """Project Gaussians ``first .. last``; see the module's text for the outputs."""
    dt = means.dtype.type
    one = dt(1)
    blur, min_alpha, max_extent, half, slack = dt(BLUR), dt(MIN_ALPHA), dt(MAX_EXTENT), dt(0.5), dt(0.01)
    width, height = lens[4], lens[5]
    axes, limits = _camera_axes(view), _limits(lens)
    channels = colours.shape[1]
    for i in range(first, last):
        depths[i] = 0
        boxes[i, 0] = boxes[i, 1] = boxes[i, 2] = boxes[i, 3] = 0
        x, y, z = _place(view, means, i)
        opacity = opacities[i]
        if not (z >= dt(NEAR) and z <= dt(FAR) and opacity >= min_alpha):
            continue
        colour_sum = dt(0)
        for k in range(channels):
            colour_sum += abs(colours[i, k])
        if not colour_sum < dt(MAX_DETERMINANT):
            continue
        w, a, b, c = quaternions[i, 0], quaternions[i, 1], quaternions[i, 2], quaternions[i, 3]
        unit = one / math.sqrt(w * w + a * a + b * b + c * c)
        rotation = _rotation(w * unit, a * unit, b * unit, c * unit)
        root = _scaled(
            _times(_times(_jacobian(x, y, z, lens, limits), axes), rotation), scales[i, 0], scales[i, 1], scales[i, 2]
        )  # [2, 3]: the picture's covariance is root @ root.T
        xx = root[0] * root[0] + root[1] * root[1] + root[2] * root[2] + blur
        xy = root[0] * root[3] + root[1] * root[4] + root[2] * root[5]
        yy = root[3] * root[3] + root[4] * root[4] + root[5] * root[5] + blur
        determinant = xx * yy - xy * xy
        if not (determinant > dt(0) and determinant < dt(MAX_DETERMINANT)):
            continue
        column = lens[0] * x / z + lens[2]
        row = lens[1] * y / z + lens[3]
        extent = min(max_extent, math.sqrt(dt(2) * math.log(opacity / min_alpha)))
        reach_x = extent * math.sqrt(xx) + slack
        reach_y = extent * math.sqrt(yy) + slack
        left = max(dt(0), math.ceil(column - reach_x - half))
        right = min(width, math.floor(column + reach_x - half) + one)
        top = max(dt(0), math.ceil(row - reach_y - half))
        bottom = min(height, math.floor(row + reach_y - half) + one)
        if not (left < right and top < bottom):
            continue
        depths[i] = z
        boxes[i, 0], boxes[i, 1], boxes[i, 2], boxes[i, 3] = int(left), int(right), int(top), int(bottom)
        inverse = one / determinant
        splats[i, 0] = column
        splats[i, 1] = row
        splats[i, 2] = yy * inverse
        splats[i, 3] = -xy * inverse
        splats[i, 4] = xx * inverse
        splats[i, 5] = opacity
