"""The compiled end of a frame against the torch path."""

from __future__ import annotations

import pytest
import torch

from mggtalk.config import InpaintConfig
from mggtalk.geometry import euler_to_rotation
from mggtalk.inpaint.compiled.finisher import CpuFinisher
from mggtalk.inpaint.compiled.frame import HIDDEN
from mggtalk.inpaint.follow import torso_and_background, torso_warp
from mggtalk.inpaint.image_renderer import ImageRenderer, compose, describe_change
from mggtalk.inpaint.plates import Plates
from mggtalk.nets.gates import frame_gate
from mggtalk.scene import MotionFrame

RATIO = 2.5


def image_renderer(side: int, learned: bool) -> ImageRenderer:
    torch.manual_seed(0)
    network = ImageRenderer(InpaintConfig(width=4, stride=2, side=side)).eval().requires_grad_(False)
    if learned:
        torch.nn.init.normal_(network.unet.last.weight, std=0.3)
    return network


@pytest.mark.parametrize(
    ("size", "side", "learned", "block"),
    [
        (64, 64, False, 1),
        (64, 64, True, 1),
        (96, 64, True, 1),
        (64, 96, True, 1),
        (48, 64, False, 2),
        (32, 64, True, 3),
    ],
)
def test_the_same_frame(size: int, side: int, learned: bool, block: int) -> None:
    generator = torch.Generator().manual_seed(2)
    fine = size * block

    def smooth(*shape: int) -> torch.Tensor:
        picture = torch.rand(1, *shape, generator=generator)
        return torch.nn.functional.interpolate(picture, size=(fine, fine), mode="bicubic")[0].clamp(0, 1)

    alpha = smooth(1, 8, 8)
    torso = smooth(1, 6, 6)
    plates = Plates(smooth(3, 8, 8), torch.cat([smooth(3, 9, 9) * torso, torso]), smooth(1, 4, 4))
    source = MotionFrame(torch.zeros(64), torch.eye(3), torch.tensor((0.1, 0.2, 9.0)))
    frame = MotionFrame(
        torch.full((64,), 0.7),
        euler_to_rotation(torch.tensor((0.1, -0.2, 0.15))),
        torch.tensor((0.4, -0.1, 9.5)),
        torch.tensor(((1.05, -0.03, 0.02), (0.03, 1.05, -0.04))),
    )
    head = smooth(3, 8, 8) * alpha
    network = image_renderer(side, learned)
    assert CpuFinisher.suits(plates, network)
    finisher = CpuFinisher(plates, source, network, RATIO, block)
    plate = torso_and_background(plates, torso_warp(plates.follow, source, frame, RATIO), fine)
    head_pixels, alpha_pixels = head.permute(1, 2, 0).contiguous(), alpha[0].contiguous()
    composite = finisher.compose(head_pixels.numpy(), alpha_pixels.numpy(), frame)
    over = head + (1.0 - alpha) * plate[0]
    torch.testing.assert_close(torch.from_numpy(composite).permute(2, 0, 1), over, atol=2e-4 + HIDDEN, rtol=0)
    change = describe_change(frame, source)[None]
    expected = network(*compose(head[None], alpha[None], plate, frame_gate(frame, source), change, block))[0]
    picture = finisher(head_pixels, alpha_pixels, frame)
    assert picture.shape == (size, size, 3)
    difference = torch.from_numpy(picture).permute(2, 0, 1) / 255.0 - expected
    assert difference.abs().max() < (1.5 if learned else 1.01) / 255.0  # a network amplifies rounding
    assert difference.abs().mean() < 0.3 / 255.0  # rounding


def test_no_motion_leaves_the_torso_where_it_is() -> None:
    torch.manual_seed(0)
    plates = Plates(torch.rand(3, 32, 32), torch.rand(4, 32, 32), torch.rand(1, 32, 32))
    source = MotionFrame(torch.zeros(64), torch.eye(3), torch.tensor((0.0, 0.0, 9.0)))
    finisher = CpuFinisher(plates, source, image_renderer(32, False), RATIO)
    nothing = torch.zeros(32, 32, 4).numpy()
    plate = torch.from_numpy(finisher.compose(nothing[..., :3], nothing[..., 3], source)).permute(2, 0, 1)
    torch.testing.assert_close(plate, plates.torso[:3] + (1 - plates.torso[3:]) * plates.background, atol=1e-4, rtol=0)
