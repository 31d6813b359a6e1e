"""CPU kernels: the projection of Gaussians to the picture, and its gradients.

A projected Gaussian is a row of ``splats [N, 6]``: centre x, y (pixels), the inverse covariance's xx, xy, yy entries,
opacity. ``boxes [N, 4]`` holds the pixels it can touch (first and end column, first and end row), ``depths [N]`` its
camera-frame z. A dropped Gaussian has depth 0 and an empty box.

Small matrices are flat tuples, row by row. ``view`` is ``[4, 4]``; ``lens`` is focal x, y, centre x, y, width, height.
"""

from __future__ import annotations

import math

import numpy as np

from mggtalk.render.constants import (
    BLUR,
    FAR,
    FIELD_MARGIN,
    MAX_DETERMINANT,
    MAX_EXTENT,
    MIN_ALPHA,
    NEAR,
)
from mggtalk.runtime.kernels import Numbers, helper, kernel

SPLAT_FIELDS = 6
MOMENTS = 6
"""Sums per Gaussian from which all gradients of the geometry follow, see ``composite_gradients``."""


@helper
def _rotation(w: float, x: float, y: float, z: float) -> Numbers:
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
def _times(a: Numbers, m: Numbers) -> Numbers:
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
def _transpose(m: Numbers) -> Numbers:
    """Transpose of ``m [3, 3]``."""
    return (m[0], m[3], m[6], m[1], m[4], m[7], m[2], m[5], m[8])


@helper
def _outer(a: Numbers, b: Numbers) -> Numbers:
    """``a.T @ b`` for ``a, b [2, 3]``: 9 numbers."""
    return (
        a[0] * b[0] + a[3] * b[3], a[0] * b[1] + a[3] * b[4], a[0] * b[2] + a[3] * b[5],
        a[1] * b[0] + a[4] * b[3], a[1] * b[1] + a[4] * b[4], a[1] * b[2] + a[4] * b[5],
        a[2] * b[0] + a[5] * b[3], a[2] * b[1] + a[5] * b[4], a[2] * b[2] + a[5] * b[5],
    )  # fmt: skip


@helper
def _scale(a: Numbers, s0: float, s1: float, s2: float) -> Numbers:
    """``a [2, 3] @ diag(s)``."""
    return (a[0] * s0, a[1] * s1, a[2] * s2, a[3] * s0, a[4] * s1, a[5] * s2)


@helper
def _camera_axes(view: np.ndarray) -> Numbers:
    """The view's rotation as 9 numbers."""
    return (
        view[0, 0], view[0, 1], view[0, 2],
        view[1, 0], view[1, 1], view[1, 2],
        view[2, 0], view[2, 1], view[2, 2],
    )  # fmt: skip


@helper
def _place(view: np.ndarray, means: np.ndarray, i: int) -> Numbers:
    """Camera-frame position of Gaussian i."""
    x, y, z = means[i, 0], means[i, 1], means[i, 2]
    return (
        view[0, 0] * x + view[0, 1] * y + view[0, 2] * z + view[0, 3],
        view[1, 0] * x + view[1, 1] * y + view[1, 2] * z + view[1, 3],
        view[2, 0] * x + view[2, 1] * y + view[2, 2] * z + view[2, 3],
    )


@helper
def _limits(lens: np.ndarray) -> Numbers:
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
def _jacobian(x: float, y: float, z: float, lens: np.ndarray, limits: Numbers) -> Numbers:
    """Derivative of the pixel by the camera-frame position, ``[2, 3]``, at the clamped position."""
    inverse = type(z)(1) / z
    along_x = min(limits[0], max(limits[1], x * inverse))
    along_y = min(limits[2], max(limits[3], y * inverse))
    zero = z - z
    fx = lens[0] * inverse
    fy = lens[1] * inverse
    return (fx, zero, -fx * along_x, zero, fy, -fy * along_y)


@helper
def _ceil(value: float) -> np.int32:
    """Ceiling of a number that is not negative and fits into 32 bits."""
    whole = np.int32(value)
    return whole + np.int32(type(value)(whole) < value)


