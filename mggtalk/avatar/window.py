"""The part of the position map that expressions move: the decoders look there and nowhere else."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

LEAST_SHARE = 0.1
"""Share of the face model's displacement above which a point counts as moved by expressions."""

MULTIPLE = 32
"""The window's sides are multiples of this many pixels where the map has them: what a UNet halves."""


class MovingWindow(NamedTuple):
    """A rectangle of the map and the Q visible points in it."""

    bounds: Tensor  # [4] int64 first row, end row, first column, end column; stays on the host
    points: Tensor  # [Q] int64 indices among the N visible points
    cells: Tensor  # [Q] int64 row-major places of these points in the window

    @staticmethod
    def of(mask: Tensor, share: Tensor) -> MovingWindow:
        """The window of a map.

        Args:
            mask: ``[H, W]`` bool, the N pixels that show the head.
            share: ``[N]`` share of the face model's displacement that each point takes.
        """
        rows, columns = mask.nonzero().unbind(-1)  # [N]
        moved = share > LEAST_SHARE
        first_row, end_row = _interval(rows[moved], mask.shape[0])
        first_column, end_column = _interval(columns[moved], mask.shape[1])
        inside = (rows >= first_row) & (rows < end_row) & (columns >= first_column) & (columns < end_column)
        cells = (rows - first_row) * (end_column - first_column) + columns - first_column
        bounds = torch.tensor((first_row, end_row, first_column, end_column))
        return MovingWindow(bounds, inside.nonzero().squeeze(-1), cells[inside])

    def to(self, device: torch.device | str) -> MovingWindow:
        """A copy on a device."""
        return MovingWindow(self.bounds, self.points.to(device), self.cells.to(device))

    def scatter(self, values: Tensor) -> Tensor:
        """Values of the N visible points ``[..., N, C]`` as maps of the window ``[B, C, h, w]``, zero off the head."""
        first_row, end_row, first_column, end_column = self.bounds.tolist()
        height, width = end_row - first_row, end_column - first_column
        seen = values[..., self.points, :].mT  # [..., C, Q]
        grid = values.new_zeros(*seen.shape[:-1], height * width)  # [..., C, h * w]
        return grid.index_copy(-1, self.cells, seen).view(-1, values.shape[-1], height, width)

    def gather(self, grid: Tensor) -> Tensor:
        """Values ``[B, Q, C]`` of the window's points from maps of the window ``[B, C, h, w]``."""
        return grid.flatten(2)[..., self.cells].mT  # [B, Q, C]

    def crop(self, grid: Tensor, stride: int) -> Tensor:
        """The window's part ``[B, C, h/stride, w/stride]`` of a map ``[B, C, H/stride, W/stride]``."""
        first_row, end_row, first_column, end_column = (bound // stride for bound in self.bounds.tolist())
        return grid[..., first_row:end_row, first_column:end_column]


def _interval(places: Tensor, side: int) -> tuple[int, int]:
    """The shortest interval of a side that holds all places and whose length and start suit the decoders."""
    if not len(places):
        return 0, min(MULTIPLE, side)
    low, high = int(places.min()), int(places.max()) + 1
    length = min(-(-(high - low) // MULTIPLE) * MULTIPLE, side)
    start = min(max((low + high - length) // 2, 0), side - length)
    start -= start % 4  # on the grid of every stride
    return (start, start + length) if start + length >= high else (start, min(start + length + MULTIPLE, side))
