"""Neighbours of each point on the position map."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


class Neighbours(NamedTuple):
    """Neighbours of each point on the position map."""

    left: Tensor  # [N] index among the N points; the point itself where there is none
    right: Tensor
    up: Tensor
    down: Tensor

    @staticmethod
    def of(mask: Tensor) -> Neighbours:
        """Neighbours of the N pixels of a ``[H, W]`` bool mask, in row-major order."""
        index = torch.full(mask.shape, -1, dtype=torch.int64, device=mask.device)
        index[mask] = torch.arange(int(mask.sum()), device=mask.device)
        padded = F.pad(index, (1, 1, 1, 1), value=-1)  # [H+2, W+2]
        own = index[mask]

        def at(rows: slice, columns: slice) -> Tensor:
            found = padded[rows, columns][mask]
            return torch.where(found < 0, own, found)

        middle = slice(1, -1)
        return Neighbours(
            left=at(middle, slice(0, -2)),
            right=at(middle, slice(2, None)),
            up=at(slice(0, -2), middle),
            down=at(slice(2, None), middle),
        )
