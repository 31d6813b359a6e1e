"""Folds of the skin: what they hide in a portrait and show when they open.

Where closed lips meet there is a dark line, a shadow between them, which goes when they part; over an open eye the lid
is rolled up under lashes and shadow, and smooth when it closes. A portrait shows both as if they were painted on the
skin: stretched with it they would be black smears. So their points get the colour of the skin beside them as the fold
opens.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mggtalk.face.topology import (
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    LIPS_INNER_LOWER,
    LIPS_INNER_UPPER,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
)
from mggtalk.geometry import indices

LIPS = len(LIPS_INNER_UPPER)
"""Gaps between the lips, from the right corner to the left; those between the lids of the two eyes follow."""

RIGHT_LIDS, LEFT_LIDS, WIDTH = LIPS, LIPS + 1, LIPS + 2
"""Places of the lids' gaps and of the mouth's width."""

SHUT = WIDTH + 1
"""First of the places along lips that were open and shut."""

CORNERS = (0, 1, LIPS - 2, LIPS - 1)
"""Gaps at the corners of the mouth."""

APART = (0.015, 0.07)
"""Decimetres by which lips are further apart when the line between them begins to go, and when it is gone."""

NARROWER = (0.03, 0.2)
"""Shares of its width by which the mouth is narrower when its corners begin to be lips all around, as in an O, and when
they are. The corners of a smile stay dark."""

TOUCHING = (0.02, 0.05)
"""Gaps in decimetres at which lips that were open are shut, and from which they are not."""

LID_STARTS, LID_ENDS = 0.25, 0.75
"""Shares of an eye's own opening by which it has closed when its lid begins to unroll, and when it is smooth."""


class Folds(NamedTuple):
    """The S visible points in folds."""

    points: Tensor  # [S] int64 indices among the visible points, each one once
    weight: Tensor  # [S] in (0, 1]: how much of what they show is the fold's
    colour: Tensor  # [S, 3] RGB of the skin beside it
    place: Tensor  # [S] which gap opens the fold; between two of them, both do; WIDTH: a mouth that gets round
    gaps: Tensor  # [G] the portrait's gaps, decimetres, see :func:`gaps_of`

    def shares(self, vertices: Tensor) -> Tensor:
        """Measure how far the fold at each point is open ``[..., S]`` in [0, 1], on a driven mesh ``[..., V, 3]``.

        Nothing is while the lips are as far apart as the portrait's and lids no closer.
        """
        gaps = gaps_of(vertices)  # [..., G]
        change = gaps - self.gaps  # [..., G]
        shrunk = -change[..., LIPS:] / self.gaps[LIPS:].clamp(min=1e-3)  # [..., 3] of its own size
        unrolled = (shrunk[..., :2] - LID_STARTS) / (LID_ENDS - LID_STARTS)
        rounded = ((shrunk[..., 2:] - NARROWER[0]) / (NARROWER[1] - NARROWER[0])).clamp(0.0, 1.0)  # [..., 1]
        parted = ((change[..., :LIPS] - APART[0]) / (APART[1] - APART[0])).clamp(0.0, 1.0)
        parted = parted.index_copy(-1, indices(CORNERS, parted), parted[..., indices(CORNERS, parted)] * rounded)
        shut = ((TOUCHING[1] - gaps[..., :LIPS]) / (TOUCHING[1] - TOUCHING[0])).clamp(0.0, 1.0)
        opened = torch.cat([parted, unrolled.clamp(0.0, 1.0), rounded, shut], dim=-1)  # [..., G + LIPS]
        low = self.place.long().clamp(max=SHUT + LIPS - 2)  # [S]
        along = self.place - low
        return self.weight * (opened[..., low] * (1 - along) + opened[..., low + 1] * along)  # [..., S]

    def unfolded(self, colour: Tensor, step: Tensor, vertices: Tensor) -> tuple[Tensor, Tensor]:
        """Colours with folds as open as a driven mesh has them.

        Args:
            colour: RGB of the visible points ``[..., N, 3]``.
            step: RGB of their children less their own ``[..., N, 3]``.
            vertices: The mesh ``[..., V, 3]``.

        Returns:
            Both, ``[..., N, 3]``.
        """
        shares = self.shares(vertices)[..., None]  # [..., S, 1]
        own, own_step = colour[..., self.points, :], step[..., self.points, :]  # [..., S, 3]
        change, less = shares * (self.colour - own), -shares * own_step  # [..., S, 3]
        colour, step = (part.expand(*change.shape[:-2], *part.shape[-2:]) for part in (colour, step))  # [..., N, 3]
        return colour.index_add(-2, self.points, change), step.index_add(-2, self.points, less)

    def and_(self, other: Folds) -> Folds:
        """Both; points that are in both are the first one's."""
        new = ~torch.isin(other.points, self.points)
        return Folds(
            points=torch.cat([self.points, other.points[new]]),
            weight=torch.cat([self.weight, other.weight[new]]),
            colour=torch.cat([self.colour, other.colour[new]]),
            place=torch.cat([self.place, other.place[new]]),
            gaps=self.gaps,
        )


def gaps_of(vertices: Tensor) -> Tensor:
    """Gaps ``[..., G]`` of a mesh ``[..., V, 3]``, decimetres.

    Those between the inner lips from corner to corner, those between the lids, and the mouth's width.
    """

    def gap(upper: tuple[int, ...], lower: tuple[int, ...]) -> Tensor:
        ends = (vertices[..., indices(rim, vertices), :] for rim in (upper, lower))
        return torch.sub(*ends).norm(dim=-1)

    lids = ((RIGHT_EYE_UPPER, RIGHT_EYE_LOWER), (LEFT_EYE_UPPER, LEFT_EYE_LOWER))
    eyes = [gap(upper[2:-2], lower[2:-2]).mean(-1, keepdim=True) for upper, lower in lids]  # [..., 1]
    width = gap(LIPS_INNER_UPPER[:1], LIPS_INNER_UPPER[-1:])  # [..., 1]
    return torch.cat([gap(LIPS_INNER_UPPER, LIPS_INNER_LOWER), *eyes, width], dim=-1)
