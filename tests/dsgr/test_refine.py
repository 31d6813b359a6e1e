"""Eq. 2: the refinement starts as the identity and moves points along the portrait's rays."""

from __future__ import annotations

import torch

from mggtalk.config import DSGRConfig, paper
from mggtalk.dsgr.refine import RefineUNet

EYE = torch.tensor((0.0, 0.5, 9.0))


def test_a_new_refinement_returns_the_coarse_cloud_and_a_trained_one_moves_it_along_the_rays() -> None:
    torch.manual_seed(0)
    network = RefineUNet(DSGRConfig(refine_width=8)).eval()
    coarse, head = torch.randn(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(network(coarse, head, EYE), coarse)
        network.unet.last.bias.fill_(0.1)
        assert not network.untrained
        moved = network(coarse, head, EYE) - coarse
    rays = torch.nn.functional.normalize(coarse - EYE.view(1, 3, 1, 1), dim=1)
    assert moved.norm(dim=1).mean() > 0.01
    assert torch.linalg.cross(moved, rays, dim=1).abs().max() < 1e-6


def test_gradients_reach_the_last_layer_of_a_new_network() -> None:
    torch.manual_seed(0)
    network = RefineUNet(DSGRConfig(refine_width=8))
    network(torch.randn(1, 3, 16, 16), torch.rand(1, 3, 16, 16), EYE).square().sum().backward()
    assert network.unet.last.weight.grad.abs().max() > 0


def test_width_follows_the_configuration() -> None:
    with torch.device("meta"):
        network = RefineUNet(paper().dsgr)
    assert network.unet.last.weight.shape == (3, 64, 1, 1)