@kernel
def project(
    first: int,
    last: int,
    means: np.ndarray,
    quaternions: np.ndarray,
    scales: np.ndarray,
    opacities: np.ndarray,
    colours: np.ndarray,
    view: np.ndarray,
    lens: np.ndarray,
    splats: np.ndarray,
    boxes: np.ndarray,
    depths: np.ndarray,
) -> None:
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
        root = _scale(
            _times(_times(_jacobian(x, y, z, lens, limits), axes), rotation), scales[i, 0], scales[i, 1], scales[i, 2]
        )  # [2, 3]: the picture's covariance is root @ root.T
        xx = root[0] * root[0] + root[1] * root[1] + root[2] * root[2] + blur
        xy = root[0] * root[3] + root[1] * root[4] + root[2] * root[5]
        yy = root[3] * root[3] + root[4] * root[4] + root[5] * root[5] + blur
        determinant = xx * yy - xy * xy
        if not (determinant > dt(0) and determinant < dt(MAX_DETERMINANT)):
            continue
        per_depth = one / z
        column = lens[0] * x * per_depth + lens[2]
        row = lens[1] * y * per_depth + lens[3]
        extent = min(max_extent, math.sqrt(dt(2) * math.log(opacity / min_alpha)))
        reach_x = extent * math.sqrt(xx) + slack
        reach_y = extent * math.sqrt(yy) + slack
        left = _ceil(min(width, max(dt(0), column - reach_x - half)))
        right = np.int32(min(width, max(dt(0), column + reach_x + half)))
        top = _ceil(min(height, max(dt(0), row - reach_y - half)))
        bottom = np.int32(min(height, max(dt(0), row + reach_y + half)))
        if not (left < right and top < bottom):
            continue
        depths[i] = z
        boxes[i, 0], boxes[i, 1], boxes[i, 2], boxes[i, 3] = left, right, top, bottom
        inverse = one / determinant
        splats[i, 0] = column
        splats[i, 1] = row
        splats[i, 2] = yy * inverse
        splats[i, 3] = -xy * inverse
        splats[i, 4] = xx * inverse
        splats[i, 5] = opacity


@helper
def _quaternion_gradient(m: Numbers, w: float, x: float, y: float, z: float, unit: float) -> Numbers:
    """Gradient by a quaternion, from that by its rotation matrix (9 numbers) and its unit form; ``unit`` = 1/norm."""
    two = type(w)(2)
    by_w = two * (x * (m[7] - m[5]) + y * (m[2] - m[6]) + z * (m[3] - m[1]))
    by_x = two * (y * (m[1] + m[3]) + z * (m[2] + m[6]) + w * (m[7] - m[5]) - two * x * (m[4] + m[8]))
    by_y = two * (x * (m[1] + m[3]) + z * (m[5] + m[7]) + w * (m[2] - m[6]) - two * y * (m[0] + m[8]))
    by_z = two * (x * (m[2] + m[6]) + y * (m[5] + m[7]) + w * (m[3] - m[1]) - two * z * (m[0] + m[4]))
    radial = by_w * w + by_x * x + by_y * y + by_z * z
    return (
        (by_w - radial * w) * unit,
        (by_x - radial * x) * unit,
        (by_y - radial * y) * unit,
        (by_z - radial * z) * unit,
    )


@helper
def _place_gradient(
    x: float,
    y: float,
    z: float,
    lens: np.ndarray,
    limits: Numbers,
    by_column: float,
    by_row: float,
    by_jacobian: Numbers,
) -> Numbers:
    """Gradient by the camera-frame position, from those by the pixel and by the entries of the Jacobian [2, 3]."""
    inverse = type(z)(1) / z
    fx, fy = lens[0] * inverse, lens[1] * inverse
    slope_x, slope_y = x * inverse, y * inverse
    by_x, by_y = fx * by_column, fy * by_row
    by_z = -(fx * slope_x * by_column + fy * slope_y * by_row)
    by_z -= inverse * (fx * by_jacobian[0] + fy * by_jacobian[4])
    bent_x, bent_y = fx * inverse * by_jacobian[2], fy * inverse * by_jacobian[5]
    along_x = min(limits[0], max(limits[1], slope_x))
    along_y = min(limits[2], max(limits[3], slope_y))
    by_z += bent_x * along_x + bent_y * along_y
    if along_x == slope_x:
        by_x -= bent_x
        by_z += bent_x * along_x
    if along_y == slope_y:
        by_y -= bent_y
        by_z += bent_y * along_y
    return by_x, by_y, by_z


