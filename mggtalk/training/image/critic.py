"""The critic of the image network: a patch discriminator with the hinge loss."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from mggtalk.nets.unet import conv_block


class Critic(nn.Module):
    """A patch discriminator."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, width, 4, stride=2, padding=1),
            nn.SiLU(),
            conv_block(width, 2 * width, stride=2),
            conv_block(2 * width, 4 * width, stride=2),
            nn.Conv2d(4 * width, 1, 1),
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures ``[B, 3, S, S]`` in [0, 1] to scores ``[B, 1, S/8, S/8]``, high for real ones."""
        return self.body(2.0 * pictures - 1.0)  # [B, 1, S/8, S/8]


def hinge_loss(critic: nn.Module, made: Tensor, real: Tensor) -> Tensor:
    """``relu(1 - D(real)) + relu(1 + D(made))``, which the critic minimises."""
    return F.relu(1.0 - critic(real.detach())).mean() + F.relu(1.0 + critic(made.detach())).mean()
