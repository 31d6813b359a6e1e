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
        poses = 2.0 * torch.rand(3, generator=generator) - 1.0
        features = torch.cat([torch.ones(1), poses, torch.randn(len(truth) - 4, generator=generator)])
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


def test_light_is_not_followed_beyond_the_poses_in_which_a_place_was_seen() -> None:
    generator = torch.Generator().manual_seed(0)
    light = Light((2, 4), axes=2)  # two squares: one is seen in all poses, one in those to the left
    cells = torch.arange(8)
    right = (cells % 4) // 2 == 1
    frames = []
    for yaw in torch.linspace(-2.0, 2.0, 41):
        features = torch.cat([torch.ones(1), yaw[None], 0.1 * torch.randn(10, generator=generator)])
        weight = torch.where(right & (yaw > -1.0), 0.0, 1e3)
        frames.append(Seen(features, weight, 0.1 * weight[:, None] * yaw.expand(8, 3)))
    light.add(frames, cells)
    whole, left = (light.seen[:, 0, 0, square] for square in (0, 1))
    assert whole[0] < -1.5 and whole[1] > 1.5 and left[0] < -1.6 and left[1] < -0.7
    turned = frames[-1].features  # two to the right
    assert (
        light(turned, cells)[:, 0].tolist()[0] > 0.15
        and light(turned, cells)[~right].min() > light(turned, cells)[right].max()
    )
    assert float(light(turned, cells)[3, 0]) < 0.0, "its nearest colour holds"


def test_what_a_point_paints_is_what_changes_with_its_colour(
    pipeline: MGGTalkPipeline, avatar: Avatar, faces: tuple[TalkingGaussian, TalkingGaussian]
) -> None:
    head, frame = pipeline.head(avatar, SIDE), speaking(pipeline, avatar)[4]
    camera = Camera.from_pose(frame.rotation, frame.translation, SIDE, pipeline.config.render.focal_ratio)
    touch = faces[0].touches(avatar)(frame)
    missing = torch.ones(SIDE, SIDE, 4) * torch.tensor((0.5, 0.0, -0.25, 1.0))
    learning = LearningHead(head)
    found, inside, places = learning.painted(learning.values(frame, touch), camera, missing)
    pixels, summed = found[:, 3], found[:, :3]
    assert len(inside) == len(touch.mouth) and places.shape == (len(found), 3)
    splats = head.splats(frame).gaussians
    alpha = rasterize(splats, camera).alpha.sum()
    assert pixels.min() >= 0 and 0.5 * alpha < pixels.sum() <= 1.01 * alpha
    torch.testing.assert_close(summed, pixels[:, None] * torch.tensor((0.5, 0.0, -0.25)), atol=1e-3, rtol=1e-3)
