"""The compiled end of a frame; that it is its torch twin, test_twins.py says."""

from __future__ import annotations

import torch

from mggtalk.config import InpaintConfig
from mggtalk.inpaint.compiled.finisher import CpuFinisher
from mggtalk.inpaint.image_renderer import ImageRenderer
from mggtalk.inpaint.plates import Plates
from mggtalk.scene import MotionFrame

RATIO = 2.5


def image_renderer(side: int, learned: bool) -> ImageRenderer:
    torch.manual_seed(0)
    network = ImageRenderer(InpaintConfig(width=4, stride=2, side=side)).eval().requires_grad_(False)
    if learned:
        torch.nn.init.normal_(network.unet.last.weight, std=0.3)
    return network


def test_no_motion_leaves_the_torso_where_it_is() -> None:
    torch.manual_seed(0)
    plates = Plates(torch.rand(3, 32, 32), torch.rand(4, 32, 32), *torch.rand(3, 1, 32, 32))
    source = MotionFrame(torch.zeros(64), torch.eye(3), torch.tensor((0.0, 0.0, 9.0)))
    finisher = CpuFinisher(plates, source, image_renderer(32, False), RATIO)
    nothing = torch.zeros(32, 32, 4).numpy()
    plate = torch.from_numpy(finisher.compose(nothing[..., :3], nothing[..., 3], source)).permute(2, 0, 1)
    torch.testing.assert_close(plate, plates.torso[:3] + (1 - plates.torso[3:]) * plates.background, atol=1e-4, rtol=0)
