"""Source and target change together."""

from __future__ import annotations

import pytest
import torch

from mggtalk.avatar.avatar import Avatar
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.scene import Motion
from mggtalk.training.data.augment import ColourJitter


def rendered(pipe: MGGTalkPipeline, avatar: Avatar, frame) -> torch.Tensor:
    """[3, 128, 128] in [0, 1]"""
    return torch.from_numpy(pipe.animator(avatar, 128).frame(frame)).permute(2, 0, 1).float() / 255


@pytest.mark.parametrize(("gamma", "tolerance"), [(1.0, 0.004), (1.2, 0.02)])
def test_avatar_of_changed_colours_renders_changed_pictures(
    prior_pipeline: MGGTalkPipeline, avatar: Avatar, motion: Motion, gamma: float, tolerance: float
) -> None:
    jitter = ColourJitter(torch.tensor([0.7, 0.9, 1.0]), gamma)
    for frame in (avatar.source, motion[4]):
        expected = jitter.of(rendered(prior_pipeline, avatar, frame), 0)
        found = rendered(prior_pipeline, jitter.of_avatar(avatar), frame)
        assert (found - expected).abs().mean() < tolerance
    before = rendered(prior_pipeline, avatar, avatar.source)
    assert (jitter.of(before, 0) - before).abs().mean() > 0.03  # it does change something


def test_what_folds_hide_changes_as_well(avatar: Avatar) -> None:
    jitter = ColourJitter(torch.tensor([0.5, 1.0, 0.8]), 1.2)
    changed = jitter.of_avatar(avatar).folds
    assert len(changed.colour) and torch.equal(changed.colour, jitter.of(avatar.folds.colour))
    assert torch.equal(changed.weight, avatar.folds.weight)


def test_head_image_stays_premultiplied(avatar: Avatar) -> None:
    head = ColourJitter(torch.tensor([0.5, 1.0, 1.0]), 1.0).of_avatar(avatar).head_image
    assert torch.equal(head[:, 3], avatar.head_image[:, 3])
    assert torch.allclose(head[:, 0], 0.5 * avatar.head_image[:, 0], atol=1e-3)
    assert torch.allclose(head[:, 1:3], avatar.head_image[:, 1:3], atol=1e-3)


def test_colours_stay_in_range_and_strength_zero_changes_nothing() -> None:
    colours = torch.linspace(-0.2, 1.2, 30).view(10, 3)
    generator = torch.Generator().manual_seed(0)
    assert torch.allclose(ColourJitter.draw(generator, 0.0).of(colours), colours, atol=1e-6)
    drawn = [ColourJitter.draw(generator, 0.3) for _ in range(100)]
    assert min(j.gamma for j in drawn) < 0.9 < 1.1 < max(j.gamma for j in drawn) <= 1.3
    for jitter in drawn:
        assert 0.5 < float(jitter.gain.min()) and float(jitter.gain.max()) <= 1.0
        inside = jitter.of(colours.clamp(0, 1))
        assert inside.min() >= 0 and inside.max() <= 1
    same = ColourJitter.draw(torch.Generator().manual_seed(5)), ColourJitter.draw(torch.Generator().manual_seed(5))
    assert torch.equal(same[0].gain, same[1].gain) and same[0].gamma == same[1].gamma
