"""The colour MLP of GGTalker: colours that follow expression and pose, as an option of the persistent field.

::

    SH = SH_0 + M(f(x), a, e, p)

with the position code f, the conditions of lips and upper face, and the pose p of the head, which light depends on. The
published one also sees SH_0; here a code of the place stands for it. It may do what TalkingGaussian forbids: wrinkles,
light and teeth that no motion can bring, at the price that something may be invented.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mggtalk.nets.unet import zero_init
from mggtalk.person.talking_gaussian.conditions import POSE, UPPER
from mggtalk.person.talking_gaussian.config import FieldConfig
from mggtalk.person.talking_gaussian.motion import mlp

PAINT = 0.2
"""RGB that the value 1 stands for."""

LOGIT = 1.0
"""Change of the opacity's logit that it stands for."""


class ColourMLP(nn.Module):
    """Changes of RGB and of the opacity's logit; zero at first."""

    def __init__(self, config: FieldConfig) -> None:
        super().__init__()
        inputs = config.face_grid.features + config.axes + len(UPPER) + POSE
        self.body = mlp(inputs, config.hidden, config.hidden)
        self.last = zero_init(nn.Linear(config.hidden, 4, bias=False))

    def forward(self, code: Tensor, conditions: Tensor) -> tuple[Tensor, Tensor]:
        """Changes of places with codes ``[A, C]`` under the conditions of one frame: RGB ``[A, 3]``, logit ``[A]``."""
        seen = torch.cat([code, conditions.expand(len(code), -1)], dim=-1)
        painted = self.last(self.body(seen).relu())  # [A, 4]
        return PAINT * painted[:, :3], LOGIT * painted[:, 3]
