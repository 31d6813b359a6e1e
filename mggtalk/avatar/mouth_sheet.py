"""The sheet of Gaussians for the inside of the mouth."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

ROWS, COLUMNS = 32, 64
"""Size of the sheet."""


class MouthSheet(NamedTuple):
    """Knowledge of the inside of one person's mouth."""

    colour: Tensor  # [R*C, 3] RGB that the portrait shows under the upper lip, one for each column
    known: Tensor  # [R*C] in [0, 1]: how far its lips are apart there
    cavity: Tensor  # [3] RGB of the dark inside
    teeth: Tensor  # [3] RGB of the teeth
    edge: Tensor  # [] head-frame y of the lower edge of the upper teeth, decimetres
    closed_gap: Tensor  # [] decimetres between the lips below which the sheet is hidden
