"""One exported head for all tests of the room."""

from __future__ import annotations

import pytest
import torch

from mggtalk.avatar.avatar import Avatar
from mggtalk.export.head_file import HeadFile
from mggtalk.export.web_head import make_web_head
from mggtalk.motion.motion_file import load_motion
from mggtalk.motion.retarget import retarget
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.scene import Motion
from tests.conftest import ROOT

SAMPLES = 110
"""Fewer than an export takes: enough to see that the fit works."""


@pytest.fixture(scope="session")
def nodding(pipeline: MGGTalkPipeline, avatar: Avatar) -> Motion:
    """Twenty frames of an example, on the astronaut."""
    motion = load_motion(ROOT / "examples" / "smile_and_nod.npz")
    short = motion.with_(
        expression=motion.expression[:40:2],
        rotation=motion.rotation[:40:2],
        translation=motion.translation[:40:2],
        found=None,
    )
    return retarget(short, avatar, "relative", pipeline.face_model)


@pytest.fixture(scope="session")
def head(pipeline: MGGTalkPipeline, avatar: Avatar, nodding: Motion) -> HeadFile:
    """The astronaut for the web."""
    with torch.inference_mode():
        return make_web_head(pipeline, avatar.with_(consent="She agreed."), nodding, samples=SAMPLES)
