"""CPU kernels: front-to-back compositing of projected Gaussians, its gradients, and sums over what it adds.

A tile is worked on in one array ``work`` of planes of ``ROW * TILE`` numbers at constant offsets: the compiler then
knows that they do not overlap, and turns the loops over LANES pixels into vector instructions. Rows are padded by
LANES columns of finished pixels, so that a run of LANES pixels may start anywhere. Plane 0 is the transmittance; the
minus sign marks a finished pixel. Indices are unsigned because signed ones would be tested for being negative. Masks
are factors, and a loop over lanes is followed by others or by :mod:`mggtalk.render.compiled.lanes`, because the
compiler makes slow loops of other forms.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types
from numba.cpython.unsafe.tuple import tuple_setitem
from numba.extending import overload

from mggtalk.render.compiled.lanes import LANES, add_scaled, any_positive
from mggtalk.render.compiled.tiles import TILE
from mggtalk.render.constants import MAX_ALPHA, MIN_ALPHA, MIN_TRANSMITTANCE
from mggtalk.runtime.kernels import FAST_MATH, Numbers, helper, inlined, kernel

ROW = TILE + LANES
PLANE = ROW * TILE
LOOK = 64
"""After this many Gaussians a tile is looked at for whether all its pixels are finished."""


def _decay(x: Any) -> Any:
    """``exp(-x)`` for x >= 0, for the kernels."""


@overload(_decay, jit_options={"fastmath": set(FAST_MATH)})
def _decay_for(x):  # type: ignore[no-untyped-def]  # numba compares the signature with that of what it returns
    """Float64: the library's. Float32: a polynomial (relative error 2e-7) that vectorises. 1 where x < 0."""
    if x == types.float64:
        return lambda x: math.exp(min(0.0, -x))

    def polynomial(x):  # type: ignore[no-untyped-def]
        power = min(np.float32(0.0), max(x * np.float32(-1.4426950408889634), np.float32(-126.0)))
        whole = np.int32(power - np.float32(0.5))
        part = power - np.float32(whole)
        value = np.float32(1.5403530e-4)
        value = value * part + np.float32(1.33335581e-3)
        value = value * part + np.float32(9.61812911e-3)
        value = value * part + np.float32(5.55041087e-2)
        value = value * part + np.float32(2.40226507e-1)
        value = value * part + np.float32(6.93147181e-1)
        value = value * part + np.float32(1.0)
        return value * np.int32((whole + np.int32(127)) << np.int32(23)).view(np.float32)

    return polynomial


@inlined
def _draw_run(
    work: np.ndarray,
    start: int,
    weights: int,
    opacity: float,
    dx_start: float,
    a: float,
    b_term: float,
    c_term: float,
) -> None:
    """Let one Gaussian cover LANES pixels of a row: their transmittance falls, and its weight in each is written.

    Args:
        work: The tile, see the module.
        start: First of the pixels.
        weights: Offset of the plane into which the weights go, ``alpha T``; 0 where nothing is drawn.
        opacity: Of the Gaussian.
        dx_start: From the first pixel to its centre.
        a: ``sigma = (a dx + b_term) dx + c_term`` is half the squared distance to the centre, in its own scale.
        b_term: See a.
        c_term: See a.
    """
    dt = work.dtype.type
    zero, one = dt(0), dt(1)
    min_alpha, max_alpha, stop_at = dt(MIN_ALPHA), dt(MAX_ALPHA), dt(MIN_TRANSMITTANCE)
    for lane in range(LANES):
        q = start + np.uint64(lane)
        dx = dx_start - dt(np.int32(lane))
        before = work[q]
        sigma = (a * dx + b_term) * dx + c_term
        alpha = min(max_alpha, opacity * _decay(sigma))
        seen = (before > zero) & (sigma >= zero) & (alpha >= min_alpha)
        alpha = alpha * dt(seen)
        after = before * (one - alpha)
        stop = seen & (after <= stop_at)
        work[q] = -before if stop else after
        work[q + weights] = zero if stop else alpha * before


