"""The law of the project: a new network changes nothing; and the building blocks it is made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from mggtalk import config as configs
from mggtalk.dsgr.refine import RefineUNet
from mggtalk.inpaint.image_renderer import CHANGE, ImageRenderer
from mggtalk.motion.deformation import DeformationMLP
from mggtalk.nets.maps import fill
from mggtalk.nets.unet import ResidualUNet, is_zero, zero_init
from mggtalk.sgp.gaussian_decoder import GaussianDecoder
from mggtalk.sgp.identity_encoder import IdentityEncoder
from mggtalk.sgp.predictor import SymmetricGaussianPredictor
from mggtalk.sgp.sym_decoder import SymGaussianDecoder

K = configs.EXPRESSION_COMPONENTS
TINY = configs.tiny()


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Reproducible normal noise."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def wake(network: nn.Module) -> None:
    """Train all last layers a little, as an optimiser would."""
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        layer = getattr(module, "last", None)
        if layer is not None:
            with torch.no_grad():
                layer.weight.normal_(0.0, 0.1, generator=generator)


Residual = tuple[nn.Module, Callable[[], Tensor]]


def refine_residual() -> Residual:
    network, coarse = RefineUNet(TINY.dsgr), noise(1, 3, 40, 40)
    eye = torch.tensor((0.0, 0.0, 8.0))
    return network, lambda: network(coarse, noise(1, 3, 40, 40, seed=1).sigmoid(), eye) - coarse


def deformation_residual() -> Residual:
    network = DeformationMLP(TINY.deformation)
    return network, lambda: network(noise(11, 3), noise(K, seed=1), noise(K, seed=2))


def decoder_residual() -> Residual:
    network = GaussianDecoder(TINY.sgp)
    features, moved = noise(2, TINY.sgp.features, 6, 6), noise(2, 3, 24, 24, seed=1)
    return network, lambda: network(features, noise(2, 3, 24, 24), moved, noise(2, K))


def sym_residual() -> Residual:
    network = SymGaussianDecoder(TINY.sgp)
    return network, lambda: network(noise(1, TINY.sgp.features, 6, 6), noise(1, 3, 24, 24), noise(1, 20, 24, 24))


def image_residual() -> Residual:
    network = ImageRenderer(TINY.inpaint)
    composite, alpha = noise(1, 3, 32, 32).sigmoid(), noise(1, 1, 32, 32).sigmoid()
    return network, lambda: network(composite, alpha, torch.ones(1), noise(1, CHANGE)) - composite


@pytest.mark.parametrize(
    "make", [refine_residual, deformation_residual, decoder_residual, sym_residual, image_residual]
)
def test_a_new_network_is_a_zero_residual_and_a_trained_one_is_not(make: Callable[[], Residual]) -> None:
    torch.manual_seed(0)
    network, residual = make()
    network.eval()
    with torch.no_grad():
        assert network.untrained
        assert torch.count_nonzero(residual()) == 0
        wake(network)
        assert not network.untrained
        assert residual().abs().max() > 1e-4


def test_unet_is_zero_even_where_the_shortcut_is_not_taken() -> None:
    torch.manual_seed(0)
    network = ResidualUNet(5, 4, 16, condition=K)
    assert torch.count_nonzero(network(noise(2, 5, 33, 47), noise(2, K))) == 0


def test_unet_takes_any_side_and_listens_to_its_condition() -> None:
    torch.manual_seed(0)
    network = ResidualUNet(2, 3, 8, depth=2, condition=4).eval()
    wake(network)
    maps = noise(1, 2, 13, 22)
    with torch.no_grad():
        quiet, loud = network(maps, torch.zeros(1, 4)), network(maps, torch.ones(1, 4))
    assert quiet.shape == (1, 3, 13, 22)
    assert not torch.allclose(quiet, loud)


def test_a_strided_unet_keeps_the_side_and_the_detail() -> None:
    torch.manual_seed(0)
    network = ResidualUNet(2, 3, 8, depth=1, stride=2).eval()
    wake(network)
    with torch.no_grad():
        residual = network(noise(1, 2, 14, 9))
    assert residual.shape == (1, 3, 14, 9)
    assert not torch.allclose(residual[..., 0::2, :], residual[..., 1::2, :])  # neighbours under one cell differ


def test_a_zero_network_runs_while_it_is_trained() -> None:
    network = ResidualUNet(2, 3, 8)
    assert not network.train().untrained
    assert network.eval().untrained


def test_zero_init_and_is_zero() -> None:
    layer = nn.Linear(3, 2)
    assert not is_zero(layer)
    assert is_zero(zero_init(layer))
    with torch.no_grad():
        layer.bias[1] = 1e-8
    assert not is_zero(layer)
    assert is_zero(zero_init(nn.Conv2d(3, 2, 1, bias=False)))


def networks_of(config: configs.PipelineConfig) -> list[nn.Module]:
    """The learned residuals of a configuration."""
    with torch.device("meta"):
        return [
            RefineUNet(config.dsgr),
            DeformationMLP(config.deformation),
            SymmetricGaussianPredictor(config.sgp),
            ImageRenderer(config.inpaint),
        ]


def parameters(config: configs.PipelineConfig) -> int:
    """Number of parameters of all learned residuals."""
    return sum(p.numel() for network in networks_of(config) for p in network.parameters())


def test_tiny_fits_into_the_repository() -> None:
    half_precision = 2 * parameters(configs.tiny())
    assert half_precision <= 25e6


def test_paper_size_builds_and_is_larger() -> None:
    assert parameters(configs.paper()) > 4 * parameters(configs.tiny())


def test_configurations_are_frozen_and_differ() -> None:
    assert configs.tiny() == configs.PipelineConfig()
    assert configs.paper() != configs.tiny()
    with pytest.raises(dataclasses.FrozenInstanceError):
        configs.tiny().name = "other"


def test_identity_features_have_the_resolution_of_the_map() -> None:
    torch.manual_seed(0)
    encoder = IdentityEncoder(TINY.sgp).eval()
    with torch.no_grad():
        assert encoder(noise(1, 4, 64, 32)).shape == (1, TINY.sgp.features, 16, 8)


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (1, 9), (5, 128)])
def test_fill_keeps_what_is_known_and_stays_in_its_range(size: tuple[int, int]) -> None:
    values = noise(1, 3, *size).sigmoid()
    known = (noise(1, 1, *size, seed=1) > 0.3).float()
    known[..., 0] = 1.0
    filled = fill(values, known)
    assert torch.equal(filled * known, values * known)
    low, high = values[known.expand_as(values) > 0].min(), values[known.expand_as(values) > 0].max()
    assert filled.min() >= low - 1e-5 and filled.max() <= high + 1e-5


def test_fill_continues_a_constant_and_is_smooth_in_a_hole() -> None:
    x = torch.linspace(0, 1, 96).expand(1, 1, 96, 96).contiguous()
    known = torch.ones(1, 1, 96, 96)
    known[..., 24:72, 24:72] = 0.0
    assert torch.allclose(fill(torch.full_like(x, 0.37), known), torch.full_like(x, 0.37), atol=1e-6)
    filled = fill(x * known, known)
    hole = filled[..., 24:72, 24:72]
    assert hole.diff(dim=-1).abs().max() < 0.06 and hole.diff(dim=-2).abs().max() < 0.06
    assert (hole[..., -1] - hole[..., 0]).mean() > 0.2  # goes from the left side's value toward the right side's


def test_fill_without_anything_known_is_finite() -> None:
    assert torch.isfinite(fill(noise(1, 3, 16, 16), torch.zeros(1, 1, 16, 16))).all()


def test_networks_made_in_inference_mode_are_looked_at_as_well() -> None:
    with torch.inference_mode():
        network = ResidualUNet(3, 2, width=4, depth=1).eval()
        assert network.untrained
        assert not bool(network(torch.rand(1, 3, 8, 8)).any())
