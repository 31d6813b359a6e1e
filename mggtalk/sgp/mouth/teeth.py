"""Upper teeth as they stand in a row: where one ends and the next begins.

The sheet behind the lips swims with them; teeth stand still in the head. What is drawn here depends on the place in the
head alone, so that teeth stay where they are while the lips move over them.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mggtalk.geometry import constant

BORDERS = (0.0, 0.085, 0.149, 0.212, 0.257, 0.292)
"""Decimetres from the middle of the face to the borders of incisors, canine, premolars, as seen from the front: average
widths of 8.5 mm and 6.4 mm, then foreshortened by the arch."""

LIFT = (0.0, 0.007, 0.001, 0.006, 0.009)
"""Decimetres by which the edge of each of these teeth stands above that of the first."""

CORNER = 0.006
"""Decimetres by which a tooth's edge rises towards its sides."""

CREASES, CREASE_WIDTH = (0.10, 0.14, 0.16, 0.16, 0.16, 0.16), 0.007
"""Share of the light that is lost at each border, and the breadth of that line (standard deviation, decimetres)."""

ROUND = 0.06
"""Darkening of a tooth from its middle to its sides."""


class Teeth(NamedTuple):
    """Upper teeth at some points."""

    light: Tensor  # [...] in (0, 1]: each tooth is round, and dark lines part them
    lift: Tensor  # [...] decimetres from the lower edge of the two in the middle up to that of the tooth there


def teeth_at(points: Tensor) -> Teeth:
    """Upper teeth at points ``[..., 3]`` of the head frame, decimetres."""
    x = points[..., 0].abs().clamp(max=BORDERS[-1] - 1e-4)
    borders, creases = constant(BORDERS, x), constant(CREASES, x)
    tooth = torch.bucketize(x, borders[1:-1])  # [...] counted from the middle
    inner, outer = x - borders[tooth], borders[tooth + 1] - x  # decimetres to its sides
    side = ((inner - outer) / (inner + outer)).square()  # [...] 0 in its middle, 1 at its sides
    line = creases[tooth] * _line(inner) + creases[tooth + 1] * _line(outer)
    return Teeth((1.0 - ROUND * side) * (1.0 - line), constant(LIFT, x)[tooth] + CORNER * side.square())


def _line(distance: Tensor) -> Tensor:
    """Profile of the line between two teeth, decimetres from its middle."""
    return torch.exp(-0.5 * (distance / CREASE_WIDTH).square())