@inlined
def _all_finished(work: np.ndarray) -> bool:
    """Whether no pixel of a tile lets anything through any more."""
    live = False
    for cell in range(PLANE):
        live |= work[cell] > 0
    return not live


@kernel
def composite(
    first: int,
    last: int,
    offsets: np.ndarray,
    members: np.ndarray,
    splats: np.ndarray,
    boxes: np.ndarray,
    colours: np.ndarray,
    background: Numbers,
    tiles_x: int,
    block: int,
    image: np.ndarray,
    transmittance: np.ndarray,
) -> None:
    """Composite tiles ``first .. last``.

    Args:
        first: First tile.
        last: One past the last tile.
        offsets: ``[tiles + 1]`` where the list of each tile begins in ``members``.
        members: Indices of the Gaussians of each tile, nearest first.
        splats: ``[N, 6]``, see :mod:`mggtalk.render.compiled.project`.
        boxes: ``[N, 4]``.
        colours: ``[N, C]``.
        background: Tuple of C numbers; its length fixes C when the kernel is compiled.
        tiles_x: Tiles in a row of the picture.
        block: What is written are means over squares of this side, a divisor of TILE and of both sides of the picture.
        image: ``[H / block, W / block, C]``, written.
        transmittance: ``[H / block, W / block]``, written: what is left of the background.
    """
    dt = splats.dtype.type
    zero, one, half = dt(0), dt(1), dt(0.5)
    channels = len(background)
    height, width = transmittance.shape[0] * block, transmittance.shape[1] * block
    share = one / dt(block * block)
    weights = np.uint64((1 + channels) * PLANE)
    work = np.empty((2 + channels) * PLANE, splats.dtype)
    for tile in range(first, last):
        tile_top, tile_left = tile // tiles_x * TILE, tile % tiles_x * TILE
        tile_bottom, tile_right = min(height, tile_top + TILE), min(width, tile_left + TILE)
        if offsets[tile] == offsets[tile + 1]:
            for y in range(tile_top // block, tile_bottom // block):
                for x in range(tile_left // block, tile_right // block):
                    transmittance[y, x] = one
                    for k in range(channels):
                        image[y, x, k] = background[k]
            continue
        work[:] = zero
        for y in range(tile_bottom - tile_top):
            for x in range(tile_right - tile_left):
                work[y * ROW + x] = one
        for place in range(offsets[tile], offsets[tile + 1]):
            i = np.uint64(members[place])
            centre_x, centre_y = splats[i, np.uint64(0)] - half, splats[i, np.uint64(1)] - half
            a, b, c = half * splats[i, np.uint64(2)], splats[i, np.uint64(3)], half * splats[i, np.uint64(4)]
            opacity = splats[i, np.uint64(5)]
            left, right = max(tile_left, boxes[i, 0]), min(tile_right, boxes[i, 1])
            top, bottom = max(tile_top, boxes[i, 2]), min(tile_bottom, boxes[i, 3])
            colour = background
            for k in range(channels):
                colour = tuple_setitem(colour, k, colours[i, np.uint64(k)])  # type: ignore[call-arg]
            for y in range(top, bottom):
                dy = centre_y - dt(y)
                c_term, b_term = c * dy * dy, b * dy
                for x in range(left, right, LANES):
                    start = np.uint64((y - tile_top) * ROW + (x - tile_left))
                    if not any_positive(work, start):
                        continue
                    _draw_run(work, start, weights, opacity, centre_x - dt(x), a, b_term, c_term)
                    for k in range(channels):
                        add_scaled(work, start + np.uint64((k + 1) * PLANE), start + weights, colour[k])
            if (place - offsets[tile]) % LOOK == LOOK - 1 and _all_finished(work):
                break
        for y in range(tile_top // block, tile_bottom // block):
            for x in range(tile_left // block, tile_right // block):
                start = np.uint64((y * block - tile_top) * ROW + x * block - tile_left)
                rest = zero
                for cell_y in range(block):
                    for cell_x in range(block):
                        rest += abs(work[start + np.uint64(cell_y * ROW + cell_x)])
                rest *= share
                transmittance[y, x] = rest
                for k in range(channels):
                    total = zero
                    for cell_y in range(block):
                        for cell_x in range(block):
                            total += work[start + np.uint64((k + 1) * PLANE + cell_y * ROW + cell_x)]
                    image[y, x, k] = total * share + rest * background[k]


@kernel
def composite_gradients(
    first: int,
    last: int,
    offsets: np.ndarray,
    members: np.ndarray,
    splats: np.ndarray,
    boxes: np.ndarray,
    colours: np.ndarray,
    background: Numbers,
    tiles_x: int,
    image: np.ndarray,
    transmittance: np.ndarray,
    grad_image: np.ndarray,
    grad_alpha: np.ndarray,
    starts: np.ndarray,
    sums: np.ndarray,
) -> None:
    """Gradients of :func:`composite`, front to back once more.

    With g the gradient of the pixel, ``S = g . image - T_final * grad_alpha`` less what the Gaussians so far have
    contributed is what lies behind the current one, so one number per pixel replaces the walk from the back.

    Args:
        first: First tile.
        last: One past the last tile.
        offsets: As in :func:`composite`, like the seven that follow.
        members: As in :func:`composite`.
        splats: As in :func:`composite`.
        boxes: As in :func:`composite`.
        colours: As in :func:`composite`.
        background: As in :func:`composite`.
        tiles_x: As in :func:`composite`.
        image: What :func:`composite` wrote.
        transmittance: What :func:`composite` wrote.
        grad_image: ``[H, W, C]``.
        grad_alpha: ``[H, W]``.
        starts: ``[N]`` first row of each Gaussian in ``sums``.
        sums: ``[intersections, 6 + C]``, written: with v the gradient by sigma, the sums over the tile's pixels of
            v, v dx, v dy, v dx², v dx dy, v dy², and the gradients by the colours. One row per Gaussian and tile, so
            that no two threads write the same row.
    """
    dt = splats.dtype.type
    zero, one, half = dt(0), dt(1), dt(0.5)
    min_alpha, max_alpha, stop_at = dt(MIN_ALPHA), dt(MAX_ALPHA), dt(MIN_TRANSMITTANCE)
    channels = len(background)
    height, width = transmittance.shape
    behind, weights, slopes = np.uint64(PLANE), np.uint64(2 * PLANE), np.uint64(3 * PLANE)
    rests, befores = np.uint64(4 * PLANE), np.uint64(5 * PLANE)
    work = np.empty((6 + channels) * PLANE, splats.dtype)  # the last C planes: the gradient of the pixel
    for tile in range(first, last):
        tile_top, tile_left = tile // tiles_x * TILE, tile % tiles_x * TILE
        tile_bottom, tile_right = min(height, tile_top + TILE), min(width, tile_left + TILE)
        work[:] = zero
        for y in range(tile_top, tile_bottom):
            for x in range(tile_left, tile_right):
                q = np.uint64((y - tile_top) * ROW + x - tile_left)
                work[q] = one
                total = -transmittance[y, x] * grad_alpha[y, x]
                for k in range(channels):
                    total += image[y, x, k] * grad_image[y, x, k]
                    work[q + np.uint64((k + 6) * PLANE)] = grad_image[y, x, k]
                work[q + behind] = total
        end = offsets[tile + 1]
        for place in range(offsets[tile], offsets[tile + 1]):
            i = np.uint64(members[place])
            centre_x, centre_y = splats[i, np.uint64(0)] - half, splats[i, np.uint64(1)] - half
            a, b, c = half * splats[i, np.uint64(2)], splats[i, np.uint64(3)], half * splats[i, np.uint64(4)]
            opacity = splats[i, np.uint64(5)]
            left, right = max(tile_left, boxes[i, 0]), min(tile_right, boxes[i, 1])
            top, bottom = max(tile_top, boxes[i, 2]), min(tile_bottom, boxes[i, 3])
            colour, colour_sum = background, background
            for k in range(channels):
                colour = tuple_setitem(colour, k, colours[i, np.uint64(k)])  # type: ignore[call-arg]
                colour_sum = tuple_setitem(colour_sum, k, zero)
            v, v_x, v_y, v_xx, v_xy, v_yy = zero, zero, zero, zero, zero, zero
            for y in range(top, bottom):
                dy = centre_y - dt(y)
                c_term, b_term = c * dy * dy, b * dy
                row, row_x, row_xx = zero, zero, zero
                for x in range(left, right, LANES):
                    start = np.uint64((y - tile_top) * ROW + (x - tile_left))
                    dx_start = centre_x - dt(x)
                    for lane in range(LANES):
                        q = start + np.uint64(lane)
                        dx = dx_start - dt(np.int32(lane))
                        before = work[q]
                        sigma = (a * dx + b_term) * dx + c_term
                        raw = opacity * _decay(sigma)
                        alpha = min(max_alpha, raw)
                        seen = (before > zero) & (sigma >= zero) & (alpha >= min_alpha)
                        alpha = alpha * dt(seen)
                        rest = one - alpha
                        after = before * rest
                        stop = seen & (after <= stop_at)
                        go = dt(seen) * (one - dt(stop))
                        work[q] = after - (after + before) * dt(stop)
                        work[q + weights] = alpha * before * go
                        work[q + slopes] = raw * dt(raw <= max_alpha) * go
                        work[q + rests] = one / rest
                        work[q + befores] = before
                    for lane in range(LANES):
                        q = start + np.uint64(lane)
                        along = zero
                        for k in range(channels):
                            along += work[q + np.uint64((k + 6) * PLANE)] * colour[k]
                        left_over = work[q + behind] - work[q + weights] * along
                        work[q + behind] = left_over
                        work[q + slopes] *= left_over * work[q + rests] - work[q + befores] * along
                    for lane in range(LANES):
                        q = start + np.uint64(lane)
                        dx = dx_start - dt(np.int32(lane))
                        slope = work[q + slopes]
                        row += slope
                        row_x += slope * dx
                        row_xx += slope * dx * dx
                        for k in range(channels):
                            term = work[q + weights] * work[q + np.uint64((k + 6) * PLANE)]
                            colour_sum = tuple_setitem(colour_sum, k, colour_sum[k] + term)  # type: ignore[call-arg]
                v, v_x, v_xx = v + row, v_x + row_x, v_xx + row_xx
                v_y, v_xy, v_yy = v_y + dy * row, v_xy + dy * row_x, v_yy + dy * dy * row
            slot = np.uint64(_slot(starts, boxes, i, tile // tiles_x, tile % tiles_x))
            sums[slot, 0], sums[slot, 1], sums[slot, 2] = v, v_x, v_y
            sums[slot, 3], sums[slot, 4], sums[slot, 5] = v_xx, v_xy, v_yy
            for k in range(channels):
                sums[slot, np.uint64(6 + k)] = colour_sum[k]
            if (place - offsets[tile]) % LOOK == LOOK - 1 and _all_finished(work):
                end = place + 1
                break
        for place in range(end, offsets[tile + 1]):
            slot = _slot(starts, boxes, members[place], tile // tiles_x, tile % tiles_x)
            for k in range(6 + channels):
                sums[slot, k] = zero


@kernel
def composite_sums(
    first: int,
    last: int,
    offsets: np.ndarray,
    members: np.ndarray,
    splats: np.ndarray,
    boxes: np.ndarray,
    tiles_x: int,
    values: np.ndarray,
    starts: np.ndarray,
    sums: np.ndarray,
) -> None:
    """Sum values of pixels over what each Gaussian adds to them: the gradients of :func:`composite` by colours alone.

    Args:
        first: First tile.
        last: One past the last tile.
        offsets: As in :func:`composite`, like the four that follow.
        members: As in :func:`composite`.
        splats: As in :func:`composite`.
        boxes: As in :func:`composite`.
        tiles_x: As in :func:`composite`.
        values: ``[H, W, C]``.
        starts: ``[N]`` first row of each Gaussian in ``sums``.
        sums: ``[intersections, C]``, zeros, written: one row per Gaussian and tile.
    """
    dt = splats.dtype.type
    zero, one, half = dt(0), dt(1), dt(0.5)
    height, width, channels = values.shape
    weights = np.uint64(PLANE)
    work = np.empty((2 + channels) * PLANE, splats.dtype)  # the last C planes: the values
    for tile in range(first, last):
        tile_top, tile_left = tile // tiles_x * TILE, tile % tiles_x * TILE
        tile_bottom, tile_right = min(height, tile_top + TILE), min(width, tile_left + TILE)
        work[:] = zero
        for y in range(tile_top, tile_bottom):
            for x in range(tile_left, tile_right):
                q = np.uint64((y - tile_top) * ROW + x - tile_left)
                work[q] = one
                for k in range(channels):
                    work[q + np.uint64((k + 2) * PLANE)] = values[y, x, k]
        for place in range(offsets[tile], offsets[tile + 1]):
            i = np.uint64(members[place])
            centre_x, centre_y = splats[i, np.uint64(0)] - half, splats[i, np.uint64(1)] - half
            a, b, c = half * splats[i, np.uint64(2)], splats[i, np.uint64(3)], half * splats[i, np.uint64(4)]
            opacity = splats[i, np.uint64(5)]
            left, right = max(tile_left, boxes[i, 0]), min(tile_right, boxes[i, 1])
            top, bottom = max(tile_top, boxes[i, 2]), min(tile_bottom, boxes[i, 3])
            slot = np.uint64(_slot(starts, boxes, i, tile // tiles_x, tile % tiles_x))
            for y in range(top, bottom):
                dy = centre_y - dt(y)
                c_term, b_term = c * dy * dy, b * dy
                for x in range(left, right, LANES):
                    start = np.uint64((y - tile_top) * ROW + (x - tile_left))
                    if not any_positive(work, start):
                        continue
                    _draw_run(work, start, weights, opacity, centre_x - dt(x), a, b_term, c_term)
                    for k in range(channels):
                        total, plane = zero, start + np.uint64((k + 2) * PLANE)
                        for lane in range(LANES):
                            total += work[start + weights + np.uint64(lane)] * work[plane + np.uint64(lane)]
                        sums[slot, np.uint64(k)] += total
            if (place - offsets[tile]) % LOOK == LOOK - 1 and _all_finished(work):
                break


@helper
def _slot(starts: np.ndarray, boxes: np.ndarray, i: int, tile_y: int, tile_x: int) -> int:
    """Row of Gaussian i for a tile among the tiles of its box."""
    left, top = boxes[i, 0] // TILE, boxes[i, 2] // TILE
    columns = (boxes[i, 1] - 1) // TILE - left + 1
    return starts[i] + (tile_y - top) * columns + tile_x - left


@kernel
def gather(
    first: int, last: int, starts: np.ndarray, sums: np.ndarray, moments: np.ndarray, grad_colours: np.ndarray
) -> None:
    """Add up the rows of ``sums`` of Gaussians ``first .. last``: onto ``moments [N, 6]``, into ``grad_colours``."""
    for i in range(first, last):
        for k in range(grad_colours.shape[1]):
            grad_colours[i, k] = 0
        for row in range(starts[i], starts[i + 1]):
            for k in range(6):
                moments[i, k] += sums[row, k]
            for k in range(grad_colours.shape[1]):
                grad_colours[i, k] += sums[row, 6 + k]
