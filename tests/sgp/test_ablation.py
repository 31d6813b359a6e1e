"""Parts that are left out: the weights stay, what they made goes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from mggtalk.avatar.avatar import Avatar
from mggtalk.config import Ablation, PipelineConfig, SGPConfig
from mggtalk.motion.deformation import Driven
from mggtalk.scene import Gaussians
from mggtalk.sgp.predictor import SymmetricGaussianPredictor

SMALL = SGPConfig(stride=1, features=8, encoder_width=8, decoder_width=8, sym_width=8, child_width=8, mouth_width=8)


def predictor(ablation: Ablation) -> SymmetricGaussianPredictor:
    """The same random weights whatever is left out; only map networks, whose gates are open, have learned."""
    config = ablation.applied(replace(PipelineConfig(), sgp=SMALL)).sgp
    with torch.random.fork_rng():
        torch.manual_seed(0)
        sgp = SymmetricGaussianPredictor(config).eval().requires_grad_(False)
        torch.nn.init.normal_(sgp.decoder.unet.last.weight, std=0.5)
        for branch in sgp.sym_decoder.branches.values():
            torch.nn.init.normal_(branch.last.weight, std=0.5)
    return sgp


def splats(avatar: Avatar, **ablation: bool) -> Gaussians:
    """The coarse set of a frame in which everything moves."""
    shift = 0.2 * torch.sin(8.0 * avatar.points)
    driven = Driven(
        avatar.points + shift,
        avatar.mirrored_points - shift[avatar.mirrored],
        avatar.vertices,
        avatar.expression + 1.0,
    )
    return predictor(Ablation(**ablation))(avatar, driven).coarse


@pytest.mark.parametrize("part", ["points", "sym_decoder", "sym_twin"])
def test_weights_stay(part: str) -> None:
    whole, lesser = predictor(Ablation()).state_dict(), predictor(Ablation(**{part: True})).state_dict()
    assert whole.keys() == lesser.keys()
    assert all(torch.equal(whole[name], lesser[name]) for name in whole)


def test_without_points_the_visible_half_changes(small_avatar: Avatar) -> None:
    count = len(small_avatar.points)
    whole, lesser = splats(small_avatar), splats(small_avatar, points=True)
    assert not torch.allclose(whole.harmonics[:count], lesser.harmonics[:count])


@pytest.mark.parametrize("part", ["sym_decoder", "sym_twin"])
def test_without_parts_of_the_sym_decoder_only_the_mirrored_half_changes(part: str, small_avatar: Avatar) -> None:
    count, twins = len(small_avatar.points), len(small_avatar.mirrored)
    whole, lesser = splats(small_avatar), splats(small_avatar, **{part: True})
    assert torch.equal(whole.harmonics[:count], lesser.harmonics[:count])
    mirrored = slice(count, count + twins)
    assert not torch.allclose(whole.harmonics[mirrored], lesser.harmonics[mirrored])
    assert torch.equal(whole.harmonics[count + twins :], lesser.harmonics[count + twins :])


def test_without_the_sym_decoder_mirrored_points_are_exact_mirrors(small_avatar: Avatar) -> None:
    count, twins = len(small_avatar.points), len(small_avatar.mirrored)
    lesser = splats(small_avatar, sym_decoder=True)
    mirrored, visible = lesser.scales[count : count + twins], lesser.scales[small_avatar.mirrored]
    assert torch.equal(mirrored, visible)
    assert not torch.equal(splats(small_avatar).scales[count : count + twins], visible)


def test_without_densify_there_are_no_children(small_avatar: Avatar) -> None:
    driven = Driven(small_avatar.points, small_avatar.mirrored_points, small_avatar.vertices, small_avatar.expression)
    sets = predictor(Ablation(densify=True))(small_avatar, driven)
    assert torch.equal(sets.dense.means, sets.coarse.means)
