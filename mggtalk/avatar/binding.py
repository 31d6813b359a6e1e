"""Binding of an avatar's points to the face model."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import torch
from torch import Tensor


class Part(IntEnum):
    """Part of the head that a point belongs to."""

    SKIN = 0  # skin, hair and everything rigid
    RIGHT_EYE = 1  # the subject's right eyeball
    LEFT_EYE = 2
    UPPER_MOUTH = 3  # inside of the mouth that stays with the skull
    LOWER_MOUTH = 4  # inside of the mouth that goes with the jaw


class Binding(NamedTuple):
    """Binding of N points to the face model."""

    vertices: Tensor  # [N, 3] int64 vertex indices
    weights: Tensor  # [N, 3] float; they sum to the share of the displacement that the point takes
    part: Tensor  # [N] int64, a Part
    gaze: Tensor  # [N] float: share of the iris displacement that an eye point takes

    def mirrored(self, permutation: Tensor) -> Binding:
        """The binding of the mirrored points; ``permutation [V]`` maps each vertex to its mirror image."""
        swap = torch.tensor([Part.SKIN, Part.LEFT_EYE, Part.RIGHT_EYE, Part.UPPER_MOUTH, Part.LOWER_MOUTH])
        return self._replace(vertices=permutation[self.vertices], part=swap[self.part])

    def select(self, index: Tensor) -> Binding:
        """The binding of a subset of the points (bool mask or indices)."""
        return Binding(*(field[index] for field in self))


def inner_points(binding: Binding) -> Tensor:
    """Indices of the few hundred points in the eyes and the mouth ``[M]``."""
    return torch.nonzero(binding.part != Part.SKIN).squeeze(-1)
