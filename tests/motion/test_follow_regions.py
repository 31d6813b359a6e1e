"""What of a driver a portrait follows."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch

from mggtalk.errors import OptionError
from mggtalk.face.face_model import FaceModel
from mggtalk.face.topology import LEFT_IRIS, LIPS, RIGHT_BROW, RIGHT_EYE, RIGHT_IRIS
from mggtalk.geometry import camera_to_head, euler_to_rotation
from mggtalk.motion.follow import EYE_RADIUS, follow, look_at_camera, lower_face
from mggtalk.motion.picture import ease_in
from mggtalk.motion.style import Style, perform
from mggtalk.scene import Motion

UPPER = [*RIGHT_EYE, *RIGHT_IRIS, *LEFT_IRIS, *RIGHT_BROW]


@pytest.fixture(scope="module")
def head(face_model: FaceModel) -> SimpleNamespace:
    """The pose and expression of a portrait: all that following looks at."""
    generator = torch.Generator().manual_seed(1)
    return SimpleNamespace(
        rotation=euler_to_rotation(torch.tensor([0.05, 0.2, -0.1])),
        translation=torch.tensor((0.5, -0.2, 8.0)),
        expression=0.5 * torch.randn(64, generator=generator),
        identity=torch.zeros(len(face_model.identity_basis)),
    )


@pytest.fixture(scope="module")
def driver(face_model: FaceModel, hello_motion: Motion) -> Motion:
    """Speech with blinks, and a head that turns."""
    return hello_motion


def moved(face_model: FaceModel, change: torch.Tensor, vertices: list[int]) -> float:
    """Root mean square displacement that a change of expressions ``[T, K]`` gives to some vertices."""
    ways = torch.einsum("tk,kvi->tvi", change, face_model.expression_basis[:, vertices])
    return float(ways.square().sum(-1).mean().sqrt())


def test_all_is_the_motion_itself(driver: Motion, head: SimpleNamespace, face_model: FaceModel) -> None:
    assert follow(driver, head, face_model, ("all",), "driver") is driver


def test_lips_and_eyes_add_up_to_the_face(driver: Motion, head: SimpleNamespace, face_model: FaceModel) -> None:
    lips, eyes, face, both = (
        follow(driver, head, face_model, regions, "driver").expression - head.expression
        for regions in (("lips",), ("eyes",), ("face",), ("lips", "eyes"))
    )
    torch.testing.assert_close(lips + eyes, face, atol=1e-4, rtol=0)
    torch.testing.assert_close(both, face)
    torch.testing.assert_close(face + head.expression, driver.expression)


@pytest.mark.parametrize(("region", "inside", "outside"), [("lips", LIPS, UPPER), ("eyes", UPPER, LIPS)])
def test_a_region_moves_as_the_driver_and_nothing_else_does(
    region: str, inside: list[int], outside: list[int], driver: Motion, head: SimpleNamespace, face_model: FaceModel
) -> None:
    whole = driver.expression - head.expression
    part = follow(driver, head, face_model, (region,), "driver").expression - head.expression
    limit = 0.06 * moved(face_model, whole, [*LIPS, *UPPER])
    assert moved(face_model, part - whole, list(inside)) < limit and moved(face_model, part, list(outside)) < limit


def test_the_split_is_smooth_and_almost_a_projection(face_model: FaceModel) -> None:
    lips = lower_face(face_model)
    assert torch.linalg.eigvals(lips).real.max() < 1.01  # nothing grows
    assert float((lips @ lips - lips).norm() / lips.norm()) < 0.5


def test_pose_alone_keeps_the_expression_and_expression_alone_the_pose(
    driver: Motion, head: SimpleNamespace, face_model: FaceModel
) -> None:
    pose, face = (follow(driver, head, face_model, (region,), "driver") for region in ("pose", "face"))
    assert torch.equal(pose.expression, head.expression.expand_as(pose.expression)) and pose.rotation is driver.rotation
    assert torch.equal(face.rotation, head.rotation.expand_as(face.rotation))
    assert torch.equal(face.translation, head.translation.expand_as(face.translation)) and face.torso is None


def gaze_of(face_model: FaceModel, identity: torch.Tensor, expression: torch.Tensor) -> torch.Tensor:
    """Sideways angle of the right eye, radians, ``[T]``."""
    calm, now = (
        face_model.vertices(identity, beta)[..., 468, 0]
        - face_model.vertices(identity, beta)[..., [33, 133], 0].mean(-1)
        for beta in (torch.zeros_like(expression), expression)
    )
    return ((now - calm) / EYE_RADIUS).asin()


@pytest.mark.parametrize("yaw", [-15.0, 0.0, 10.0])
def test_eyes_meet_the_camera(yaw: float, head: SimpleNamespace, face_model: FaceModel) -> None:
    rotation = euler_to_rotation(torch.tensor([[0.0, math.radians(yaw), 0.0]]))
    astray = face_model.from_blendshapes(torch.eye(52)[[13]]) * 0.6  # one eye looks inward
    motion = Motion(astray, rotation, torch.tensor([[0.0, 0.0, 11.0]]), 25.0, "test", 2.5)
    seen = look_at_camera(motion, head.identity, face_model)
    camera = camera_to_head(torch.zeros(1, 3), rotation[0], motion.translation[0])[0] - face_model.mean[468]
    looks = torch.stack([gaze_of(face_model, head.identity, seen.expression)[0], torch.zeros(())])
    looks[1] = float(face_model.vertices(head.identity, seen.expression)[0, 473, 0] - face_model.mean[473, 0])
    right = torch.atan2(camera[0], camera[2])
    left = EYE_RADIUS * torch.sin(right)  # about what the other eye's iris moves
    away = looks[0] - right, (looks[1] - left) / EYE_RADIUS
    assert abs(float(away[0] + away[1]) / 2) < math.radians(4.0)  # on the average of both eyes, which squint as before


def test_shut_eyes_stay_shut(head: SimpleNamespace, face_model: FaceModel) -> None:
    weights = torch.zeros(1, 52)
    weights[0, 9] = weights[0, 10] = 1.0
    shut = face_model.from_blendshapes(weights)
    rotation = euler_to_rotation(torch.tensor([[0.2, 0.2, 0.0]]))
    motion = Motion(shut, rotation, torch.tensor([[0.0, 0.0, 11.0]]), 25.0, "test", 2.5)
    opened = shut.new_zeros(shut.shape)
    for expression, most in ((shut, 0.35), (opened, 10.0)):
        changed = look_at_camera(motion.with_(expression=expression), head.identity, face_model).expression
        gap = face_model.vertices(head.identity, changed)[0, [159, 145], 1]
        before = face_model.vertices(head.identity, opened)[0, [159, 145], 1]
        assert float((gap[0] - gap[1]) / (before[0] - before[1])) < most


@pytest.mark.parametrize("style", [Style(regions=("nose",)), Style(regions=()), Style(gaze="away")])
def test_what_does_not_exist_is_refused(
    style: Style, driver: Motion, head: SimpleNamespace, face_model: FaceModel
) -> None:
    with pytest.raises(OptionError, match="Choose"):
        perform(driver, head, face_model, "relative", style)


def test_a_picture_is_eased_into_and_held(head: SimpleNamespace, face_model: FaceModel) -> None:
    turn = euler_to_rotation(torch.tensor([[0.1, -0.3, 0.05]]))
    picture = Motion(torch.ones(1, 64), turn, torch.tensor([[0.3, 0.1, 9.0]]), 25.0, "test", 2.5)
    motion = ease_in(picture)
    assert motion.seconds == pytest.approx(3.0)
    torch.testing.assert_close(motion.expression[-50:], torch.ones(50, 64))
    torch.testing.assert_close(motion.rotation[-1:], turn)
    assert not motion.expression[0].any() and motion.expression.diff(dim=0).min() >= 0
    played = perform(motion, head, face_model, "relative", Style())
    torch.testing.assert_close(played.rotation[0], head.rotation, atol=1e-5, rtol=0)
    torch.testing.assert_close(played.rotation[-1], turn[0] @ head.rotation, atol=1e-5, rtol=0)
    torch.testing.assert_close(played.translation[-1], head.translation)
    torch.testing.assert_close(played.expression[-1] - played.expression[0], torch.ones(64))
