"""Light is found from what frames miss, square by square."""

from __future__ import annotations

import torch

from mggtalk.avatar.avatar import Avatar
from mggtalk.person.talking_gaussian.field import TalkingGaussian
from mggtalk.person.talking_gaussian.learning_head import LearningHead
from mggtalk.person.talking_gaussian.light import Light, Seen
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.render import rasterize
from mggtalk.scene import Camera
from tests.person.conftest import speaking

SIDE = 256


def test_light_that_was_there_is_found() -> None:
    generator = torch.Generator().manual_seed(0)
    light = Light((5, 8), axes=2)  # an odd side as well
    cells = torch.arange(40)
    truth = 0.1 * torch.randn(len(light.weights), 3, generator=generator)  # [F, 3] everywhere the same
    frames = []
    for _ in range(60):
        features = torch.cat([torch.ones(1), torch.randn(len(truth) - 1, generator=generator)])
        weight = 1e3 * torch.rand(40, generator=generator)
        frames.append(Seen(features, weight, weight[:, None] * (features @ truth)))
    assert not light(frames[0].features, cells).any()
    light.add(frames, cells)
    for seen in frames[:3]:
        torch.testing.assert_close(
            light(seen.features, cells), (seen.features @ truth).expand(40, 3), atol=0.01, rtol=0.02
        )
    before = light.weights.clone()
    light.add([seen._replace(missing=torch.zeros(40, 3)) for seen in frames], cells)  # nothing is left over
    assert torch.equal(light.weights, before)


def test_what_a_point_paints_is_what_changes_with_its_colour(
    pipeline: MGGTalkPipeline, avatar: Avatar, faces: tuple[TalkingGaussian, TalkingGaussian]
) -> None:
    head, frame = pipeline.head(avatar, SIDE), speaking(pipeline, avatar)[4]
    camera = Camera.from_pose(frame.rotation, frame.translation, SIDE, pipeline.config.render.focal_ratio)
    touch = faces[0].touches(avatar)(frame)
    missing = torch.ones(SIDE, SIDE, 4) * torch.tensor((0.5, 0.0, -0.25, 1.0))
    pixels, summed = LearningHead(head).painted(frame, touch, camera, missing)
    splats = head.splats(frame).gaussians
    alpha = rasterize(splats, camera).alpha.sum()
    assert pixels.min() >= 0 and 0.5 * alpha < pixels.sum() <= 1.01 * alpha
    torch.testing.assert_close(summed, pixels[:, None] * torch.tensor((0.5, 0.0, -0.25)), atol=1e-3, rtol=1e-3)
