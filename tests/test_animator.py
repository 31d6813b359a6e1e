"""Frames made fast against frames made by the torch path that is trained, and on a card against the CPU."""

from __future__ import annotations

import copy
import threading

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode

from mggtalk.avatar import Avatar
from mggtalk.checkpoint import NETWORKS
from mggtalk.errors import OptionError
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.scene import Motion

SIZE = 128


@pytest.fixture(scope="module")
def talkative(pipeline: MGGTalkPipeline) -> MGGTalkPipeline:
    """A copy of the pipeline in which every network that is not trained says a little."""
    torch.manual_seed(0)
    pipe = copy.copy(pipeline)
    for name in ("sgp", "inpainter", "deformation"):
        network = copy.deepcopy(getattr(pipeline, name))
        for module in network.modules():
            last = getattr(module, "last", None)
            if isinstance(last, torch.nn.Conv2d | torch.nn.Linear) and not bool(last.weight.any()):
                torch.nn.init.normal_(last.weight, std=3e-3)
        setattr(pipe, name, network)
    return pipe


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """Mean absolute difference in grey levels."""
    return float(np.abs(one.astype(np.float32) - other).mean())


def test_a_frame_is_that_of_the_torch_path(talkative: MGGTalkPipeline, avatar: Avatar, motion: Motion) -> None:
    animator = talkative.animator(avatar, SIZE)
    silent = [last.weight for name in ("sgp", "inpainter") for last in _lasts(getattr(talkative, name))]
    assert all(bool(weight.any()) for weight in silent)
    for frame in (avatar.source, motion[2], motion[4]):
        with torch.inference_mode():
            slow = animator.render(animator.splats(frame.expression), frame)
        slow = (slow * 255.0 + 0.5).to(torch.uint8).permute(1, 2, 0).numpy()
        assert difference(animator.frame(frame), slow) < 0.05


def test_half_precision_networks_hardly_change_a_frame(
    talkative: MGGTalkPipeline, avatar: Avatar, motion: Motion
) -> None:
    half = copy.copy(talkative)
    for name in NETWORKS:
        setattr(half, name, copy.deepcopy(getattr(talkative, name)))
    half.to("cpu", torch.bfloat16)
    assert half.sgp.decoder.unet.dtype == torch.bfloat16
    first, second = (list(pipe.animator(avatar, SIZE).frames(motion)) for pipe in (talkative, half))
    assert 0 < max(difference(a, b) for a, b in zip(first, second)) < 0.5


@pytest.mark.parametrize("device", ["cuda:7", "gpu", "meta"])
def test_a_device_that_is_not_here(prior_pipeline: MGGTalkPipeline, device: str) -> None:
    with pytest.raises(OptionError, match=device):
        prior_pipeline.to(device)


def test_small_frames_do_without_children(prior_pipeline: MGGTalkPipeline, avatar: Avatar, motion: Motion) -> None:
    side = avatar.mask.shape[0]
    small, large = (prior_pipeline.animator(avatar, size) for size in (side, 2 * side))
    assert 2 * len(small.splats(avatar.expression).means) > len(large.splats(avatar.expression).means)
    assert len(small.splats(avatar.expression).means) < len(large.splats(avatar.expression).means)
    frame = small.frame(motion[3])
    small.finer = True
    del small.__dict__["_predictor"]
    assert 0 < difference(small.frame(motion[3]), frame) < 1.0, "grey levels: nobody sees it"


def test_frames_between_keys_hardly_differ(talkative: MGGTalkPipeline, avatar: Avatar, motion: Motion) -> None:
    animator = talkative.animator(avatar, SIZE)
    frames = list(animator.frames(motion))
    assert len(frames) == len(motion)
    assert max(difference(a, animator.frame(b)) for a, b in zip(frames, motion)) < 0.25


def test_frames_come_alike_from_one_thread_and_from_several(
    talkative: MGGTalkPipeline, avatar: Avatar, motion: Motion, monkeypatch: pytest.MonkeyPatch
) -> None:
    animator = talkative.animator(avatar, SIZE)
    runs = []
    for workers in (1, 2):
        monkeypatch.setattr(type(animator), "workers", workers)
        runs.append(list(animator.frames(motion)))
    assert all(difference(a, b) < 0.01 for a, b in zip(*runs))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("mggtalk-map")]


class HostReads(TorchFunctionMode):
    """Notes what would make a card wait: numbers and sizes that depend on values, read by the host."""

    WAITS = ("item", "tolist", "numpy", "cpu", "nonzero", "masked_select", "unique", "argwhere", "equal", "allclose")
    CASTS = ("__bool__", "__float__", "__int__", "__index__")

    def __init__(self, *host: torch.Tensor) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.host = [id(tensor) for tensor in host]  # never on a card

    def __torch_function__(self, func, types, args=(), kwargs=None):
        name = getattr(func, "__name__", "")
        index = args[1] if name in ("__getitem__", "__setitem__") else ()
        by_mask = any(
            isinstance(part, torch.Tensor) and part.dtype == torch.bool
            for part in (index if isinstance(index, tuple) else (index,))
        )
        if (name in self.WAITS + self.CASTS or by_mask) and id(args[0]) not in self.host:
            self.seen.append(name)
        return func(*args, **(kwargs or {}))


def test_nothing_in_the_loop_makes_a_card_wait(talkative: MGGTalkPipeline, avatar: Avatar, motion: Motion) -> None:
    animator = talkative.animator(avatar, SIZE)
    animator.splats(motion[0].expression)  # finds the places of the points, once
    on_host = (animator.avatar.window.bounds, animator.avatar.pixel_size)
    with torch.inference_mode(), HostReads(*on_host) as reads:
        splats = animator.splats(motion[3].expression)
    assert set(reads.seen) == set(), "all networks and the geometry"
    with torch.inference_mode(), HostReads() as reads:
        head = animator.layers(splats, motion[3])
        animator.inpainter(*head)
    allowed = {"numpy"}  # the CPU's own rasterizer, which a card does not use
    assert set(reads.seen) <= allowed
    with HostReads() as reads:  # the guard sees what it should
        motion[3].expression[motion[3].expression > 0].sum().item()
    assert reads.seen == ["__getitem__", "item"]


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA card")
def test_a_card_makes_the_same_frames(talkative: MGGTalkPipeline, avatar: Avatar, motion: Motion) -> None:
    here = list(talkative.animator(avatar, SIZE).frames(motion))
    there = copy.copy(talkative)
    for name in ("sgp", "inpainter", "deformation"):
        setattr(there, name, copy.deepcopy(getattr(talkative, name)).to("cuda"))
    frames = list(there.animator(avatar, SIZE).frames(motion))
    assert max(difference(a, b) for a, b in zip(frames, here)) < 0.5


def _lasts(network: torch.nn.Module) -> list[torch.nn.Module]:
    found = [getattr(module, "last", None) for module in network.modules()]
    return [last for last in found if isinstance(last, torch.nn.Conv2d | torch.nn.Linear)]
