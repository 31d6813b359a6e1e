"""Colours that follow expression and pose, in closed form: the light on a turned head, wrinkles, a blush.

GGTalker's colour MLP, made linear (:mod:`mggtalk.person.talking_gaussian.linear_map`), so that nothing has to be
descended::

    c_i(t) = c_i + U_i g_t
    U_i = argmin sum_t w_it |U_i g_t - r_it|^2 + ridge |U_i|^2

``w_it`` is how much of frame t Gaussian i paints, and ``r_it`` the mean of what is missing there: both are gradients of
one drawing. A second pass solves for what the first has left over.

Inside the mouth most is decided by how far it is open, in few frames: there more of them are looked at, and the branch
of the mouth has a light of its own, over its rows and columns.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from mggtalk.person.talking_gaussian.linear_map import LinearMap

SIDE = 2
"""Side of the squares of the position map that share their light."""

REACH = 2.0
"""Standard deviations of the pose in which light is followed: the light on a side that comes to be seen is another."""

RIDGE, FIXED = 150.0, 10.0
"""Painted pixels that count for no change with expression and pose, and for none at all."""


class Seen(NamedTuple):
    """What one frame says about the visible points."""

    features: Tensor  # [F]
    weight: Tensor  # [N] pixels that each one paints
    missing: Tensor  # [N, 3] RGB that is missing there, summed over them


class Light(LinearMap):
    """Changes of RGB on the head's part of the position map; none before :meth:`add`."""

    side, reach = SIDE, REACH

    @torch.no_grad()
    def add(self, frames: Iterable[Seen], cells: Tensor) -> None:
        """Solve for what frames miss, and add it.

        Args:
            frames: What they say.
            cells: Of the visible points ``[N]``, row-major on the map.
        """
        count, _, height, width = self.weights.shape
        squares = self.squares(cells)  # [N]
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
        self.follow(normal)
        found = torch.linalg.solve(normal + torch.diag(ridge), wanted.view(-1, count, 3))
        self.weights += found.permute(1, 2, 0).unflatten(2, (height, width))  # [S, F, 3] -> [F, 3, h, w]
