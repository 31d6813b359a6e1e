"""Colours that follow expression and pose, in closed form: the light on a turned head, wrinkles, a blush.

GGTalker's colour MLP, made linear, so that nothing has to be descended::

    c_i(t) = c_i + U_i g_t,   g = (1, pose, lips, upper face)
    U_i = argmin sum_t w_it |U_i g_t - r_it|^2 + ridge |U_i|^2

``w_it`` is how much of frame t Gaussian i paints, and ``r_it`` the mean of what is missing there: both are gradients of
one drawing. All Gaussians of a square of the position map share one U, and a second pass solves for what the first has
left over.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mggtalk.person.talking_gaussian.conditions import POSE, UPPER

SIDE = 2
"""Side of the squares of the position map that share their light."""

RIDGE, FIXED = 150.0, 10.0
"""Painted pixels that count for no change with expression and pose, and for none at all."""


class Seen(NamedTuple):
    """What one frame says about the visible points."""

    features: Tensor  # [F]
    weight: Tensor  # [N] pixels that each one paints
    missing: Tensor  # [N, 3] RGB that is missing there, summed over them


class Light(nn.Module):
    """Changes of colour on the head's part of the position map; none before :meth:`add`.

    Args:
        size: Rows and columns of that part.
        axes: E, length of the lips' condition.
    """

    weights: Tensor  # [F, 3, h, w] RGB

    def __init__(self, size: tuple[int, int], axes: int) -> None:
        super().__init__()
        self.size = size
        small = [-(-side // SIDE) for side in size]
        self.register_buffer("weights", torch.zeros(1 + POSE + axes + len(UPPER), 3, *small))

    @staticmethod
    def features(pose: Tensor, lips: Tensor, upper: Tensor) -> Tensor:
        """What colours are linear in ``[F]``."""
        return torch.cat([torch.ones_like(pose[:1]), pose, lips, upper])

    def forward(self, features: Tensor, cells: Tensor) -> Tensor:
        """Changes of RGB ``[N, 3]`` at row-major cells ``[N]`` of the map under features ``[F]``."""
        small = torch.tensordot(features, self.weights, 1)[None]  # [1, 3, h, w]
        whole = F.interpolate(small, scale_factor=SIDE, mode="bilinear", align_corners=False)[0]
        return whole[:, : self.size[0], : self.size[1]].flatten(1)[:, cells].T  # [N, 3]

    @torch.no_grad()
    def add(self, frames: Iterable[Seen], cells: Tensor) -> None:
        """Solve for what frames miss, and add it.

        Args:
            frames: What they say.
            cells: Of the visible points ``[N]``, row-major on the map.
        """
        count, _, height, width = self.weights.shape
        rows, columns = cells // self.size[1], cells % self.size[1]
        squares = (rows // SIDE) * width + columns // SIDE  # [N]
        normal = torch.zeros(height * width, count * count)  # [S, F F]
        wanted = torch.zeros(height * width, count * 3)  # [S, F 3]
        for seen in frames:
            weight = torch.zeros(len(normal)).index_add(0, squares, seen.weight)  # [S]
            missing = torch.zeros(len(normal), 3).index_add(0, squares, seen.missing)  # [S, 3]
            normal.addr_(weight, (seen.features[:, None] * seen.features).flatten())
            wanted += (seen.features[:, None] * missing[:, None]).flatten(1)
        ridge = torch.full((count,), RIDGE)
        ridge[0] = FIXED
        found = torch.linalg.solve(normal.view(-1, count, count) + torch.diag(ridge), wanted.view(-1, count, 3))
        self.weights += found.permute(1, 2, 0).unflatten(2, (height, width))  # [S, F, 3] -> [F, 3, h, w]
