"""What an adapter adds: nothing while it is zero, and the same on all paths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mggtalk.avatar.adapter import CHANNELS, Adapter
from mggtalk.avatar.avatar import Avatar
from mggtalk.avatar.mouth_sheet import COLUMNS, ROWS
from mggtalk.avatar.touches import Touches
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.scene import MotionFrame
from tests.person.conftest import speaking


@pytest.fixture
def moments(pipeline: MGGTalkPipeline, avatar: Avatar) -> list[MotionFrame]:
    motion = speaking(pipeline, avatar)
    return [motion[0], motion[4], motion[20]]


def test_zero_adapter_changes_no_bit(
    pipeline: MGGTalkPipeline, avatar: Avatar, nothing: Adapter, moments: list[MotionFrame]
) -> None:
    plain, adapted = (pipeline.animator(which, 256) for which in (avatar, avatar.with_(adapter=nothing)))
    for moment in moments:
        assert np.array_equal(plain.frame(moment), adapted.frame(moment))
        for one, other in zip(plain.splats(moment.expression, moment), adapted.splats(moment.expression, moment)):
            assert torch.equal(one, other)


def test_several_frames_are_touched_at_once(
    pipeline: MGGTalkPipeline, avatar: Avatar, something: Adapter, moments: list[MotionFrame]
) -> None:
    animator = pipeline.animator(avatar.with_(adapter=something), 256)
    together = MotionFrame(*(torch.stack(parts) for parts in zip(*moments)))
    driven = animator.head.drive(together)
    assert driven.touch is not None
    for index, moment in enumerate(moments):
        single = animator.head.drive(moment)
        assert single.touch is not None
        torch.testing.assert_close(driven.points[index], single.points, atol=1e-5, rtol=1e-4)
        for many, one in zip(driven.touch, single.touch):
            torch.testing.assert_close(many[index], one, atol=1e-5, rtol=1e-4)


def test_compiled_and_torch_path_agree(
    pipeline: MGGTalkPipeline, avatar: Avatar, something: Adapter, moments: list[MotionFrame]
) -> None:
    animator = pipeline.animator(avatar.with_(adapter=something), 256)
    plain = pipeline.animator(avatar, 256)
    for moment in moments:
        slow = animator.splats(moment.expression)
        for one, other in zip(slow, animator.fast_splats(moment.expression)):
            # A tie between two neighbours may be decided either way.
            assert ((one - other).abs().reshape(len(one), -1).amax(-1) < 1e-3).float().mean() > 0.999
        assert not torch.allclose(slow.harmonics, plain.splats(moment.expression).harmonics, atol=1e-2)


def test_shares_tell_how_near_a_frame_is(pipeline: MGGTalkPipeline, avatar: Avatar, nothing: Adapter) -> None:
    motion = speaking(pipeline, avatar)
    shares = torch.stack([nothing.mouth.shares(frame) for frame in motion])  # [T, K]
    assert torch.allclose(shares.sum(1), torch.ones(len(motion))) and (shares.amax(0) > 0.5).all()
    # The mouth's code does not look at the pose, the head's at nothing else.
    turned = motion[3]._replace(rotation=motion[9].rotation, translation=motion[9].translation)
    assert torch.allclose(nothing.mouth.shares(turned), shares[3], atol=1e-5)
    assert torch.allclose(nothing.head.shares(turned), nothing.head.shares(motion[9]), atol=1e-5)


def test_touch_has_the_units_it_says(avatar: Avatar, nothing: Adapter) -> None:
    ones = {name: value.clone() for name, value in nothing.tensors().items()}
    ones["head.maps"] += 1.0
    ones["mouth.sheet"] += 1.0
    pixel = float(avatar.pixel_size)
    touch = Touches(Adapter.of(ones), avatar)(avatar.source)
    assert torch.allclose(touch.points, torch.tensor(3.0 * pixel)) and torch.allclose(touch.colour, torch.tensor(1.0))
    assert torch.allclose(touch.logits, torch.tensor(4.0)) and touch.sheet.shape == (ROWS * COLUMNS, CHANNELS)
    assert not touch.vertices.any() and not touch.colour_step.any()


def test_avatar_keeps_its_adapter(avatar: Avatar, something: Adapter, tmp_path: Path) -> None:
    avatar.with_(adapter=something).save(tmp_path / "person.safetensors")
    loaded = Avatar.load(tmp_path / "person.safetensors").to("cpu").adapter
    assert loaded is not None
    for name, value in something.tensors().items():
        assert torch.equal(loaded.tensors()[name], value), name
