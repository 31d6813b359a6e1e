"""The compiled end of a frame against the torch path."""

from __future__ import annotations

import pytest
import torch

from mggtalk.config import InpaintConfig
from mggtalk.geometry import euler_to_rotation
from mggtalk.inpaint.compiled.finisher import CpuFinisher
from mggtalk.inpaint.follow import torso_and_background, torso_warp
from mggtalk.inpaint.inpainter import Inpainter
from mggtalk.inpaint.plates import Plates
from mggtalk.nets.gates import frame_gate
from mggtalk.scene import MotionFrame

RATIO = 2.5


def inpainter(side: int, learned: bool) -> Inpainter:
    torch.manual_seed(0)
    network = Inpainter(InpaintConfig(width=4, stride=2, side=side)).eval().requires_grad_(False)
    if learned:
        torch.nn.init.normal_(network.unet.last.weight, std=0.3)
    return network


@pytest.mark.parametrize(("size", "side", "learned"), [(64, 64, False), (64, 64, True), (96, 64, True), (64, 96, True)])
def test_the_same_frame(size: int, side: int, learned: bool) -> None:
    generator = torch.Generator().manual_seed(2)

    def smooth(*shape: int) -> torch.Tensor:
        return torch.nn.functional.interpolate(
            torch.rand(1, *shape, generator=generator), size=(size, size), mode="bicubic"
        )[0].clamp(0, 1)

    alpha = smooth(1, 8, 8)
    torso = smooth(1, 6, 6)
    plates = Plates(smooth(3, 8, 8), torch.cat([smooth(3, 9, 9) * torso, torso]), smooth(1, 4, 4))
    source = MotionFrame(torch.zeros(4), torch.eye(3), torch.tensor((0.1, 0.2, 9.0)))
    frame = MotionFrame(
        torch.full((4,), 0.7), euler_to_rotation(torch.tensor((0.1, -0.2, 0.15))), torch.tensor((0.4, -0.1, 9.5))
    )
    head = smooth(3, 8, 8) * alpha
    network = inpainter(side, learned)
    assert CpuFinisher.suits(plates, network)
    finisher = CpuFinisher(plates, source, network, RATIO)
    plate = torso_and_background(plates, torso_warp(plates.follow, source, frame, RATIO), size)[0]
    found = torch.from_numpy(finisher.plate(frame)).permute(2, 0, 1)
    torch.testing.assert_close(found, plate, atol=2e-4, rtol=0)
    expected = network(head[None], alpha[None], plate[None], frame_gate(frame, source))[0]
    picture = finisher(head.permute(1, 2, 0), alpha[0], frame)
    difference = torch.from_numpy(picture).permute(2, 0, 1) / 255.0 - expected
    assert difference.abs().max() < 1.01 / 255.0
    assert difference.abs().mean() < 0.3 / 255.0  # rounding


def test_no_motion_leaves_the_torso_where_it_is() -> None:
    torch.manual_seed(0)
    plates = Plates(torch.rand(3, 32, 32), torch.rand(4, 32, 32), torch.rand(1, 32, 32))
    source = MotionFrame(torch.zeros(4), torch.eye(3), torch.tensor((0.0, 0.0, 9.0)))
    plate = torch.from_numpy(CpuFinisher(plates, source, inpainter(32, False), RATIO).plate(source)).permute(2, 0, 1)
    torch.testing.assert_close(plate, plates.torso[:3] + (1 - plates.torso[3:]) * plates.background, atol=1e-4, rtol=0)
