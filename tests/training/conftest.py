"""A corpus of one small video, made by preprocessing as it is, and clips that are written by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mggtalk.face.face_model import FaceModel
from mggtalk.geometry import euler_to_rotation, head_to_camera, project
from mggtalk.media import VideoWriter
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.scene import Motion
from mggtalk.training.data.checks import ClipLimits
from mggtalk.training.data.corpus import Clip, ClipWriter, open_clip
from mggtalk.training.data.preprocess import PreprocessConfig, Summary, preprocess
from tests.unmarked import UNMARKED

SIDE = 256
MakeMotion = Callable[..., Motion]
MakeClip = Callable[..., Clip]


@pytest.fixture(scope="session")
def small_config() -> PreprocessConfig:
    """As little work as possible."""
    return PreprocessConfig(every=2, sources=2, mirror=True, limits=ClipLimits(least_frames=4))


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory, astronaut: np.ndarray) -> Path:
    """A folder with a face that wanders, in a wide video, and a video without a face."""
    folder = tmp_path_factory.mktemp("videos")
    picture = Image.fromarray(astronaut)
    with VideoWriter(folder / "face.mp4", SIDE + 64, SIDE, 25.0, **UNMARKED) as writer:
        for step in range(11):
            window = (40 + 3 * step, 0, 40 + 3 * step + 400, 320)
            writer.write(np.asarray(picture.resize((SIDE + 64, SIDE), box=window)))
    with VideoWriter(folder / "nothing.mp4", SIDE, SIDE, 25.0, **UNMARKED) as writer:
        for _ in range(3):
            writer.write(np.full((SIDE, SIDE, 3), 90, np.uint8))
    return folder


@pytest.fixture(scope="session")
def stored(videos: Path, tmp_path_factory: pytest.TempPathFactory, small_config: PreprocessConfig) -> Path:
    """The corpus of these videos."""
    folder = tmp_path_factory.mktemp("corpus")
    summary = preprocess(list(videos.glob("*.mp4")), folder, small_config)
    assert isinstance(summary, Summary)
    return folder


@pytest.fixture(scope="session")
def face_model(pipeline: MGGTalkPipeline) -> FaceModel:
    """The embedded face model."""
    return pipeline.face_model


@pytest.fixture(scope="session")
def make_motion(face_model: FaceModel) -> MakeMotion:
    """Builds the motion of an average head from yaws in radians and blendshape weights per frame."""

    def make(yaw: list[float], weights: dict[int, list[float]] | None = None, identity: torch.Tensor | None = None):
        frames = len(yaw)
        scores = torch.zeros(frames, 52)
        for index, values in (weights or {}).items():
            scores[:, index] = torch.tensor(values)
        expression = face_model.from_blendshapes(scores)
        zeros = torch.zeros(frames)
        rotation = euler_to_rotation(torch.stack([zeros, torch.tensor(yaw), zeros], -1))
        translation = torch.tensor([0.0, 0.0, 10.0]).expand(frames, 3).clone()
        identity = torch.zeros(face_model.identity_basis.shape[0]) if identity is None else identity
        points = head_to_camera(face_model.vertices(identity, expression), rotation, translation)  # [T, V, 3]
        pixels = project(points, 2.5 * SIDE, (SIDE / 2, SIDE / 2))
        depth = (points[..., 2:] - 10.0) * (2.5 * SIDE / 10.0)
        return Motion(
            expression=expression,
            rotation=rotation,
            translation=translation,
            fps=12.5,
            face_model=face_model.version,
            focal_ratio=2.5,
            rest=torch.zeros_like(expression[0]),
            landmarks=torch.cat([pixels, depth], -1),
            frame_size=(SIDE, SIDE),
            found=torch.ones(frames, dtype=torch.bool),
        )

    return make


@pytest.fixture
def make_clip(tmp_path: Path) -> MakeClip:
    """Writes a clip with a motion, noise for pictures and no avatars, and opens it."""

    def make(motion: Motion, name: str = "clip") -> Clip:
        generator = np.random.default_rng(0)
        with ClipWriter(tmp_path / f"{name}.tar") as writer:
            writer.add_facts(name, motion, 2, SIDE, (0,), f"{name}.mp4")
            writer.add_motion(motion)
            for index in range(len(motion)):
                colours = generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)
                mask = generator.random((4, 4))
                writer.add_frame(index, colours, mask, 1.0 - mask, quality=95)
        return open_clip(tmp_path / f"{name}.tar")

    return make
