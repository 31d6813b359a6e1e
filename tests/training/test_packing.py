"""Avatars as a corpus stores them."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch
from safetensors.torch import save

from mggtalk.avatar.avatar import Avatar
from mggtalk.avatar.turning import Turning
from mggtalk.errors import MediaError
from mggtalk.evaluation.metrics import psnr
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.scene import Motion
from mggtalk.training.data.packing import ABSENT, EXACT, pack_avatar, unpack_avatar


def test_packed_avatar_is_small_and_nearly_the_same(avatar: Avatar) -> None:
    share = torch.linspace(0, 1, len(avatar.points))
    twins = torch.ones(len(avatar.mirrored))
    avatar = avatar.with_(
        turning=Turning(
            share, twins, share, share, twins, share, twins, share, avatar.expression, avatar.back.opacities
        )
    )
    data = pack_avatar(avatar)
    assert len(data) < 12e6
    read = unpack_avatar(data)
    for entry in fields(Avatar):
        ours, theirs = getattr(avatar, entry.name), getattr(read, entry.name)
        if entry.name in ABSENT:
            continue
        pairs = {"": (ours, theirs)} if isinstance(ours, torch.Tensor) else zip_fields(ours, theirs)
        for name, (a, b) in pairs.items():
            key = f"{entry.name}.{name}".strip(".")
            a = a.float() if a.is_floating_point() else a
            assert a.dtype == b.dtype and a.shape == b.shape, key
            exact = not a.is_floating_point() or key in EXACT
            assert torch.equal(a, b) if exact else torch.allclose(a, b, rtol=1e-3, atol=2.1e-3), key


def zip_fields(ours: tuple, theirs: tuple) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    assert type(ours) is type(theirs)
    return {name: (getattr(ours, name), getattr(theirs, name)) for name in ours._fields}


def test_packing_does_not_show(pipeline: MGGTalkPipeline, avatar: Avatar, motion: Motion) -> None:
    read = unpack_avatar(pack_avatar(avatar))
    assert read.coarse_colour is None, "found when small frames are drawn"
    for frame in (avatar.source, motion[4]):
        first, second = (pipeline.animator(a, 256).frame(frame) for a in (avatar, read))
        assert psnr(first[None], second[None]) > 45


@pytest.mark.parametrize("data", [b"", b"no avatar at all", save({"mask": torch.ones(2, 2, dtype=torch.bool)})])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(MediaError, match="stored avatar"):
        unpack_avatar(data)
