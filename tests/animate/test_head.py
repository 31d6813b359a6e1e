"""Whoever makes Gaussians can be animated; the parts of a set are what they are called."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mggtalk.animate.animator import Animator
from mggtalk.animate.head import CompiledHead, SplatParts
from mggtalk.avatar.avatar import Avatar
from mggtalk.avatar.mouth_sheet import COLUMNS, ROWS
from mggtalk.face.topology import LIPS_INNER_LOWER, LIPS_INNER_UPPER
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.scene import Motion, MotionFrame


class Statue:
    """A head that never moves, made by no network: the least that an animator needs."""

    compiled: CompiledHead | None = None
    device = torch.device("cpu")

    def __init__(self, avatar: Avatar, parts: SplatParts) -> None:
        self.avatar, self._parts = avatar, parts

    def splats(self, frame: MotionFrame) -> SplatParts:
        return self._parts


def test_an_animator_draws_any_head(pipeline: MGGTalkPipeline, avatar: Avatar, motion: Motion) -> None:
    avatar = avatar.with_(turning=None)  # what belongs to the portrait's pose is seen from everywhere
    head = pipeline.head(avatar, 128)
    with torch.inference_mode():
        statue = Statue(head.avatar, head.splats(avatar.source))
    animator = Animator(statue, pipeline.image_renderer, 128, pipeline.config.render)
    turned = motion[4]
    frozen = turned._replace(expression=avatar.expression)
    expected = pipeline.animator(avatar, 128)._picture(frozen).numpy()
    assert np.array_equal(animator.frame(turned), expected), "only the pose counts"
    assert len(list(animator.frames(motion))) == len(motion)


@pytest.mark.parametrize("size", [128, 512])
@pytest.mark.parametrize("lips", ["open", "closed"])
def test_parts_are_counted_by_both_twins(
    pipeline: MGGTalkPipeline, avatar: Avatar, motion: Motion, size: int, lips: str
) -> None:
    head = pipeline.head(avatar, size)
    frame = MotionFrame(*motion[3]) if lips == "open" else avatar.source
    assert head.compiled is not None
    with torch.inference_mode():
        slow, (fast, _) = head.splats(frame), head.compiled.splats(frame)
        vertices = head.vertices(frame.expression)
    gap = (vertices[list(LIPS_INNER_UPPER), 1] - vertices[list(LIPS_INNER_LOWER), 1]).mean()
    points, twins = len(avatar.points), len(avatar.mirrored)
    assert slow.counts == {
        "visible": points,
        "mirrored": twins,
        "children": points + twins if size > max(avatar.mask.shape) else 0,
        "back": len(avatar.back.means),
        "mouth": ROWS * COLUMNS,
    }
    assert fast.counts | {"mouth": 0} == slow.counts | {"mouth": 0}
    assert fast.mouth in (0, ROWS * COLUMNS), f"lips {gap:.3f} dm apart"
    for parts in (slow, fast):
        assert sum(parts.counts.values()) == len(parts.gaussians.means)
        assert torch.equal(parts.part("back").means, avatar.back.means)
        if parts.mouth:
            assert torch.equal(parts.part("mouth").opacities, parts.gaussians.opacities[-ROWS * COLUMNS :])
    torch.testing.assert_close(slow.part("visible").means, fast.part("visible").means, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(slow.part("mirrored").scales, fast.part("mirrored").scales, atol=3e-4, rtol=1e-2)


def test_no_part_of_another_name(avatar: Avatar) -> None:
    with pytest.raises(KeyError):
        SplatParts(avatar.back, back=len(avatar.back.means)).part("ears")
