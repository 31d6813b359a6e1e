"""Small heads of the astronaut: one that has learned nothing, and one with numbers everywhere."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from mggtalk.avatar.avatar import Avatar
from mggtalk.person.footage import SIDE, Footage
from mggtalk.person.talking_gaussian.config import FieldConfig
from mggtalk.person.talking_gaussian.field import TalkingGaussian
from mggtalk.person.talking_gaussian.start import fresh_field
from mggtalk.pipeline import MGGTalkPipeline
from tests.person.conftest import speaking

SMALL = FieldConfig(axes=4, lips=8, hidden=16, mouth_hidden=8, light=True, colour=True)


@pytest.fixture(scope="session")
def faces(pipeline: MGGTalkPipeline, avatar: Avatar) -> tuple[TalkingGaussian, TalkingGaussian]:
    motion = speaking(pipeline, avatar)
    frames = np.full((len(motion), SIDE, SIDE, 3), 128, np.uint8)
    fresh = fresh_field(pipeline, avatar, Footage(frames, motion), motion, SMALL).requires_grad_(False)
    filled = copy.deepcopy(fresh)
    generator = torch.Generator().manual_seed(1)
    for name, parameter in filled.named_parameters():
        if not parameter.any() or name == "mouth.logits":  # what starts at zero
            size = 0.002 if name.endswith("points") else 0.1
            parameter += size * torch.randn(parameter.shape, generator=generator)
    assert replace(SMALL) == filled.config
    return fresh, filled
