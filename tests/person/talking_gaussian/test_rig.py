"""The rig finds what the face model misses, whatever the expression."""

from __future__ import annotations

import threading

import torch

from mggtalk.avatar.avatar import Avatar
from mggtalk.config import EXPRESSION_COMPONENTS
from mggtalk.face.topology import VERTICES
from mggtalk.geometry import head_to_camera, project
from mggtalk.person.talking_gaussian.conditions import Conditions
from mggtalk.person.talking_gaussian.rig import Rig
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.scene import Motion, select
from tests.person.conftest import speaking


def look(pipeline: MGGTalkPipeline, avatar: Avatar, motion: Motion, extra: torch.Tensor) -> torch.Tensor:
    """Landmarks ``[T, V, 2]`` of a person whose vertices are elsewhere."""
    vertices = pipeline.face_model.vertices(avatar.identity, motion.expression) + extra
    seen = head_to_camera(vertices, motion.rotation, motion.translation)
    return project(seen, motion.focal_ratio, (0.5, 0.5))


def test_rig_finds_what_the_face_model_misses(pipeline: MGGTalkPipeline, avatar: Avatar) -> None:
    motion = speaking(pipeline, avatar, 120)
    generator = torch.Generator().manual_seed(0)
    rest = 0.02 * torch.randn(VERTICES, 3, generator=generator) * torch.tensor((1.0, 1.0, 0.0))
    opening = motion.expression @ torch.randn(EXPRESSION_COMPONENTS, generator=generator)  # [T]
    extra = rest + 0.02 * (opening - opening.mean())[:, None, None] * torch.tensor((0.0, 1.0, 0.0))
    landmarks = look(pipeline, avatar, motion, extra)
    conditions = Conditions(EXPRESSION_COMPONENTS, 4)
    conditions.fit(pipeline.face_model, motion)
    pose = conditions.pose(motion.rotation)
    held = torch.arange(80, 120)
    rig = Rig(EXPRESSION_COMPONENTS)
    part = select(motion, list(range(80)), motion.fps)
    rig.fit(pipeline.face_model, avatar.identity, part, pose[:80], landmarks[:80])
    found = torch.stack([rig(motion.expression[t], pose[t]) for t in held])
    before, after = (
        (look(pipeline, avatar, motion, move)[held] - landmarks[held]).norm(dim=-1).mean()
        for move in (torch.zeros_like(extra), torch.zeros_like(extra).index_copy(0, held, found))
    )
    assert after < 0.1 * before, (float(before), float(after))


def test_portrait_keeps_its_own_landmarks(pipeline: MGGTalkPipeline, avatar: Avatar) -> None:
    source = speaking(pipeline, avatar, 1).with_(
        expression=avatar.expression[None], rotation=avatar.rotation[None], translation=avatar.translation[None]
    )
    missed = torch.zeros(VERTICES, 3)
    missed[:, 0] = 0.03
    landmarks = look(pipeline, avatar, source, missed)[0]
    rig = Rig(EXPRESSION_COMPONENTS)
    rig.hold(avatar, landmarks, source.focal_ratio)
    at = look(pipeline, avatar, source, rig.origin)[0]
    assert (at - landmarks).norm(dim=-1).max() < 2e-4  # sides of the picture: a twentieth of a pixel
    assert torch.allclose(rig(avatar.expression, torch.zeros(3)), -rig.origin)


def test_rig_is_solved_where_torch_has_two_threads(pipeline: MGGTalkPipeline, avatar: Avatar) -> None:
    motion = speaking(pipeline, avatar, 20)
    landmarks = look(pipeline, avatar, motion, torch.zeros(VERTICES, 3))
    conditions = Conditions(EXPRESSION_COMPONENTS, 4)
    conditions.fit(pipeline.face_model, motion)
    pose = conditions.pose(motion.rotation)
    rig = Rig(EXPRESSION_COMPONENTS)
    left = []

    def fit() -> None:
        torch.set_num_threads(2)
        rig.fit(pipeline.face_model, avatar.identity, motion, pose, landmarks)
        left.append(torch.get_num_threads())

    before = torch.get_num_threads()
    work = threading.Thread(target=fit, daemon=True)  # an endless solver must not keep the suite
    work.start()
    work.join(120)
    torch.set_num_threads(before)
    assert left == [2]
    assert torch.isfinite(rig.weights).all()
