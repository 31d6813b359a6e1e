"""Building blocks that the learned residuals share: a small UNet and a head that starts at zero.

The law of the project: every network adds a residual to an analytic estimate and its last layer starts at zero, so an
untrained network changes nothing. :func:`is_zero` lets the pipeline skip a network whose residual is still identically
zero; the result is the same to the last bit, only faster.

Its compiled twin: :mod:`mggtalk.nets.folded_unet`.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Layer = TypeVar("Layer", nn.Conv1d, nn.Conv2d, nn.Linear)


def zero_init(layer: Layer) -> Layer:
    """Set a last layer to zero, so that the residual it makes is exactly zero before training."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def is_zero(layer: nn.Conv1d | nn.Conv2d | nn.Linear) -> bool:
    """Whether a last layer still is all zero, i.e. the network's residual vanishes for every input.

    Looked up once per state of the weights: the look waits for a GPU, and every frame asks.
    """
    # Weights that were loaded in inference mode count no changes.
    state = [(part.data_ptr(), 0 if part.is_inference() else part._version) for part in layer.parameters(recurse=False)]
    known = layer.__dict__.get("_is_zero")
    if known is None or known[0] != state:
        known = layer.__dict__["_is_zero"] = state, not any(bool(part.detach().any()) for part in layer.parameters())
    return known[1]


def conv_block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """3x3 convolution, group normalisation, SiLU: ``[B, inputs, H, W]`` to ``[B, outputs, H/stride, W/stride]``."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.GroupNorm(min(8, outputs), outputs),
        nn.SiLU(),
    )


class ResidualUNet(nn.Module):
    """A UNet whose output is exactly zero until it is trained.

    Args:
        inputs: Channels of the input map.
        outputs: Channels of the residual.
        width: Channels of the first stage; each of the ``depth`` stages below doubles them, up to eight times.
        depth: Number of halvings. Sides that are not divisible by ``2 ** depth`` are padded by replication and cut.
        condition: Length of a conditioning vector (such as the expression), added to the bottleneck; 0 for none.
        stride: The stages work on maps this many times smaller: pixels are folded into channels before the first and
            unfolded after the last, so that no detail is lost and the work falls with its square.
    """

    def __init__(
        self, inputs: int, outputs: int, width: int, depth: int = 4, condition: int = 0, stride: int = 1
    ) -> None:
        super().__init__()
        self.depth = depth
        self.stride = stride
        inputs, outputs = inputs * stride**2, outputs * stride**2
        widths = [width * min(2**level, 8) for level in range(depth + 1)]
        self.entry = conv_block(inputs, widths[0])
        self.down = nn.ModuleList(
            nn.Sequential(conv_block(a, b, stride=2), conv_block(b, b)) for a, b in zip(widths[:-1], widths[1:])
        )
        self.up = nn.ModuleList(conv_block(a + b, a) for a, b in zip(widths[:-1], widths[1:]))
        self.condition = nn.Linear(condition, widths[-1]) if condition else None
        self.last = zero_init(nn.Conv2d(widths[0], outputs, 1))

    @property
    def untrained(self) -> bool:
        """Whether the residual is identically zero and nothing is learning it: the network need not run."""
        return not self.training and is_zero(self.last)

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the weights, in which the network works; what goes in and comes out has its own."""
        return self.last.weight.dtype

    def forward(self, maps: Tensor, condition: Tensor | None = None) -> Tensor:
        """Predict the residual.

        Args:
            maps: ``[B, inputs, H, W]``.
            condition: ``[B, condition]`` if the network was built with a condition.

        Returns:
            ``[B, outputs, H, W]``.
        """
        (height, width), precision = maps.shape[-2:], maps.dtype
        step = self.stride * 2**self.depth
        maps = F.pad(
            maps.to(self.dtype), (0, -width % step, 0, -height % step), mode="replicate"
        )  # [B, inputs, H', W']
        maps = F.pixel_unshuffle(maps, self.stride)  # [B, inputs * stride^2, H'/stride, W'/stride]
        skips = [self.entry(maps.contiguous(memory_format=torch.channels_last))]  # twice as fast on a CPU
        for stage in self.down:
            skips.append(stage(skips[-1]))  # [B, C, H/2, W/2]
        hidden = skips.pop()
        if self.condition is not None and condition is not None:
            hidden = hidden + self.condition(condition.to(self.dtype))[:, :, None, None]
        for stage in reversed(self.up):
            hidden = F.interpolate(hidden, scale_factor=2, mode="nearest")  # [B, C, 2H, 2W]
            hidden = stage(torch.cat([skips.pop(), hidden], dim=1))
        residual = F.pixel_shuffle(self.last(hidden), self.stride)  # [B, outputs, H', W']
        return residual[..., :height, :width].to(precision)  # [B, outputs, H, W]
