"""A clip that we made ourselves: the astronaut with other colours and light teeth, in front of a still camera."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mggtalk.avatar.adapter import Adapter
from mggtalk.avatar.avatar import Avatar
from mggtalk.geometry import euler_to_rotation
from mggtalk.media import VideoWriter
from mggtalk.person.blendshapes.codes import CodeConfig, fresh_adapter
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.scene import Motion

FRAMES, FPS = 36, 12.0


def speaking(pipeline: MGGTalkPipeline, avatar: Avatar, frames: int = FRAMES) -> Motion:
    """A head that turns and opens its mouth."""
    time = torch.arange(frames) / FPS
    jaw = pipeline.face_model.from_blendshapes(torch.zeros(52).index_fill(0, torch.tensor([25]), 1.0))  # jawOpen
    opening = 0.35 * (1.0 - torch.cos(2 * torch.pi * 1.5 * time))
    angles = torch.stack([0.03 * torch.sin(time), 0.15 * torch.sin(2.5 * time), 0.0 * time], dim=-1)
    return Motion(
        expression=avatar.expression + opening[:, None] * jaw,
        rotation=euler_to_rotation(angles) @ avatar.rotation,
        translation=avatar.translation.expand(frames, 3) + 0.2 * torch.sin(time)[:, None],
        fps=FPS,
        face_model=pipeline.face_model.version,
        focal_ratio=pipeline.config.render.focal_ratio,
    )


@pytest.fixture(scope="session")
def clip(pipeline: MGGTalkPipeline, avatar: Avatar, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clip as a file of three seconds."""
    mouth = avatar.mouth._replace(cavity=torch.tensor((0.5, 0.1, 0.1)), teeth=torch.ones(3))
    person = avatar.with_(colour=avatar.colour * torch.tensor((1.0, 0.85, 0.8)), mouth=mouth)
    animator = pipeline.animator(person, 256)
    path = tmp_path_factory.mktemp("clip") / "person.mp4"
    with VideoWriter(path, 256, 256, FPS) as writer:
        for frame in speaking(pipeline, avatar):
            writer.write(animator.frame(frame))
    return path


@pytest.fixture(scope="session")
def nothing(pipeline: MGGTalkPipeline, avatar: Avatar) -> Adapter:
    """A small adapter of zeros for the astronaut."""
    config = CodeConfig(poses=3, eyes=3, mouths=4, head_side=16, eyes_cells=500, mouth_cells=500)
    return fresh_adapter(avatar, pipeline.face_model, speaking(pipeline, avatar), config)


@pytest.fixture(scope="session")
def something(nothing: Adapter) -> Adapter:
    """The same with numbers in all maps."""
    generator = torch.Generator().manual_seed(1)

    def filled(name: str, value: torch.Tensor) -> torch.Tensor:
        codes = ("axes", "origin", "centres", "bounds")
        if name.rpartition(".")[2] in codes:
            return value
        return (0.1 * torch.randn(value.shape, generator=generator)).half().float()

    return Adapter.of({name: filled(name, value) for name, value in nothing.tensors().items()})


@pytest.fixture(scope="session")
def picture(astronaut: np.ndarray) -> np.ndarray:
    """A small picture for files."""
    return astronaut[:128, 160:288]
