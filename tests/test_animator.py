"""Frames made fast against frames made by the torch path that is trained, and on a card against the CPU."""

from __future__ import annotations

import copy
import threading

import numpy as np
import pytest
import torch

from mggtalk.avatar import Avatar
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
