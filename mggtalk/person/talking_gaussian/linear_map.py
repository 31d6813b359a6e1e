"""Maps on the head's part of the position map that are linear in expression and pose.

::

    m_i(t) = U_i g_t,   g = (1, pose, lips, upper)

All Gaussians of a square of the position map share one U, between squares it is interpolated. Trust follows sight:
beyond the poses in which the clip showed a square, its nearest ones hold; what the far side of a turned head is like is
not told by its near side.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mggtalk.person.talking_gaussian.conditions import POSE, UPPER

UNSEEN = 5.0
"""Painted pixels, in the usual pose, that are added to those of every square when this is told."""


class LinearMap(nn.Module):
    """Three channels; zero before somebody solves for them.

    Args:
        size: Rows and columns of the head's part of the position map.
        axes: E, length of the lips' condition.
    """

    side: ClassVar[int]
    """Of the squares, in cells of the position map."""

    reach: ClassVar[float]
    """Poses of a square that are followed, in standard deviations of those in which it was seen, from their mean."""

    weights: Tensor  # [F, 3, h, w]
    seen: Tensor  # [2, POSE, h, w] least and greatest pose that a square follows

    def __init__(self, size: tuple[int, int], axes: int) -> None:
        super().__init__()
        self.size = size
        small = [-(-edge // self.side) for edge in size]
        self.register_buffer("weights", torch.zeros(1 + POSE + axes + len(UPPER), 3, *small))
        self.register_buffer("seen", torch.zeros(2, POSE, *small))

    @staticmethod
    def features(pose: Tensor, lips: Tensor, upper: Tensor) -> Tensor:
        """What maps are linear in ``[F]``."""
        return torch.cat([torch.ones_like(pose[:1]), pose, lips, upper])

    def forward(self, features: Tensor, cells: Tensor) -> Tensor:
        """Values ``[N, 3]`` at row-major cells ``[N]`` of the map under features ``[F]``."""
        low, high = self.seen
        pose = features[1 : 1 + POSE, None, None].clamp(low, high)  # [POSE, h, w]
        turned = (pose[:, None] * self.weights[1 : 1 + POSE]).sum(0)  # [3, h, w]
        rest = [0, *range(1 + POSE, len(features))]
        small = (turned + torch.tensordot(features[rest], self.weights[rest], 1))[None]  # [1, 3, h, w]
        whole = F.interpolate(small, scale_factor=self.side, mode="bilinear", align_corners=False)[0]
        return whole[:, : self.size[0], : self.size[1]].flatten(1)[:, cells].T  # [N, 3]

    def squares(self, cells: Tensor) -> Tensor:
        """The square, row-major, of each of some cells ``[N]``."""
        rows, columns = cells // self.size[1], cells % self.size[1]
        return (rows // self.side) * self.weights.shape[-1] + columns // self.side

    def follow(self, pairs: Tensor) -> None:
        """Note which poses squares were seen in, by painted pixels times pairs of features ``[S, F, F]``."""
        weight = pairs[:, :1, 0] + UNSEEN  # [S, 1] of the usual pose, which is zero, as well
        mean = pairs[:, 0, 1 : 1 + POSE] / weight  # [S, POSE]
        square = pairs.diagonal(dim1=1, dim2=2)[:, 1 : 1 + POSE] / weight
        reach = self.reach * (square - mean.square()).clamp(min=0.0).sqrt()
        ends = torch.stack([mean - reach, mean + reach]).mT  # [2, POSE, S]
        self.seen.copy_(ends.unflatten(2, self.seen.shape[-2:]))
