"""Frames made fast against frames made by the torch path that is trained, and on a GPU against the CPU."""

from __future__ import annotations

import copy
import logging
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode

from mggtalk.avatar.avatar import Avatar
from mggtalk.checkpoint import NETWORKS
from mggtalk.errors import OptionError
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.runtime.readback import AHEAD
from mggtalk.scene import Gaussians, Motion, MotionFrame

SIZE = 128


@pytest.fixture(scope="module")
def talkative(pipeline: MGGTalkPipeline) -> MGGTalkPipeline:
    """A copy of the pipeline in which every network that is not trained says a little."""
    torch.manual_seed(0)
    pipe = copy.copy(pipeline)
    for name in ("sgp", "image_renderer", "deformation"):
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
    silent = [last.weight for name in ("sgp", "image_renderer") for last in _lasts(getattr(talkative, name))]
    assert all(bool(weight.any()) for weight in silent)
    for frame in (avatar.source, motion[2], motion[4]):
        with torch.inference_mode():
            slow = animator.render(animator.splats(frame.expression, frame), frame)
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
    small.head.dense = True
    del small.head.__dict__["compiled"]
    assert 0 < difference(small.frame(motion[3]), frame) < 1.0, "grey levels: nobody sees it"


@pytest.mark.parametrize("size", [128, 512])
def test_a_window_of_the_head_is_that_of_the_frame(
    prior_pipeline: MGGTalkPipeline, avatar: Avatar, motion: Motion, size: int
) -> None:
    animator = prior_pipeline.animator(avatar, size)
    whole = animator.frame(avatar.source)
    in_camera = avatar.vertices[1] @ avatar.rotation.T * torch.tensor([1.0, -1.0, -1.0]) + avatar.translation
    x, y = (in_camera[:2] / in_camera[2] * 2.5 * size + size / 2).int().tolist()  # the tip of the nose
    side = size // 8
    left, top = x - side // 2, y - side // 2
    window = animator.window(avatar.source, left, top, side)
    assert window.shape == (side, side, 3) and window.dtype == np.uint8
    assert difference(window, whole[top : top + side, left : left + side]) < 1.5
    assert difference(window, whole[top + side : top + 2 * side, left : left + side]) > 5.0


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


@pytest.mark.parametrize("count", [2, 8])
def test_frames_drawn_together_are_those_drawn_alone(
    talkative: MGGTalkPipeline, avatar: Avatar, motion: Motion, count: int
) -> None:
    animator = talkative.animator(avatar, SIZE)
    alone = [animator._picture(frame).numpy() for frame in motion]
    together = list(animator.frames_together(motion, count))
    assert len(together) == len(motion) == 5  # which neither count divides
    for one, other in zip(together, alone):
        assert one.shape == (SIZE, SIZE, 3) and one.dtype == np.uint8
        assert np.abs(one.astype(int) - other).max() <= 1 and difference(one, other) < 1e-3, "rounding"


def test_batches_are_drawn_as_they_are_read(
    talkative: MGGTalkPipeline, avatar: Avatar, motion: Motion, monkeypatch: pytest.MonkeyPatch
) -> None:
    animator = talkative.animator(avatar, SIZE)
    drawn: list[int] = []

    def render(splats: Gaussians, frame: MotionFrame) -> torch.Tensor:
        drawn.append(len(frame.expression))
        return (frame.expression[:, 0] / 255.0).view(-1, 1, 1, 1).expand(-1, 3, 2, 2)

    monkeypatch.setattr(animator, "_predict", lambda frame: None)
    monkeypatch.setattr(animator, "render", render)
    counted = motion.with_(
        expression=torch.arange(200.0)[:, None],
        rotation=motion.rotation[:1].expand(200, 3, 3),
        translation=motion.translation[:1].expand(200, 3),
    )
    frames = animator.frames_together(counted, 8)
    assert [next(frames)[0, 0, 0] for _ in range(20)] == list(range(20))
    assert len(drawn) <= 3 + AHEAD and set(drawn) == {8}, "only a few batches are held, however long the clip"
    frames.close()
    assert len(drawn) <= 3 + AHEAD, "whoever stops reading stops the drawing"
    assert [frame[1, 1, 2] for frame in animator.frames_together(counted, 8)] == list(range(200)), (
        "in order, none twice"
    )
    assert not list(animator.frames_together(counted.with_(expression=torch.zeros(0, 1)), 8))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU to record on")
