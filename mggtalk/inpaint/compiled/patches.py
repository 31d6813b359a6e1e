"""CPU kernels of the completion by patches, see :mod:`mggtalk.inpaint.fill_background`.

Pictures are ``[H, W, 3]`` with a margin of one patch radius; a *field* ``[H, W, 2]`` holds, for each patch of the hole,
row and column of the known patch that it is to look like, -1 where it has none.
"""

from __future__ import annotations

import numpy as np

from mggtalk.runtime.kernels import helper, kernel

RADIUS = 3
"""Patches have 2 RADIUS + 1 pixels a side."""

SHIFT = 0.08
"""Most by which a patch is made lighter or darker to suit its place, RGB in [0, 1]: walls have gradients."""

DISTRUST = 0.5
"""What such a change costs, of what it saves."""


@helper
def _offset(means: np.ndarray, y: int, x: int, row: int, column: int, k: int) -> float:
    """How much lighter the patch at ``(row, column)`` is made in channel k to stand at ``(y, x)``."""
    dt = means.dtype.type
    return min(max(means[y, x, k] - means[row, column, k], -dt(SHIFT)), dt(SHIFT))


@helper
def _cost(
    image: np.ndarray, means: np.ndarray, y: int, x: int, row: int, column: int, pull: float, least: float
) -> float:
    """Squared difference of two patches, the better lit, plus ``pull`` times their squared distance.

    Stops at ``least``.
    """
    dt = image.dtype.type
    area = dt((2 * RADIUS + 1) ** 2)
    gain = dt(0)
    for k in range(3):
        off = means[y, x, k] - means[row, column, k]
        shift = _offset(means, y, x, row, column, k)
        gain += area * (dt(2) * shift * off - dt(1 + DISTRUST) * shift * shift)
    far = pull * dt((y - row) ** 2 + (x - column) ** 2)
    limit = least + gain - far
    total = dt(0)
    for dy in range(-RADIUS, RADIUS + 1):
        for dx in range(-RADIUS, RADIUS + 1):
            for k in range(3):
                error = image[y + dy, x + dx, k] - image[row + dy, column + dx, k]
                total += error * error
        if total > limit:
            return least + dt(1)
    return total - gain + far


@kernel
def match(
    image: np.ndarray,
    means: np.ndarray,
    targets: np.ndarray,
    valid: np.ndarray,
    field: np.ndarray,
    costs: np.ndarray,
    pull: float,
    sweeps: int,
    search: bool,
    seed: int,
) -> None:
    """Improve a field by PatchMatch: neighbours' matches, moved along, and random places around the own one.

    Args:
        image: ``[H, W, 3]``.
        means: ``[H, W, 3]`` of its patches.
        targets: ``[T, 2]`` patches of the hole, row by row.
        valid: ``[H, W]`` whether a patch is known as a whole.
        field: ``[H, W, 2]``, changed.
        costs: ``[H, W]``, written.
        pull: Cost of a squared pixel of distance: what is near fits better.
        sweeps: Passes, to and fro.
        search: Whether random places are tried.
        seed: Of these, not 0.
    """
    state = np.uint32(seed)
    height, width = valid.shape
    dt = image.dtype.type
    count = len(targets)
    for i in range(count):
        y, x = targets[i, 0], targets[i, 1]
        costs[y, x] = _cost(image, means, y, x, field[y, x, 0], field[y, x, 1], pull, dt(1e9))
    for sweep in range(sweeps):
        back = -1 if sweep % 2 == 0 else 1
        for j in range(count):
            i = j if sweep % 2 == 0 else count - 1 - j
            y, x = targets[i, 0], targets[i, 1]
            least, row, column = costs[y, x], field[y, x, 0], field[y, x, 1]
            for axis in range(2):
                ny, nx = (y + back, x) if axis == 0 else (y, x + back)
                if field[ny, nx, 0] >= 0:
                    r, c = field[ny, nx, 0] + y - ny, field[ny, nx, 1] + x - nx
                    if 0 <= r < height and 0 <= c < width and valid[r, c] and (r != row or c != column):
                        cost = _cost(image, means, y, x, r, c, pull, least)
                        if cost < least:
                            least, row, column = cost, r, c
            reach = max(height, width) if search else 0
            while reach >= 1:
                state ^= np.uint32(state << np.uint32(13))  # xorshift
                state ^= np.uint32(state >> np.uint32(17))
                state ^= np.uint32(state << np.uint32(5))
                r = row + int(state % np.uint32(2 * reach + 1)) - reach
                c = column + int((state >> np.uint32(12)) % np.uint32(2 * reach + 1)) - reach
                if 0 <= r < height and 0 <= c < width and valid[r, c]:
                    cost = _cost(image, means, y, x, r, c, pull, least)
                    if cost < least:
                        least, row, column = cost, r, c
                reach //= 3
            costs[y, x], field[y, x, 0], field[y, x, 1] = least, row, column


@kernel
def vote(
    image: np.ndarray,
    means: np.ndarray,
    targets: np.ndarray,
    hole: np.ndarray,
    field: np.ndarray,
    costs: np.ndarray,
    trust: np.ndarray,
    sharpness: float,
    sums: np.ndarray,
) -> None:
    """Fill the hole with the mean of what the patches that overlap a pixel show there.

    Args:
        image: ``[H, W, 3]``, changed in the hole.
        means: ``[H, W, 3]`` of its patches.
        targets: ``[T, 2]`` patches that reach into the hole.
        hole: ``[H, W]`` bool.
        field: ``[H, W, 2]``.
        costs: ``[H, W]``.
        trust: ``[H, W]`` weight of a patch: patches near what is known count more.
        sharpness: How much less patches that fit worse count.
        sums: ``[H, W, 4]`` of zeros, written: sums of colours, and of weights.
    """
    dt = image.dtype.type
    area = dt((2 * RADIUS + 1) ** 2)
    for i in range(len(targets)):
        y, x = targets[i, 0], targets[i, 1]
        row, column = field[y, x, 0], field[y, x, 1]
        weight = trust[y, x] * np.exp(-max(costs[y, x], dt(0)) / area * sharpness) + dt(1e-9)
        red, green, blue = (
            _offset(means, y, x, row, column, 0),
            _offset(means, y, x, row, column, 1),
            _offset(means, y, x, row, column, 2),
        )
        for dy in range(-RADIUS, RADIUS + 1):
            for dx in range(-RADIUS, RADIUS + 1):
                if hole[y + dy, x + dx]:
                    sums[y + dy, x + dx, 0] += weight * (image[row + dy, column + dx, 0] + red)
                    sums[y + dy, x + dx, 1] += weight * (image[row + dy, column + dx, 1] + green)
                    sums[y + dy, x + dx, 2] += weight * (image[row + dy, column + dx, 2] + blue)
                    sums[y + dy, x + dx, 3] += weight
    for y in range(hole.shape[0]):
        for x in range(hole.shape[1]):
            if hole[y, x] and sums[y, x, 3] > 0:
                for k in range(3):
                    image[y, x, k] = sums[y, x, k] / sums[y, x, 3]
