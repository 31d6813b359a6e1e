"""Colours that follow expression and pose, in closed form: the light on a turned head, wrinkles, a blush.

GGTalker's colour MLP, made linear, so that nothing has to be descended::

    c_i(t) = c_i + U_i g_t,   g = (1, pose, lips, upper face)
    U_i = argmin sum_t w_it |U_i g_t - r_it|^2 + ridge |U_i|^2

``w_it`` is how much of frame t Gaussian i paints, and ``r_it`` the mean of what is missing there: both are gradients of
one drawing. All Gaussians of a square of the position map share one U, and a second pass solves for what the first has
left over. Trust follows sight: beyond the poses in which the clip showed a square, its nearest ones hold; what the far
side of a turned head looks like is not told by its near side.

Inside the mouth most is decided by how far it is open, in few frames: there more of them are looked at, and the branch
of the mouth has a light of its own, over its rows and columns.
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

REACH = 2.0
"""Poses of a square whose light is followed, in standard deviations of those in which it was seen, from their mean."""

UNSEEN = 5.0
"""Painted pixels, in the usual pose, that are added to those of every square when this is told."""


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
    seen: Tensor  # [2, POSE, h, w] least and greatest pose that a square follows

    def __init__(self, size: tuple[int, int], axes: int) -> None:
        super().__init__()
        self.size = size
        small = [-(-side // SIDE) for side in size]
        self.register_buffer("weights", torch.zeros(1 + POSE + axes + len(UPPER), 3, *small))
        self.register_buffer("seen", torch.zeros(2, POSE, *small))

    @staticmethod
    def features(pose: Tensor, lips: Tensor, upper: Tensor) -> Tensor:
        """What colours are linear in ``[F]``."""
        return torch.cat([torch.ones_like(pose[:1]), pose, lips, upper])

    def forward(self, features: Tensor, cells: Tensor) -> Tensor:
        """Changes of RGB ``[N, 3]`` at row-major cells ``[N]`` of the map under features ``[F]``."""
        low, high = self.seen
        pose = features[1 : 1 + POSE, None, None].clamp(low, high)  # [POSE, h, w]
        turned = (pose[:, None] * self.weights[1 : 1 + POSE]).sum(0)  # [3, h, w]
        rest = [0, *range(1 + POSE, len(features))]
        small = (turned + torch.tensordot(features[rest], self.weights[rest], 1))[None]  # [1, 3, h, w]
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
        normal = normal.view(-1, count, count)
        self.seen.copy_(_poses(normal).unflatten(2, (height, width)))
        found = torch.linalg.solve(normal + torch.diag(ridge), wanted.view(-1, count, 3))
        self.weights += found.permute(1, 2, 0).unflatten(2, (height, width))  # [S, F, 3] -> [F, 3, h, w]


def _poses(normal: Tensor) -> Tensor:
    """Find which poses squares were seen in, of their matrices ``[S, F, F]``: least and greatest ``[2, POSE, S]``."""
    weight = normal[:, :1, 0] + UNSEEN  # [S, 1] of the usual pose, which is zero, as well
    mean = normal[:, 0, 1 : 1 + POSE] / weight  # [S, POSE]
    square = normal.diagonal(dim1=1, dim2=2)[:, 1 : 1 + POSE] / weight
    reach = REACH * (square - mean.square()).clamp(min=0.0).sqrt()
    return torch.stack([mean - reach, mean + reach]).mT
