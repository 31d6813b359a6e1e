"""CPU kernels: what stands behind the head, and the finished frame, pixel by pixel.

They do what :mod:`mggtalk.inpaint.follow`, :mod:`mggtalk.inpaint.shrink` and the analytic part of
:mod:`mggtalk.inpaint.image_renderer` do in torch; tests compare the two. Pictures are ``[S, S, C]``: the channels of a
pixel lie together.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mggtalk.runtime.kernels import helper, kernel

HIDDEN = 1.0 / 1024.0
"""Share of a plate under which it need not be drawn: a quarter of a grey level."""


@helper
def _cell(place: float, side: int) -> tuple[Any, Any, Any]:
    """Lower and upper index and the share of the upper one, for a place in pixels (centres at +0.5), clamped.

    The indices are unsigned because signed ones would be tested for being negative wherever they are used.
    """
    dt = type(place)
    place = min(max(place - dt(0.5), dt(0)), dt(side - 1))
    low = int(place)
    return np.uint64(low), np.uint64(min(low + 1, side - 1)), place - dt(low)


@helper
def _sample(image: np.ndarray, x: float, y: float) -> float:
    """Bilinear sample of ``image [S, S]`` at a place in units of its side."""
    dt = type(x)
    side = image.shape[0]
    left, right, along = _cell(x * dt(side), side)
    top, bottom, down = _cell(y * dt(side), side)
    above = image[top, left] + along * (image[top, right] - image[top, left])
    below = image[bottom, left] + along * (image[bottom, right] - image[bottom, left])
    return above + down * (below - above)


@helper
def _neck_weight(weight: float, reach: float) -> float:
    """See :func:`mggtalk.inpaint.follow.neck_weight`."""
    dt = type(weight)
    half, one = dt(0.5), dt(1)
    depth = half - math.sin(math.asin(min(max(dt(2) * weight - one, -one), one)) / dt(3))
    nearer = min(max(depth / reach, dt(0)), one)
    return one - nearer * nearer * (dt(3) - dt(2) * nearer)


@kernel
def follow_head(
    first: int,
    last: int,
    follow: np.ndarray,
    nearer: np.ndarray,
    motion: np.ndarray,
    shift: np.ndarray,
    torso: np.ndarray,
    depth: float,
    reach: float,
    ratio: float,
    stretch: float,
    steps: int,
    offsets: np.ndarray,
) -> None:
    """Rows ``first .. last`` of :func:`mggtalk.inpaint.follow.torso_warp`.

    Args:
        first: First row.
        last: One past the last row.
        follow: Weight ``[S, S]``.
        nearer: Decimetres ``[S, S]`` that a pixel lies before the neck's plane.
        motion: ``[3, 3]`` takes camera-frame points of the source pose to those of the driven one, with ``shift``.
        shift: ``[3]``.
        torso: ``[2, 3]`` similarity of the shoulders, in units of the side.
        depth: Of the neck's plane in the source's camera frame.
        reach: Of the head's pull over that of ``follow``: :func:`mggtalk.inpaint.follow.neck_reach`.
        ratio: Focal length over the side.
        stretch: :data:`mggtalk.inpaint.follow.STRETCH`.
        steps: Fixed-point steps.
        offsets: ``[G, G, 2]``, written, in units of the side.
    """
    dt = follow.dtype.type
    half, one = dt(0.5), dt(1)
    side = offsets.shape[0]
    last_y = (dt(side) - half) / dt(side)
    for row in range(first, last):
        for column in range(side):
            target_x, target_y = (dt(column) + half) / dt(side), (dt(row) + half) / dt(side)
            x, y = target_x, target_y
            for _ in range(steps):
                weight = _neck_weight(_sample(follow, x, y), reach)
                pz = depth - _sample(nearer, x, y)
                px, py = (x - half) / ratio * pz, (y - half) / ratio * pz
                qx = motion[0, 0] * px + motion[0, 1] * py + motion[0, 2] * pz + shift[0]
                qy = motion[1, 0] * px + motion[1, 1] * py + motion[1, 2] * pz + shift[1]
                qz = one / (motion[2, 0] * px + motion[2, 1] * py + motion[2, 2] * pz + shift[2])
                below_x = torso[0, 0] * x + torso[0, 1] * y + torso[0, 2]
                below_y = torso[1, 0] * x + torso[1, 1] * y + torso[1, 2]
                x, y = (
                    x + target_x - below_x - weight * (qx * qz * ratio + half - below_x),
                    y + target_y - below_y - weight * (qy * qz * ratio + half - below_y),
                )
            offsets[row, column, 0] = x - target_x
            down = y - target_y
            if down > dt(0):
                down *= one - math.exp((target_y - last_y) / (stretch * max(down, dt(1e-6))))
            offsets[row, column, 1] = down


@kernel
def cover_plate(
    first: int,
    last: int,
    torso: np.ndarray,
    background: np.ndarray,
    offsets: np.ndarray,
    shoulder: float,
    head: np.ndarray,
    alpha: np.ndarray,
    composite: np.ndarray,
) -> None:
    """Rows ``first .. last`` of :func:`mggtalk.inpaint.follow.torso_and_background`, and the head over it.

    Args:
        first: First row.
        last: One past the last row.
        torso: ``[F, F, 4]`` premultiplied.
        background: ``[F, F, 3]``.
        offsets: ``[G, G, 2]`` of :func:`follow_head`.
        shoulder: Slope at which the torso goes on beside the picture.
        head: ``[F, F, 3]`` premultiplied.
        alpha: ``[F, F]``.
        composite: ``[F, F, 3]``, written.
    """
    dt = torso.dtype.type
    zero, one, half = dt(0), dt(1), dt(0.5)
    side, grid = torso.shape[0], offsets.shape[0]
    scale = dt(grid) / dt(side)
    moves, colour = np.empty((grid, 2), offsets.dtype), np.empty(4, torso.dtype)
    horizontal, vertical = np.uint64(0), np.uint64(1)
    for y in range(first, last):
        top, bottom, down = _cell((dt(y) + half) * scale, grid)
        for place in range(grid):  # the offsets of this row, in pixels
            for axis in range(2):
                upper, lower = offsets[top, place, axis], offsets[bottom, place, axis]
                moves[place, axis] = (upper + down * (lower - upper)) * dt(side)
        row = np.uint64(y)
        for x in range(side):
            column = np.uint64(x)
            rest = one - alpha[row, column]
            if rest <= dt(HIDDEN):
                for channel in range(3):
                    k = np.uint64(channel)
                    composite[row, column, k] = head[row, column, k]
                continue
            left, right, along = _cell((dt(x) + half) * scale, grid)
            move_x = moves[left, horizontal] + along * (moves[right, horizontal] - moves[left, horizontal])
            move_y = moves[left, vertical] + along * (moves[right, vertical] - moves[left, vertical])
            place = dt(x) + half + move_x
            beyond = max(-place, place - dt(side), zero)
            x0, x1, part_x = _cell(place, side)
            y0, y1, part_y = _cell(dt(y) + half + move_y - dt(shoulder) * beyond, side)
            a, b = (one - part_y) * (one - part_x), (one - part_y) * part_x
            c, d = part_y * (one - part_x), part_y * part_x
            for channel in range(4):
                k = np.uint64(channel)
                colour[k] = a * torso[y0, x0, k] + b * torso[y0, x1, k] + c * torso[y1, x0, k] + d * torso[y1, x1, k]
            bare = one - colour[3]
            for channel in range(3):
                k = np.uint64(channel)
                behind = colour[k] + bare * background[row, column, k]
                composite[row, column, k] = head[row, column, k] + rest * behind


@kernel
def shrink_rows(first: int, last: int, image: np.ndarray, taps: np.ndarray, block: int, small: np.ndarray) -> None:
    """Rows ``first .. last`` of :func:`mggtalk.inpaint.shrink.shrink`.

    Args:
        first: First row of ``small``.
        last: One past the last row.
        image: ``[F, F, C]``.
        taps: ``[n]`` of :func:`mggtalk.inpaint.shrink.lanczos_taps`.
        block: F over S.
        small: ``[S, S, C]``, written.
    """
    side, channels = image.shape[0], image.shape[2]
    count, width = len(taps), channels * small.shape[1]
    margin = (count - block) // 2
    rows = image.reshape(side, side * channels)
    shrunk = small.reshape(len(small), width)
    line = np.empty(side * channels, image.dtype)
    # Column by column of a block, so that neighbours in the result are neighbours here.
    phases = np.empty((block, channels * ((side + 2 * margin) // block + 1)), image.dtype)
    for y in range(first, last):
        line[:] = 0
        for tap in range(count):
            weight, row = taps[tap], rows[min(max(y * block - margin + tap, 0), side - 1)]
            for i in range(side * channels):
                line[i] += weight * row[i]
        for x in range(side + 2 * margin):
            source, target = channels * min(max(x - margin, 0), side - 1), channels * (x // block)
            for k in range(channels):
                phases[x % block, target + k] = line[source + k]
        result = shrunk[y]
        result[:] = 0
        for tap in range(count):
            weight, start = taps[tap], channels * (tap // block)
            phase = phases[tap % block, start : start + width]
            for i in range(width):
                result[i] += weight * phase[i]


@kernel
def stack_layers(
    first: int, last: int, composite: np.ndarray, alpha: np.ndarray, fold: int, layers: np.ndarray
) -> None:
    """Rows ``first .. last`` of the folded layers: what the image network sees, pixels first, channels last.

    Args:
        first: First row of ``layers``.
        last: One past the last row.
        composite: ``[S, S, 3]``; clamped to [0, 1], as is alpha.
        alpha: ``[S, S, 1]``.
        fold: Side of the squares of pixels that become one.
        layers: ``[S / fold, S / fold, 4 fold^2]``, written.
    """
    zero, one = composite.dtype.type(0), composite.dtype.type(1)
    for y in range(first, last):
        for x in range(layers.shape[1]):
            for inner_y in range(fold):
                for inner_x in range(fold):
                    start = 4 * (inner_y * fold + inner_x)
                    row, column = y * fold + inner_y, x * fold + inner_x
                    for k in range(3):
                        layers[y, x, start + k] = min(max(composite[row, column, k], zero), one)
                    layers[y, x, start + 3] = min(max(alpha[row, column, 0], zero), one)


@kernel
def finish(first: int, last: int, composite: np.ndarray, residual: np.ndarray, gate: float, frame: np.ndarray) -> None:
    """Rows ``first .. last`` of the frame.

    Args:
        first: First row.
        last: One past the last row.
        composite: ``[S, 3 S]``; a pixel's channels lie together.
        residual: ``[R, R, 3]`` of the image network, read bilinearly where R differs from S; R is 0 without one.
        gate: How far it is let through.
        frame: uint8 ``[S, 3 S]``, written.
    """
    dt = composite.dtype.type
    zero, one, half, white = dt(0), dt(1), dt(0.5), dt(255)
    side, grid = len(frame), residual.shape[0]
    scale = dt(grid) / dt(side)
    added = np.zeros(3 * side, composite.dtype)
    for y in range(first, last):
        if grid > 0:
            top, bottom, down = _cell((dt(y) + half) * scale, grid)
            for x in range(side):
                left, right, along = _cell((dt(x) + half) * scale, grid)
                a, b = (one - down) * (one - along) * gate, (one - down) * along * gate
                c, d = down * (one - along) * gate, down * along * gate
                for k in range(3):
                    upper = a * residual[top, left, k] + b * residual[top, right, k]
                    added[3 * x + k] = upper + c * residual[bottom, left, k] + d * residual[bottom, right, k]
        made, shown = composite[y], frame[y]
        for i in range(3 * side):
            value = min(max(min(max(made[i], zero), one) + added[i], zero), one)
            shown[i] = np.uint8(np.int32(value * white + half))