def test_without_a_graph_frames_are_drawn_all_the_same(
    prior_pipeline: MGGTalkPipeline, avatar: Avatar, motion: Motion, caplog: pytest.LogCaptureFixture
) -> None:
    animator = prior_pipeline.animator(avatar, SIZE)
    plain = list(animator.frames_together(motion, 2))
    animator.config = replace(animator.config, cuda_graph=True)
    with caplog.at_level(logging.WARNING, "mggtalk"):
        frames = list(animator.frames_together(motion, 2))
    assert all(np.array_equal(a, b) for a, b in zip(frames, plain))
    assert len(caplog.records) == 1 and "no CUDA graph" in caplog.text


class HostReads(TorchFunctionMode):
    """Notes what would make a GPU wait: numbers that the host reads, sizes that depend on values, numbers sent."""

    WAITS = ("item", "tolist", "numpy", "cpu", "nonzero", "masked_select", "unique", "argwhere", "equal", "allclose")
    CASTS = ("__bool__", "__float__", "__int__", "__index__")

    def __init__(self, *host: torch.Tensor) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.host = [id(tensor) for tensor in host]  # never on a GPU

    def __torch_function__(self, func, types, args=(), kwargs=None):
        name = getattr(func, "__name__", "")
        index = args[1] if name in ("__getitem__", "__setitem__") else ()
        parts = index if isinstance(index, tuple) else (index,)
        by_mask = any(isinstance(part, torch.Tensor) and part.dtype == torch.bool for part in parts)
        sent = name in ("tensor", "as_tensor", "from_numpy") or any(isinstance(part, list) for part in parts)
        if name in self.WAITS + self.CASTS or by_mask or sent:
            if not args or id(args[0]) not in self.host:
                self.seen.append(name)
        return func(*args, **(kwargs or {}))


def test_nothing_in_the_loop_makes_a_card_wait(talkative: MGGTalkPipeline, avatar: Avatar, motion: Motion) -> None:
    animator = talkative.animator(avatar, SIZE)
    frames = motion[2:4]
    animator.render(animator.splats(frames.expression), frames)  # finds the places of the points, once
    on_host = (animator.avatar.window.bounds, animator.avatar.pixel_size)
    with torch.inference_mode(), HostReads(*on_host) as reads:
        splats = animator.splats(frames.expression)
    assert set(reads.seen) == set(), "all networks and the geometry"
    with torch.inference_mode(), HostReads() as reads:
        head = animator.layers(splats, frames)
        animator.image_renderer(*head)
    allowed = {"numpy", "from_numpy"}  # the CPU's own rasterizer, which a GPU does not use
    assert set(reads.seen) <= allowed
    with HostReads() as reads:  # the guard sees what it should
        motion[3].expression[motion[3].expression > 0].sum().item()
        motion[3].expression[[1, 2]]
        torch.tensor((1.0, 2.0))
    assert reads.seen == ["__getitem__", "item", "__getitem__", "tensor"]


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_card_makes_the_same_frames(talkative: MGGTalkPipeline, avatar: Avatar, motion: Motion) -> None:
    here = list(talkative.animator(avatar, SIZE).frames(motion))
    there = copy.copy(talkative)
    for name in ("sgp", "image_renderer", "deformation"):
        setattr(there, name, copy.deepcopy(getattr(talkative, name)).to("cuda"))
    for graph in (False, True):
        animator = there.animator(avatar, SIZE)
        animator.config = replace(animator.config, batch=2, cuda_graph=graph)
        frames = list(animator.frames(motion))
        assert len(frames) == len(here) and max(difference(a, b) for a, b in zip(frames, here)) < 0.5


def _lasts(network: torch.nn.Module) -> list[torch.nn.Module]:
    found = [getattr(module, "last", None) for module in network.modules()]
    return [last for last in found if isinstance(last, torch.nn.Conv2d | torch.nn.Linear)]
