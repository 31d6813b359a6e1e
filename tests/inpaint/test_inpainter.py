"""The learned completion starts as plain compositing."""

from __future__ import annotations

import torch

from mggtalk.config import InpaintConfig
from mggtalk.inpaint.inpainter import Inpainter, compose


def test_a_new_inpainter_composites_and_a_trained_one_adds_to_it() -> None:
    torch.manual_seed(0)
    network = Inpainter(InpaintConfig(width=4)).eval()
    alpha, plate = torch.rand(2, 1, 20, 28), torch.rand(2, 3, 20, 28)
    head, gate = alpha * torch.rand(2, 3, 20, 28), torch.tensor(1.0)
    with torch.no_grad():
        plain = network(*compose(head, alpha, plate, gate))
        assert torch.equal(plain, head + (1 - alpha) * plate)
        network.unet.last.bias.fill_(-0.1)
        darker = network(*compose(head, alpha, plate, gate))
        assert torch.equal(network(*compose(head, alpha, plate, 0 * gate)), plain)  # no change, no residual
    assert torch.allclose(darker, (plain - 0.1).clamp(0, 1), atol=1e-6)


def test_frames_stay_in_range() -> None:
    network = Inpainter(InpaintConfig(width=4)).eval()
    with torch.no_grad():
        network.unet.last.bias.fill_(5.0)
        frame = network(
            torch.zeros(1, 3, 16, 16), torch.zeros(1, 1, 16, 16), torch.rand(1, 3, 16, 16), torch.tensor(1.0)
        )
    assert (frame == 1.0).all()
