"""CPU kernels: the depth order of the Gaussians, and the list of Gaussians of each tile of the picture."""

from __future__ import annotations

import numpy as np

from mggtalk.runtime.kernels import kernel

TILE = 32
"""Side of a tile in pixels."""


@kernel
def depth_order(depths: np.ndarray) -> np.ndarray:
    """Indices of the Gaussians with depth > 0, nearest first, equal depths in order of index.

    A radix sort over the bits of the 32-bit floats, which for positive numbers grow with their value.
    """
    keys = depths.view(np.uint32)
    low, middle, high = np.zeros(2048, np.int64), np.zeros(2048, np.int64), np.zeros(1024, np.int64)
    count = 0
    order = np.empty(len(depths), np.int32)
    for i in range(len(depths)):
        if depths[i] > 0:
            key = keys[i]
            low[key & 2047] += 1
            middle[(key >> 11) & 2047] += 1
            high[key >> 22] += 1
            order[count] = i
            count += 1
    for histogram in (low, middle, high):
        total = 0
        for digit in range(len(histogram)):
            here = histogram[digit]
            histogram[digit] = total
            total += here
    keys_a, keys_b = np.empty(count, np.uint32), np.empty(count, np.uint32)
    order_a, order_b = np.empty(count, np.int32), np.empty(count, np.int32)
    for n in range(count):
        i = order[n]
        place = low[keys[i] & 2047]
        low[keys[i] & 2047] = place + 1
        keys_a[place], order_a[place] = keys[i], i
    for n in range(count):
        digit = (keys_a[n] >> 11) & 2047
        place = middle[digit]
        middle[digit] = place + 1
        keys_b[place], order_b[place] = keys_a[n], order_a[n]
    for n in range(count):
        digit = keys_b[n] >> 22
        place = high[digit]
        high[digit] = place + 1
        order_a[place] = order_b[n]
    return order_a


@kernel
def count_tiles(
    first: int,
    last: int,
    order: np.ndarray,
    boxes: np.ndarray,
    tiles_x: int,
    chunk: int,
    ranges: np.ndarray,
    counts: np.ndarray,
) -> None:
    """Count how many Gaussians ``order[first:last]`` each tile has, into row ``first // chunk`` of ``counts``.

    The tiles of ``order[n]`` (first and last column, first and last row) are kept in ``ranges[n]``.
    """
    part = first // chunk
    for n in range(first, last):
        i = order[n]
        left, right = boxes[i, 0] // TILE, (boxes[i, 1] - 1) // TILE
        top, bottom = boxes[i, 2] // TILE, (boxes[i, 3] - 1) // TILE
        ranges[n, 0], ranges[n, 1], ranges[n, 2], ranges[n, 3] = left, right, top, bottom
        for tile_y in range(top, bottom + 1):
            for tile_x in range(left, right + 1):
                counts[part, tile_y * tiles_x + tile_x] += 1


@kernel
def fill_tiles(
    first: int,
    last: int,
    order: np.ndarray,
    ranges: np.ndarray,
    tiles_x: int,
    chunk: int,
    cursors: np.ndarray,
    members: np.ndarray,
) -> None:
    """Write Gaussians ``order[first:last]`` to the lists of their tiles, from row ``first // chunk`` of ``cursors``."""
    part = first // chunk
    for n in range(first, last):
        i = order[n]
        for tile_y in range(ranges[n, 2], ranges[n, 3] + 1):
            for tile_x in range(ranges[n, 0], ranges[n, 1] + 1):
                tile = tile_y * tiles_x + tile_x
                place = cursors[part, tile]
                cursors[part, tile] = place + 1
                members[place] = i


@kernel
def tile_starts(boxes: np.ndarray) -> np.ndarray:
    """Compute where each Gaussian's rows begin, with one row per tile that its box touches: ``[N + 1]``."""
    starts = np.zeros(len(boxes) + 1, np.int64)
    for i in range(len(boxes)):
        columns = (boxes[i, 1] - 1) // TILE - boxes[i, 0] // TILE + 1  # 0 for an empty box
        rows = (boxes[i, 3] - 1) // TILE - boxes[i, 2] // TILE + 1
        starts[i + 1] = starts[i] + columns * rows
    return starts
