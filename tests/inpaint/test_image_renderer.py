"""The image network starts as plain compositing, and what it adds is gated, bounded and of one kind at all sizes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from mggtalk.config import InpaintConfig
from mggtalk.geometry import euler_to_rotation
from mggtalk.inpaint.image_renderer import BOUND, CHANGE, ImageRenderer, Layers, bounded, compose, describe_change
from mggtalk.scene import MotionFrame


def network(side: int = 32, trained: bool = True) -> ImageRenderer:
    torch.manual_seed(0)
    made = ImageRenderer(InpaintConfig(width=4, stride=2, depth=4, side=side)).eval().requires_grad_(False)
    if trained:
        torch.nn.init.normal_(made.unet.last.weight, std=0.3)
    return made


def layers(size: int, gate: float = 1.0) -> Layers:
    generator = torch.Generator().manual_seed(1)
    alpha = torch.rand(2, 1, size, size, generator=generator)
    head, plate = (torch.rand(2, 3, size, size, generator=generator) for _ in range(2))
    change = torch.randn(2, CHANGE, generator=generator)
    return compose(head * alpha, alpha, plate, torch.full((2, 1, 1, 1), gate), change)


def test_a_new_network_composites() -> None:
    given = layers(32)
    assert torch.equal(network(trained=False)(*given), given.composite)
    alpha, plate = torch.full((1, 1, 8, 8), 0.25), torch.full((1, 3, 8, 8), 0.8)
    made = compose(torch.full((1, 3, 8, 8), 0.1), alpha, plate, torch.ones(1), torch.zeros(1, CHANGE), block=2)
    torch.testing.assert_close(made.composite, torch.full((1, 3, 4, 4), 0.1 + 0.75 * 0.8))


def test_no_change_no_residual() -> None:
    given = layers(32, gate=0.0)
    assert torch.equal(network()(*given), given.composite)
    source = MotionFrame(
        torch.rand(64), euler_to_rotation(torch.tensor((0.1, 0.2, 0.3))), torch.tensor((0.0, 0.0, 9.0))
    )
    told = describe_change(source, source)
    assert len(told) == CHANGE
    assert told[:67].abs().max() == 0 and told[70:].abs().max() == 0 and told[67:70].abs().min() > 0


def test_the_residual_is_bounded_and_the_frame_in_range() -> None:
    values = torch.linspace(-50, 50, 101)
    assert bounded(values).abs().max() < BOUND
    torch.testing.assert_close(bounded(values / 1e5), values / 1e5, atol=1e-6, rtol=0)
    loud = network()
    torch.nn.init.normal_(loud.unet.last.weight, std=30.0)
    frame = loud(*layers(32))
    assert frame.min() >= 0 and frame.max() <= 1


@pytest.mark.parametrize("size", [24, 48, 64])
def test_other_sizes_get_the_residual_of_the_inner_side(size: int) -> None:
    def smooth(channels: int) -> Tensor:
        coarse = torch.rand(1, channels, 3, 3, generator=torch.Generator().manual_seed(channels))
        return F.interpolate(coarse, size=(64, 64), mode="bicubic").clamp(0, 1)

    made, change = network(), torch.zeros(1, CHANGE)
    composite, alpha = 0.3 + 0.4 * smooth(3), smooth(1)

    def added(side: int) -> Tensor:
        parts = (F.interpolate(part, size=(side, side), mode="bilinear", antialias=True) for part in (composite, alpha))
        given = Layers(*parts, torch.ones(1), change)
        return F.interpolate(made(*given) - given.composite, size=(8, 8), mode="bilinear", antialias=True)

    wanted = added(32)
    assert wanted.abs().mean() > 0.005
    assert (added(size) - wanted).abs().mean() < 0.1 * wanted.abs().mean()
