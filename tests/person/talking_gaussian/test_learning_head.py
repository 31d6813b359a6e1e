"""Gaussians to learn from: the values of the torch path, and its gradients."""

from __future__ import annotations

import torch

from mggtalk.avatar.adapter import Touch
from mggtalk.avatar.avatar import Avatar
from mggtalk.motion.deformation import drive
from mggtalk.person.talking_gaussian.field import TalkingGaussian
from mggtalk.person.talking_gaussian.learning_head import LearningHead, in_window
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.render import rasterize
from mggtalk.scene import Camera, Gaussians
from tests.person.conftest import speaking

SIDE = 256


def test_values_and_gradients_are_those_of_the_torch_path(
    pipeline: MGGTalkPipeline, avatar: Avatar, faces: tuple[TalkingGaussian, TalkingGaussian]
) -> None:
    head, frame = pipeline.head(avatar, SIDE), speaking(pipeline, avatar)[4]
    whole = Camera.from_pose(frame.rotation, frame.translation, SIDE, pipeline.config.render.focal_ratio)
    camera = whole.window(60, 60, 140, 150)
    found = faces[1].touches(avatar)(frame)
    weights = torch.randn(150, 140, 4, generator=torch.Generator().manual_seed(0))

    def draw(fast: bool) -> tuple[torch.Tensor, list[torch.Tensor]]:
        touch = Touch(*(part.clone().requires_grad_() for part in found))
        if fast:
            splats = LearningHead(head).splats(frame, touch, camera)
        else:
            driven = drive(head.deformation, head.face_model, avatar, frame.expression, touch)
            splats = head.turn(head.predict(driven), frame)
        drawn = rasterize(splats, camera)
        picture = torch.cat([drawn.image, drawn.alpha[..., None]], dim=-1)  # [150, 140, 4]
        learned = [touch.points, touch.colour, touch.logits, touch.parameters, touch.mouth]
        return picture.detach(), list(torch.autograd.grad((weights * picture).sum(), learned))

    (slow, wanted), (fast, given) = draw(fast=False), draw(fast=True)
    assert (slow - fast).abs().mean() < 1e-4  # a tie between two neighbours may be decided either way
    for one, other in zip(wanted, given):
        likeness = torch.cosine_similarity(one.flatten(), other.flatten(), dim=0)
        assert one.any() and likeness > 0.99 and 0.98 < other.norm() / one.norm() < 1.02


def test_window_keeps_all_that_it_sees(pipeline: MGGTalkPipeline, avatar: Avatar) -> None:
    head, frame = pipeline.head(avatar, SIDE), avatar.source
    splats = head.splats(frame).gaussians
    whole = Camera.from_pose(frame.rotation, frame.translation, SIDE, pipeline.config.render.focal_ratio)
    camera = whole.window(100, 100, 48, 48)
    seen = in_window(splats, camera)
    assert len(seen) < 0.5 * len(splats.means)
    few = Gaussians(*(field[seen] for field in splats))
    torch.testing.assert_close(rasterize(few, camera).image, rasterize(splats, camera).image, atol=2e-3, rtol=0.0)