@kernel
def project_gradients(
    first: int,
    last: int,
    means: np.ndarray,
    quaternions: np.ndarray,
    scales: np.ndarray,
    view: np.ndarray,
    lens: np.ndarray,
    splats: np.ndarray,
    depths: np.ndarray,
    moments: np.ndarray,
    grad_means: np.ndarray,
    grad_quaternions: np.ndarray,
    grad_scales: np.ndarray,
    grad_opacities: np.ndarray,
    chunk: int,
    grad_views: np.ndarray,
) -> None:
    """Gradients of :func:`project` from ``moments [N, 6]``, the sums that ``composite_gradients`` makes.

    The gradient by the view goes to row ``first // chunk`` of ``grad_views [tasks, 3, 4]``.
    """
    dt = means.dtype.type
    one, two, half = dt(1), dt(2), dt(0.5)
    axes, limits = _camera_axes(view), _limits(lens)
    part = first // chunk
    for i in range(first, last):
        if not depths[i] > 0:
            for k in range(3):
                grad_means[i, k] = grad_scales[i, k] = 0
            for k in range(4):
                grad_quaternions[i, k] = 0
            grad_opacities[i] = 0
            continue
        a, b, c = splats[i, 2], splats[i, 3], splats[i, 4]
        grad_opacities[i] = -moments[i, 0] / splats[i, 5]
        by_column = a * moments[i, 1] + b * moments[i, 2]
        by_row = b * moments[i, 1] + c * moments[i, 2]
        # by the inverse covariance P: G = [[xx, xy], [xy, yy]] / 2; by the covariance: -P G P
        g_xx, g_xy, g_yy = half * moments[i, 3], half * moments[i, 4], half * moments[i, 5]
        left_xx, left_xy = a * g_xx + b * g_xy, a * g_xy + b * g_yy
        left_yx, left_yy = b * g_xx + c * g_xy, b * g_xy + c * g_yy
        by_xx = -(left_xx * a + left_xy * b)
        by_xy = -(left_xx * b + left_xy * c)
        by_yy = -(left_yx * b + left_yy * c)
        x, y, z = _place(view, means, i)
        q0, q1, q2, q3 = quaternions[i, 0], quaternions[i, 1], quaternions[i, 2], quaternions[i, 3]
        unit = one / math.sqrt(q0 * q0 + q1 * q1 + q2 * q2 + q3 * q3)
        q0, q1, q2, q3 = q0 * unit, q1 * unit, q2 * unit, q3 * unit
        rotation = _rotation(q0, q1, q2, q3)
        jacobian = _jacobian(x, y, z, lens, limits)
        to_picture = _times(jacobian, axes)  # [2, 3] head frame to picture
        turned = _times(to_picture, rotation)  # [2, 3] the Gaussian's own axes to picture
        s0, s1, s2 = scales[i, 0], scales[i, 1], scales[i, 2]
        root = _scale(turned, s0, s1, s2)
        by_root = (
            two * (by_xx * root[0] + by_xy * root[3]),
            two * (by_xx * root[1] + by_xy * root[4]),
            two * (by_xx * root[2] + by_xy * root[5]),
            two * (by_xy * root[0] + by_yy * root[3]),
            two * (by_xy * root[1] + by_yy * root[4]),
            two * (by_xy * root[2] + by_yy * root[5]),
        )
        for k in range(3):
            grad_scales[i, k] = by_root[k] * turned[k] + by_root[3 + k] * turned[3 + k]
        by_turned = _scale(by_root, s0, s1, s2)
        grads = _quaternion_gradient(_outer(to_picture, by_turned), q0, q1, q2, q3, unit)
        for k in range(4):
            grad_quaternions[i, k] = grads[k]
        by_to_picture = _times(by_turned, _transpose(rotation))
        by_jacobian = _times(by_to_picture, _transpose(axes))
        by_place = _place_gradient(x, y, z, lens, limits, by_column, by_row, by_jacobian)
        by_axes = _outer(jacobian, by_to_picture)
        for k in range(3):
            grad_means[i, k] = axes[k] * by_place[0] + axes[3 + k] * by_place[1] + axes[6 + k] * by_place[2]
            for j in range(3):
                grad_views[part, k, j] += by_place[k] * means[i, j] + by_axes[3 * k + j]
            grad_views[part, k, 3] += by_place[k]
