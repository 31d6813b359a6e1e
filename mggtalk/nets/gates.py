"""The second half of the law: no change, no residual.

With the source's own pose and expression the output is the portrait itself. Every learned residual that could be seen
there is multiplied by a gate that is 0 without change and tends to 1 with it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mggtalk.scene import MotionFrame

TURN = math.radians(5.0)
"""Head rotation that opens the gate of a frame by 63 %."""

SHIFT = 0.1
"""Head translation that does so, decimetres."""


def expression_gate(beta_d: Tensor, beta_s: Tensor) -> Tensor:
    """``1 - exp(-mean (beta_d - beta_s)^2)`` for expressions ``[..., K]``: ``[...]`` in [0, 1)."""
    return 1.0 - torch.exp(-(beta_d - beta_s).square().mean(-1))


def frame_gate(frame: MotionFrame, source: MotionFrame) -> Tensor:
    """Gate of a whole frame by its expression and its pose: a scalar in [0, 1), or ``[B]`` of B frames."""
    expression = (frame.expression - source.expression).square().mean(-1)
    # |R_1 - R_2|^2 = 8 sin^2(angle / 2), about 2 angle^2
    turn = 0.5 * (frame.rotation - source.rotation).square().sum((-2, -1)) / TURN**2
    shift = (frame.translation - source.translation).square().sum(-1) / SHIFT**2
    return 1.0 - torch.exp(-(expression + turn + shift))
