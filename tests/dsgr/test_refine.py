"""Eq. 2: the refinement starts as the identity."""

from __future__ import annotations

import torch

from mggtalk.config import DSGRConfig, paper
from mggtalk.dsgr.refine import RefineUNet


def test_a_new_refinement_returns_the_coarse_cloud_and_a_trained_one_moves_it() -> None:
    torch.manual_seed(0)
    network = RefineUNet(DSGRConfig(refine_width=8)).eval()
    coarse, head = torch.randn(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(network(coarse, head), coarse)
        network.unet.last.bias.copy_(torch.tensor((0.1, 0.0, -0.2)))
        assert not network.untrained
        moved = network(coarse, head) - coarse
    expected = torch.tensor((0.1, 0.0, -0.2)).view(1, 3, 1, 1).expand_as(moved)
    assert torch.allclose(moved, expected, atol=1e-6)


def test_gradients_reach_the_last_layer_of_a_new_network() -> None:
    torch.manual_seed(0)
    network = RefineUNet(DSGRConfig(refine_width=8))
    network(torch.randn(1, 3, 16, 16), torch.rand(1, 3, 16, 16)).square().sum().backward()
    assert network.unet.last.weight.grad.abs().max() > 0


def test_width_follows_the_configuration() -> None:
    with torch.device("meta"):
        network = RefineUNet(paper().dsgr)
    assert network.unet.last.weight.shape == (3, 64, 1, 1)
