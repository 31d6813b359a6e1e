"""The head as an adapter: nothing at first, the same on all paths, its mouth behind the lips."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mggtalk.animate.head import SplatParts
from mggtalk.avatar.avatar import Avatar
from mggtalk.person.talking_gaussian.config import FieldConfig
from mggtalk.person.talking_gaussian.field import TalkingGaussian
from mggtalk.person.talking_gaussian.linear_map import LinearMap
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.render import rasterize
from mggtalk.scene import Camera, Gaussians, MotionFrame
from tests.person.conftest import speaking


@pytest.fixture
def moments(pipeline: MGGTalkPipeline, avatar: Avatar) -> list[MotionFrame]:
    motion = speaking(pipeline, avatar)
    return [motion[0], motion[4], motion[20]]


def test_head_that_learned_nothing_is_the_avatar(
    pipeline: MGGTalkPipeline,
    avatar: Avatar,
    faces: tuple[TalkingGaussian, TalkingGaussian],
    moments: list[MotionFrame],
) -> None:
    fresh = TalkingGaussian(FieldConfig(face_mouth=False), faces[0].face.bounds).requires_grad_(False)
    plain, adapted = (pipeline.head(which, 256) for which in (avatar, avatar.with_(adapter=fresh)))
    for moment in moments:
        for one, other in zip(plain.splats(moment).gaussians, adapted.splats(moment).gaussians):
            torch.testing.assert_close(one, other)


@pytest.mark.parametrize("size", [256, 512])
def test_compiled_and_torch_path_agree(
    pipeline: MGGTalkPipeline,
    avatar: Avatar,
    faces: tuple[TalkingGaussian, TalkingGaussian],
    moments: list[MotionFrame],
    size: int,
) -> None:
    head = pipeline.head(avatar.with_(adapter=faces[1]), size)
    plain = pipeline.head(avatar, size)
    assert head.compiled is not None
    for moment in moments:
        slow, (fast, _) = head.splats(moment), head.compiled.splats(moment)
        assert slow.counts == fast.counts and slow.mouth == len(faces[1].mouth.rest)
        for one, other in zip(slow.gaussians, fast.gaussians):
            # A tie between two neighbours may be decided either way.
            assert ((one - other).abs().reshape(len(one), -1).amax(-1) < 1e-3).float().mean() > 0.999
        visible = slow.part("visible")
        assert not torch.allclose(visible.scales, plain.splats(moment).part("visible").scales, rtol=1e-2)


def test_several_frames_are_made_at_once(
    pipeline: MGGTalkPipeline,
    avatar: Avatar,
    faces: tuple[TalkingGaussian, TalkingGaussian],
    moments: list[MotionFrame],
) -> None:
    head = pipeline.head(avatar.with_(adapter=faces[1]), 256)
    together = head.splats(MotionFrame(*(torch.stack(parts) for parts in zip(*moments))))
    for index, moment in enumerate(moments):
        single = head.splats(moment)
        assert single.counts == together.counts
        for many, one in zip(together.gaussians, single.gaussians):
            assert ((many[index] - one).abs().reshape(len(one), -1).amax(-1) < 1e-3).float().mean() > 0.999


def test_mouth_is_behind_the_face_and_before_the_back(
    pipeline: MGGTalkPipeline,
    avatar: Avatar,
    faces: tuple[TalkingGaussian, TalkingGaussian],
    moments: list[MotionFrame],
) -> None:
    """Drawing by depth composes ``C_face + (1 - A_face) (C_mouth + (1 - A_mouth) C_back)``."""
    head = pipeline.head(avatar.with_(adapter=faces[0]), 256)
    for moment in moments[:2]:
        parts = head.splats(moment)
        camera = Camera.from_pose(moment.rotation, moment.translation, 256, pipeline.config.render.focal_ratio)
        whole = rasterize(parts.gaussians, camera)
        image, alpha = torch.zeros_like(whole.image), torch.zeros_like(whole.alpha)
        for layer in (_face(parts), parts.part("mouth"), parts.part("back")):
            drawn = rasterize(layer, camera)
            image = image + (1.0 - alpha)[..., None] * drawn.image
            alpha = alpha + (1.0 - alpha) * drawn.alpha
        assert (whole.image - image).abs().mean() < 1e-3 and (whole.alpha - alpha).abs().mean() < 1e-3


def _face(parts: SplatParts) -> Gaussians:
    """The face's branch: what the portrait shows and its mirrored half."""
    count = parts.visible + parts.mirrored + parts.children
    return Gaussians(*(field[:count] for field in parts.gaussians))


def test_closed_lips_hide_the_mouth(faces: tuple[TalkingGaussian, TalkingGaussian], pipeline: MGGTalkPipeline) -> None:
    mouth = faces[0].mouth
    jaw = pipeline.face_model.from_blendshapes(torch.zeros(52).index_fill(0, torch.tensor([25]), 1.0))  # jawOpen
    assert float(mouth.open_share(-0.5 * jaw)) == 0.0 and float(mouth.open_share(0.7 * jaw)) > 0.9


def test_lower_teeth_go_with_the_jaw_and_upper_ones_stay(
    faces: tuple[TalkingGaussian, TalkingGaussian], pipeline: MGGTalkPipeline
) -> None:
    field = faces[0]
    jaw = pipeline.face_model.from_blendshapes(torch.zeros(52).index_fill(0, torch.tensor([25]), 1.0))
    lips = torch.zeros(field.config.axes)
    features = LinearMap.features(torch.zeros(3), lips, torch.zeros(6))
    made = [field.mouth(field.mouth.code(), share * jaw, lips, features) for share in (0.2, 0.8)]
    moved = (made[1] - made[0])[:, 1]
    upper, lower = moved[field.mouth.held < 0.01], moved[field.mouth.held > 0.99]
    assert upper.abs().max() < 0.002 and lower.max() < -0.05


def test_avatar_keeps_its_head(avatar: Avatar, faces: tuple[TalkingGaussian, TalkingGaussian], tmp_path: Path) -> None:
    avatar.with_(adapter=faces[1]).save(tmp_path / "person.safetensors")
    loaded = Avatar.load(tmp_path / "person.safetensors").to("cpu").adapter
    assert isinstance(loaded, TalkingGaussian) and loaded.config == faces[1].config
    for name, value in faces[1].tensors().items():
        assert torch.equal(loaded.tensors()[name], value), name
