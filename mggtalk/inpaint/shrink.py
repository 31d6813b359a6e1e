"""Lanczos: finished frames are composed on the portrait's pixels and shrunk to the size that is asked for.

A head averaged over squares over a plate that was resized bilinearly loses detail twice; the frame of both, shrunk once
by ``L(x) = sinc(x) sinc(x / 3)``, keeps what the smaller picture can show.

Its compiled twin: :mod:`mggtalk.inpaint.compiled.frame`.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from mggtalk.geometry import constant

LOBES = 3
"""Support of the filter to either side, in pixels of the smaller picture."""


@cache
def lanczos_taps(block: int) -> np.ndarray:
    """The weights of the pixels of a line that a pixel of the ``block`` times smaller line is made of.

    Args:
        block: How many times smaller, 1 or more.

    Returns:
        float32 ``[block + 2 m]`` of sum 1, from ``m = reach(block)`` pixels before the block to ``m`` behind it.
    """
    count = block + 2 * reach(block)
    places = (np.arange(count) + 0.5 - count / 2) / block
    weights = np.sinc(places) * np.sinc(places / LOBES)
    return (weights / weights.sum()).astype(np.float32)


def reach(block: int) -> int:
    """Pixels beside its own block that a smaller pixel takes part of."""
    return (2 * LOBES - 1) * block // 2


def shrink(pictures: Tensor, block: int) -> Tensor:
    """Make pictures ``block`` times smaller; differentiable. Its twin: :mod:`mggtalk.inpaint.compiled.frame`.

    Args:
        pictures: ``[..., C, H, W]``; ``block`` divides both sides. Behind a border its last pixel goes on.
        block: How many times smaller; 1 changes nothing.

    Returns:
        ``[..., C, H / block, W / block]``. At strong edges values may leave the range of the input a little.
    """
    if block == 1:
        return pictures
    taps = constant(tuple(lanczos_taps(block).tolist()), pictures)
    planes = pictures.reshape(-1, 1, *pictures.shape[-2:])  # [B * C, 1, H, W]
    padded = F.pad(planes, (reach(block),) * 4, mode="replicate")  # [B * C, 1, H + 2 m, W + 2 m]
    lines = F.conv2d(padded, taps.view(1, 1, -1, 1), stride=(block, 1))  # [B * C, 1, H / block, W + 2 m]
    small = F.conv2d(lines, taps.view(1, 1, 1, -1), stride=(1, block))  # [B * C, 1, H / block, W / block]
    return small.view(*pictures.shape[:-2], *small.shape[-2:])
