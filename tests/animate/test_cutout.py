"""A person free of the background: alpha, straight colours, other backgrounds."""

from __future__ import annotations

import numpy as np
import torch

from mggtalk.animate.cutout import place_before, straighten, straighten_frame
from mggtalk.avatar.avatar import Avatar
from mggtalk.media.backdrop import Backdrop
from mggtalk.media.marks import lay_over
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.scene import Motion
from tests.conftest import ROOT

SIZE = 128


def test_alpha_has_both_ends_and_the_person_over_a_colour_is_the_person_before_it(
    pipeline: MGGTalkPipeline, avatar: Avatar, motion: Motion
) -> None:
    video = pipeline.animate(avatar, motion, SIZE, "absolute")
    free = list(video.with_background("none"))
    assert len(free) == len(motion) and free[0].shape == (SIZE, SIZE, 4)
    for level in (0, 255):
        before = list(video.with_background(f"#{level:02x}{level:02x}{level:02x}"))
        for frame, wanted in zip(free, before):
            assert {0, 255} <= set(np.unique(frame[..., 3]))
            difference = np.abs(lay_over(frame, level).astype(int) - wanted)
            assert difference.mean() < 1.0 and np.quantile(difference, 0.99) <= 12


def test_the_old_background_is_gone_at_the_edge(pipeline: MGGTalkPipeline) -> None:
    """Hair and skin are dark, what stood behind them is bright: none of it is left in the soft edge."""
    kofi = pipeline.prepare(ROOT / "examples/portraits/kofi.jpg")
    free = place_before(pipeline.animator(kofi, SIZE), Backdrop())
    frame = straighten_frame(free.frame(kofi.source))
    edge = (frame[:80, :, 3] > 20) & (frame[:80, :, 3] < 230)
    assert edge.sum() > 50
    assert np.median(frame[:80, :, :3][edge]) < 80


def test_the_torch_path_gives_the_same_alpha(pipeline: MGGTalkPipeline, avatar: Avatar, motion: Motion) -> None:
    free = place_before(pipeline.animator(avatar, SIZE), Backdrop())
    one, together = list(free.frames(motion)), list(free.frames_together(motion, 2))
    assert all(np.abs(a.astype(int) - b).mean() < 0.2 for a, b in zip(one, together))


def test_straight_colours_run_on_and_alpha_stays() -> None:
    alpha = torch.zeros(1, 1, 32, 32)
    alpha[..., 8:24] = 1.0
    alpha[..., 24] = 0.5
    colour = torch.tensor([0.8, 0.4, 0.2]).view(1, 3, 1, 1)
    straight = straighten(torch.cat([colour * alpha, alpha], dim=1))
    assert torch.equal(straight[:, 3:], alpha)
    assert torch.allclose(straight[:, :3], colour.expand(1, 3, 32, 32), atol=1e-3)
