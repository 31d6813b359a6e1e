"""A trained :class:`mggtalk.nets.unet.ResidualUNet` in the form in which it is evaluated frame after frame.

The same function with less work, for one map at a time and without gradients:

- The first convolution is left to the caller, who knows which of its inputs change from frame to frame.
- ``conv3x3(cat(skip, upsample2(hidden)))`` is ``conv3x3(skip) + interleave(conv2x2(hidden))``: on a map doubled by
  nearest neighbours, a 3x3 kernel meets four different patterns of only 2x2 values.
- The last layer is a matrix product whose rows are pixels, so that nothing is shuffled.
"""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mggtalk.nets.unet import ResidualUNet


class _Rise(NamedTuple):
    """One stage on the way up."""

    skip: Tensor  # [O, O, 3, 3] kernel for the map of the way down
    patterns: Tensor  # [4 O, I, 2, 2] kernels for the map below, one set for each corner of a doubled pixel
    norm: nn.Module


def patterns(weight: Tensor) -> Tensor:
    """Kernels ``[4 O, I, 2, 2]`` on a map that do what ``[O, I, 3, 3]`` does on the map doubled by nearest neighbours.

    Upper left, upper right, lower left and lower right pixel of four, in this order.
    """

    def merge_weights(kernel: Tensor, axis: int, late: int) -> Tensor:
        first, second, third = kernel.unbind(axis)
        return torch.stack([first + second, third] if late else [first, second + third], dim=axis)

    return torch.cat([merge_weights(merge_weights(weight, 2, row), 3, column) for row in (0, 1) for column in (0, 1)])


def doubled_convolution(low: Tensor, kernels: Tensor) -> Tensor:
    """``conv3x3(upsample2(low))`` with zero padding: ``[1, I, H, W]`` to ``[1, O, 2H, 2W]``, channels last.

    Args:
        low: The map.
        kernels: Of :func:`patterns`.
    """
    height, width = low.shape[-2:]
    channels = len(kernels) // 4
    found = F.conv2d(low, kernels, padding=1).permute(0, 2, 3, 1)  # [1, H + 1, W + 1, 4 O]
    out = found.new_empty(1, height, 2, width, 2, channels)
    for corner in range(4):
        row, column = divmod(corner, 2)
        part = found[:, row : row + height, column : column + width, corner * channels : (corner + 1) * channels]
        out[:, :, row, :, column] = part
    return out.view(1, 2 * height, 2 * width, channels).permute(0, 3, 1, 2)


class FoldedUNet:
    """See the module's text.

    Args:
        unet: Its present weights are taken; later changes are not noticed.
        unfold: Side of the squares of pixels that one row of the output holds, by the convention of
            ``pixel_shuffle``; the output's channels are put last.
    """

    def __init__(self, unet: ResidualUNet, unfold: int) -> None:
        self.step = 2**unet.depth
        entry: Any = unet.entry
        self.entry = entry[0].weight.detach()  # [width, inputs, 3, 3]
        self._entry_norm = entry[1:]
        down: Any = copy.deepcopy(unet.down)
        self._down = down.to(memory_format=torch.channels_last)
        self._condition = unet.condition
        self._up: list[_Rise] = []
        stages: list[Any] = list(reversed(unet.up))
        for stage in stages:
            weight = stage[0].weight.detach()  # [O, O + I, 3, 3]
            own = len(weight)
            self._up.append(_Rise(_pack(weight[:, :own]), _pack(patterns(weight[:, own:])), stage[1:]))
        self._last = by_pixel(unet.last.weight.detach().flatten(1), unfold)  # [unfold^2 * outputs, width]
        bias = unet.last.bias
        self._bias = None if bias is None else by_pixel(bias.detach()[:, None], unfold)[:, 0]

    def __call__(self, entered: Tensor, condition: Tensor | None = None) -> Tensor:
        """Run all but the first convolution.

        Args:
            entered: What the first convolution made, ``[1, width, H, W]``.
            condition: ``[1, condition]``.

        Returns:
            ``[H * W, unfold^2 * outputs]``.
        """
        skips = [self._entry_norm(entered)]
        for stage in self._down:
            skips.append(stage(skips[-1]))  # [1, C, H/2, W/2]
        hidden = skips.pop()
        if self._condition is not None and condition is not None:
            hidden = hidden + self._condition(condition)[:, :, None, None]
        for rise in self._up:
            hidden = F.conv2d(skips.pop(), rise.skip, padding=1) + doubled_convolution(hidden, rise.patterns)
            hidden = rise.norm(hidden)  # [1, C, 2H, 2W]
        rows = hidden.permute(0, 2, 3, 1).flatten(0, 2)  # [H * W, width]
        return F.linear(rows, self._last, self._bias)


def by_pixel(rows: Tensor, unfold: int) -> Tensor:
    """Reorder ``[outputs * unfold^2, n]`` from ``pixel_shuffle``'s order to pixels first, outputs last."""
    return rows.unflatten(0, (-1, unfold**2)).transpose(0, 1).flatten(0, 1).contiguous()


def _pack(weight: Tensor) -> Tensor:
    return weight.contiguous(memory_format=torch.channels_last)
