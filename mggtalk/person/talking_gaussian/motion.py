"""The motion fields: where the persistent Gaussians of face and mouth go (TalkingGaussian, eq. 4 to 6).

Conditions reach each place through gates of its own (regional attention), so that lips do not hear the brows::

    delta_i = MLP([f(x_i), a * A(f(x_i)), e * E(f(x_i))])

with the position code f, the lips' features a, the upper face's e, and small MLPs A and E. All of them have no biases,
and the last layer starts at zero: the field learns the residual to the motion of eq. 9, which every Gaussian has.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from mggtalk.nets.unet import zero_init
from mggtalk.person.talking_gaussian.conditions import UPPER
from mggtalk.person.talking_gaussian.config import FieldConfig

STEP = 0.1
"""Decimetres that the value 1 stands for: the published 1e-2, in our units."""

SIDEWAYS = 0.2
"""Share of it that the inside of the mouth moves along x and z."""


class FaceMove(NamedTuple):
    """Learned motion of N persistent Gaussians; before activation, like all that it is added to."""

    points: Tensor  # [N, 3] decimetres
    log_scales: Tensor  # [N, 3]
    quaternions: Tensor  # [N, 4]


def mlp(*widths: int) -> nn.Sequential:
    """Linear layers without biases, ReLU between them."""
    layers: list[nn.Module] = []
    for before, after in zip(widths, widths[1:]):
        layers += [nn.Linear(before, after, bias=False), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class FaceMotion(nn.Module):
    """Position, scale and rotation of the face's Gaussians."""

    def __init__(self, config: FieldConfig) -> None:
        super().__init__()
        code, upper = config.face_grid.features, len(UPPER)
        self.lips = mlp(config.axes, 2 * config.lips, config.lips)
        self.lips_gate = mlp(code, config.lips, config.lips)
        self.upper = mlp(upper - 1, 16, upper - 1)
        self.upper_gate = mlp(code, 16, upper)
        self.body = mlp(code + config.lips + upper, config.hidden, config.hidden)
        self.last = zero_init(nn.Linear(config.hidden, 10, bias=False))

    def gates(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """Regional attention ``[N, A]`` and ``[N, 6]`` of places with codes ``[N, C]``."""
        return self.lips_gate(code), self.upper_gate(code).relu()

    def forward(self, code: Tensor, lips: Tensor, upper: Tensor) -> FaceMove:
        """The motion of places with codes ``[N, C]`` under the conditions ``[E]`` and ``[6]`` of one frame."""
        lips_gate, upper_gate = self.gates(code)
        heard = self.lips(lips) * lips_gate  # [N, A]
        seen = torch.cat([self.upper(upper[:-1]), upper[-1:]]) * upper_gate  # [N, 6]; the blink as it is
        moved = self.last(self.body(torch.cat([code, heard, seen], dim=-1)).relu())  # [N, 10]
        return FaceMove(STEP * moved[:, :3], moved[:, 3:6], moved[:, 6:])


class MouthMotion(nn.Module):
    """Translation of the Gaussians inside the mouth."""

    step: Tensor  # [3] decimetres that the value 1 stands for

    def __init__(self, config: FieldConfig) -> None:
        super().__init__()
        self.lips = mlp(config.axes, 2 * config.lips, config.lips)
        self.body = mlp(config.mouth_grid.features + config.lips, config.mouth_hidden, config.mouth_hidden)
        self.last = zero_init(nn.Linear(config.mouth_hidden, 3, bias=False))
        step = torch.tensor([SIDEWAYS * STEP, STEP, SIDEWAYS * STEP])
        self.register_buffer("step", step, persistent=False)

    def forward(self, code: Tensor, lips: Tensor) -> Tensor:
        """Displacements ``[Q, 3]`` of places with codes ``[Q, C]`` under the lips' condition ``[E]``, decimetres."""
        heard = self.lips(lips).expand(len(code), -1)  # [Q, A]
        return self.step * self.last(self.body(torch.cat([code, heard], dim=-1)).relu())
