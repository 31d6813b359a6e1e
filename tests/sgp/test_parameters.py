"""Raw parameters, their activation and their mirror."""

from __future__ import annotations

import torch

from mggtalk.geometry import mirror_points, quaternion_to_rotation
from mggtalk.render.constants import SH_0
from mggtalk.render.harmonics import harmonics_from_colour
from mggtalk.sgp.parameters import CHANNELS, GaussianParameters, concatenate


def some(count: int = 6, seed: int = 0) -> GaussianParameters:
    """Random parameters."""
    generator = torch.Generator().manual_seed(seed)
    shapes = ((count, 3), (count, 4), (count, 4, 3), (count,))
    return GaussianParameters(*(torch.randn(*shape, generator=generator) for shape in shapes))


def same(a: GaussianParameters, b: GaussianParameters) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b))


def test_twenty_channels() -> None:
    assert sum(CHANNELS.values()) == 20
    assert some().flatten().shape == (6, 20)


def test_residual_has_the_order_of_flatten() -> None:
    a, b = some(seed=1), some(seed=2)
    assert torch.allclose(a.add(b.flatten()).flatten(), a.flatten() + b.flatten())
    assert same(a.add(torch.zeros(6, 20)), a)


def test_activation_gives_what_a_renderer_takes() -> None:
    means = torch.randn(6, 3)
    gaussians = some().activate(means)
    assert torch.equal(gaussians.means, means)
    assert (gaussians.scales > 0).all() and (gaussians.opacities > 0).all() and (gaussians.opacities < 1).all()
    assert torch.allclose(gaussians.quaternions.norm(dim=-1), torch.ones(6), atol=1e-6)


def test_mirror_is_an_involution_and_mirrors_the_ellipsoid() -> None:
    parameters, means = some(), torch.randn(6, 3)
    assert same(parameters.mirror().mirror(), parameters)
    here, there = parameters.activate(means), parameters.mirror().activate(mirror_points(means))
    flip = torch.diag(torch.tensor((-1.0, 1.0, 1.0)))
    axes = quaternion_to_rotation(here.quaternions) * here.scales[:, None]
    mirrored = quaternion_to_rotation(there.quaternions) * there.scales[:, None]
    assert torch.allclose(mirrored @ mirrored.mT, flip @ (axes @ axes.mT) @ flip, atol=1e-4, rtol=1e-4)


def test_colour_is_the_constant_harmonic() -> None:
    colour = torch.rand(5, 3)
    harmonics = harmonics_from_colour(colour)
    assert torch.allclose(harmonics[:, 0] * SH_0 + 0.5, colour, atol=1e-6)
    assert torch.count_nonzero(harmonics[:, 1:]) == 0


def test_select_and_concatenate() -> None:
    parameters = some()
    index = torch.tensor((4, 0))
    assert torch.equal(parameters.select(index).flatten(), parameters.flatten()[index])
    parts = [some(2, 1).activate(torch.zeros(2, 3)), some(3, 2).activate(torch.ones(3, 3))]
    whole = concatenate(parts)
    assert len(whole.means) == 5 and torch.equal(whole.scales[2:], parts[1].scales)
