"""CPU kernels: front-to-back compositing of projected Gaussians, and its gradients.

A tile is worked on in one array ``work`` of planes of ``ROW * TILE`` numbers at constant offsets: the compiler then
knows that they do not overlap, and turns the loops over LANES pixels into vector instructions. Rows are padded by
LANES columns of finished pixels, so that a run of LANES pixels may start anywhere. Plane 0 is the transmittance; the
minus sign marks a finished pixel. Indices are unsigned because signed ones would be tested for being negative.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types
from numba.cpython.unsafe.tuple import tuple_setitem
from numba.extending import overload

from mggtalk.render.constants import MAX_ALPHA, MIN_ALPHA, MIN_TRANSMITTANCE
from mggtalk.render.numba_compile import FAST_MATH, kernel
from mggtalk.render.cpu_tiles import TILE

LANES = 8
ROW = TILE + LANES
PLANE = ROW * TILE
LOOK = 64
"""After this many Gaussians a tile is looked at for whether all its pixels are finished."""


def _decay(x):
    """``exp(-x)`` for x >= 0, for the kernels."""


@overload(_decay, jit_options={"fastmath": set(FAST_MATH)})
def _decay_for(x):
    """Float64: the library's. Float32: a polynomial (relative error 2e-7) that vectorises."""
    if x == types.float64:
        return lambda x: math.exp(-x)

    def polynomial(x):
        power = max(x * np.float32(-1.4426950408889634), np.float32(-126.0))
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


@kernel
def composite(first, last, offsets, members, splats, boxes, colours, background, tiles_x, image, transmittance):
    """Composite tiles ``first .. last``.

    Args:
        first: First tile.
        last: One past the last tile.
        offsets: ``[tiles + 1]`` where the list of each tile begins in ``members``.
        members: Indices of the Gaussians of each tile, nearest first.
        splats: ``[N, 6]``, see :mod:`mggtalk.render.cpu_project`.
        boxes: ``[N, 4]``.
        colours: ``[N, C]``.
        background: Tuple of C numbers; its length fixes C when the kernel is compiled.
        tiles_x: Tiles in a row of the picture.
        image: ``[H, W, C]``, written.
        transmittance: ``[H, W]``, written: what is left of the background.
    """
    dt = splats.dtype.type
    zero, one, half = dt(0), dt(1), dt(0.5)
    min_alpha, max_alpha, stop_at = dt(MIN_ALPHA), dt(MAX_ALPHA), dt(MIN_TRANSMITTANCE)
    channels = len(background)
    height, width = transmittance.shape
    work = np.empty((1 + channels) * PLANE, splats.dtype)
    for tile in range(first, last):
        tile_top, tile_left = tile // tiles_x * TILE, tile % tiles_x * TILE
        tile_bottom, tile_right = min(height, tile_top + TILE), min(width, tile_left + TILE)
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
                colour = tuple_setitem(colour, k, colours[i, np.uint64(k)])
            for y in range(top, bottom):
                dy = centre_y - dt(y)
                c_term, b_term = c * dy * dy, b * dy
                for x in range(left, right, LANES):
                    start = np.uint64((y - tile_top) * ROW + (x - tile_left))
                    dx_start = centre_x - dt(x)
                    for lane in range(LANES):
                        q = start + np.uint64(lane)
                        dx = dx_start - dt(np.int32(lane))
                        before = work[q]
                        sigma = (a * dx + b_term) * dx + c_term
                        alpha = min(max_alpha, opacity * _decay(sigma))
                        seen = (before > zero) & (sigma >= zero) & (alpha >= min_alpha)
                        alpha = alpha if seen else zero
                        after = before * (one - alpha)
                        stop = seen & (after <= stop_at)
                        weight = zero if stop else alpha * before
                        work[q] = -before if stop else after
                        for k in range(channels):
                            work[q + np.uint64((k + 1) * PLANE)] += weight * colour[k]
            if (place - offsets[tile]) % LOOK == LOOK - 1:
                live = False
                for q in range(PLANE):
                    live |= work[q] > zero
                if not live:
                    break
        for y in range(tile_top, tile_bottom):
            for x in range(tile_left, tile_right):
                q = (y - tile_top) * ROW + x - tile_left
                rest = abs(work[q])
                transmittance[y, x] = rest
                for k in range(channels):
                    image[y, x, k] = work[(k + 1) * PLANE + q] + rest * background[k]
