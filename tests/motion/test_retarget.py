"""A driver's poses on another head."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch

from mggtalk.config import EXPRESSION_COMPONENTS, FaceModelConfig
from mggtalk.errors import OptionError
from mggtalk.face.face_model import FaceModel
from mggtalk.face.topology import LIPS_INNER_LOWER, LIPS_INNER_UPPER
from mggtalk.geometry import euler_to_rotation, head_to_camera, project, rotation_to_euler
from mggtalk.motion.retarget import DEPTHS, SHIFTS, close_lips, neutral_frame, orbit, retarget, still
from mggtalk.runtime.cache import EMBEDDED
from mggtalk.scene import Motion


def pose(*degrees: float) -> torch.Tensor:
    """Rotation from pitch, yaw, roll in degrees."""
    return euler_to_rotation(torch.tensor([math.radians(angle) for angle in degrees]))


def motion_of(angles: list[tuple[float, float, float]], translation: torch.Tensor) -> Motion:
    """A driver with given angles in degrees and a calm face."""
    return Motion(
        expression=torch.zeros(len(angles), EXPRESSION_COMPONENTS),
        rotation=torch.stack([pose(*a) for a in angles]),
        translation=translation,
        fps=25.0,
        face_model="test",
        focal_ratio=2.5,
    )


@pytest.fixture(scope="module")
def face_model() -> FaceModel:
    """The embedded face model."""
    return FaceModel.from_file(EMBEDDED / "face_model.safetensors")


@pytest.fixture
def head() -> SimpleNamespace:
    """The pose of a portrait: all that retargeting looks at."""
    return SimpleNamespace(
        rotation=pose(5.0, 20.0, -8.0),
        translation=torch.tensor((0.5, -0.2, 8.0)),
        expression=torch.ones(EXPRESSION_COMPONENTS),
        identity=torch.zeros(FaceModelConfig().identity_components),
    )


@pytest.fixture
def driver() -> Motion:
    """A driver that looks ahead in frame 1, and turns and moves around it."""
    place = torch.tensor([[0.1, 0.3, 11.0], [0.0, 0.2, 10.0], [-0.3, 0.2, 12.0], [0.4, 0.0, 10.0]])
    return motion_of([(3.0, 10.0, 0.0), (0.0, 0.0, 0.0), (0.0, -20.0, 5.0), (-10.0, 15.0, 0.0)], place)


def test_absolute_is_the_identity(driver: Motion, head: SimpleNamespace, face_model: FaceModel) -> None:
    assert retarget(driver, head, "absolute", face_model) is driver  # its landmarks are not known


def test_a_still_driver_gives_the_portraits_own_pose(head: SimpleNamespace, face_model: FaceModel) -> None:
    still_driver = motion_of([(4.0, -12.0, 3.0)] * 5, torch.tensor((1.0, 0.5, 14.0)).expand(5, 3))
    result = retarget(still_driver, head, "relative", face_model)
    assert torch.allclose(result.rotation, head.rotation.expand(5, 3, 3), atol=1e-5)
    assert torch.allclose(result.translation, head.translation.expand(5, 3), atol=1e-5)


def test_the_neutral_frame_is_calm_and_frontal(driver: Motion) -> None:
    assert neutral_frame(driver) == 1
    grimace = driver.expression.clone()
    grimace[1] = 9.0
    assert neutral_frame(driver.with_(expression=grimace)) == 0


def test_relative_rotation_is_put_on_the_portraits(
    driver: Motion, head: SimpleNamespace, face_model: FaceModel
) -> None:
    result = retarget(driver, head, "relative", face_model)
    for index in range(len(driver)):
        turn = driver.rotation[index] @ driver.rotation[1].T
        assert torch.allclose(result.rotation[index], turn @ head.rotation, atol=1e-5)
        product = result.rotation[index] @ result.rotation[index].T
        assert torch.allclose(product, torch.eye(3), atol=1e-5)


def test_relative_expressions_are_compared_with_each_ones_rest(
    driver: Motion, head: SimpleNamespace, face_model: FaceModel
) -> None:
    rest = close_lips(face_model, head.identity, head.expression)
    generator = torch.Generator().manual_seed(0)
    own_rest = torch.randn(EXPRESSION_COMPONENTS, generator=generator)
    at_rest = driver.with_(expression=own_rest.expand(4, -1), rest=own_rest)
    assert torch.allclose(retarget(at_rest, head, "relative", face_model).expression, rest.expand(4, -1), atol=1e-5)
    step = at_rest.with_(expression=at_rest.expression + 0.3)
    assert torch.allclose(retarget(step, head, "relative", face_model).expression, rest + 0.3, atol=1e-5)


def test_closed_lips_are_closed_and_stay_closed(head: SimpleNamespace, face_model: FaceModel) -> None:
    def gap(expression: torch.Tensor) -> torch.Tensor:
        vertices = face_model.vertices(head.identity, expression)
        return (vertices[list(LIPS_INNER_UPPER), 1] - vertices[list(LIPS_INNER_LOWER), 1])[1:-1]

    opening = face_model.expression_basis
    opening = (opening[:, LIPS_INNER_UPPER[5], 1] - opening[:, LIPS_INNER_LOWER[5], 1]).sign()
    opened = 1.5 * opening
    closed = close_lips(face_model, head.identity, opened)
    assert gap(opened).max() > 0.1  # decimetres
    assert (gap(closed) < gap(torch.zeros_like(opened)) + 0.01).all()
    assert (close_lips(face_model, head.identity, closed) - closed).abs().max() < 0.2


def test_relative_translation_moves_the_head_as_the_drivers(head: SimpleNamespace, face_model: FaceModel) -> None:
    place = torch.tensor([[0.0, 0.0, 10.0], [0.1, -0.05, 10.0], [0.0, 0.0, 10.8]])
    result = retarget(motion_of([(0.0, 0.0, 0.0)] * 3, place), head, "relative", face_model)
    assert torch.allclose(result.translation[1], head.translation + torch.tensor((0.1, -0.05, 0.0)), atol=1e-5)
    # Farther for the driver is farther for the portrait by the same share, at the same place in the picture.
    assert result.translation[2, 2].item() == pytest.approx(1.08 * 8.0)
    origin = torch.zeros(1, 3)
    at = [project(head_to_camera(origin, torch.eye(3), t), 2.5, (0.5, 0.5))[0] for t in result.translation]
    assert torch.allclose(at[2], at[0], atol=1e-5)


def test_large_ways_are_softened(head: SimpleNamespace, face_model: FaceModel) -> None:
    place = torch.tensor([[0.0, 0.0, 10.0], [9.0, 0.0, 10.0], [0.0, 0.0, 30.0], [0.0, 0.0, 3.0], [0.2, 0.0, 10.0]])
    moved = retarget(motion_of([(0.0, 0.0, 0.0)] * 5, place), head, "relative", face_model).translation
    side = head.translation[2] / 2.5
    assert 0.11 * side < moved[1, 0] - head.translation[0] <= SHIFTS[1] * side
    assert math.exp(-DEPTHS[1]) <= moved[3, 2] / 8.0 < 0.8 and 1.25 < moved[2, 2] / 8.0 <= math.exp(DEPTHS[1])
    assert moved[4, 0] - head.translation[0] < 0.2 and moved[4, 0] > head.translation[0] + 0.15


def test_changes_count_from_where_a_driver_usually_is(head: SimpleNamespace, face_model: FaceModel) -> None:
    """However the driver sits in the one frame in which the face is calmest."""
    turns, place = [(0.0, 20.0, 6.0)] * 9 + [(0.0, 0.0, 0.0)], torch.tensor([[0.3, 0.1, 10.0]] * 9 + [[0.0, 0.0, 9.0]])
    motion = motion_of(turns, place)
    tracked = motion.with_(rest=torch.zeros_like(motion.expression[0]))
    result = retarget(tracked, head, "relative", face_model)
    assert torch.allclose(result.rotation[3], head.rotation, atol=1e-5)
    assert torch.allclose(result.translation[3], head.translation, atol=1e-5)
    authored = retarget(motion, head, "relative", face_model)
    assert torch.allclose(authored.rotation[9], head.rotation, atol=1e-5), (
        "an authored motion counts from its calm frame"
    )


def test_strength_scales_the_relative_pose(driver: Motion, head: SimpleNamespace, face_model: FaceModel) -> None:
    none = retarget(driver, head, "relative", face_model, strength=0.0)
    assert torch.allclose(none.rotation, head.rotation.expand(4, 3, 3), atol=1e-5)
    assert torch.allclose(none.translation, head.translation.expand(4, 3), atol=1e-5)
    straight = SimpleNamespace(**{**vars(head), "rotation": torch.eye(3)})
    half = retarget(driver, straight, "relative", face_model, strength=0.5)
    assert math.degrees(rotation_to_euler(half.rotation)[0, 1]) == pytest.approx(5.0, abs=0.1)


def test_an_unknown_mode_is_refused(driver: Motion, head: SimpleNamespace, face_model: FaceModel) -> None:
    with pytest.raises(OptionError, match="sideways"):
        retarget(driver, head, "sideways", face_model)


def test_orbit_swings_between_its_two_yaws(head: SimpleNamespace) -> None:
    driver = motion_of([(0.0, 0.0, 0.0)] * 100, torch.tensor((0.0, 0.0, 10.0)).expand(100, 3))
    path = orbit(driver, head, (-30.0, 45.0), seconds=4.0)
    angles = torch.rad2deg(rotation_to_euler(path.rotation))
    assert angles[:, 1].min().item() == pytest.approx(-30.0, abs=0.1)
    assert angles[:, 1].max().item() == pytest.approx(45.0, abs=0.1)
    own = torch.rad2deg(rotation_to_euler(head.rotation))
    assert torch.allclose(angles[:, 0], own[0].expand(100), atol=1e-3)
    assert torch.allclose(angles[:, 2], own[2].expand(100), atol=1e-3)
    assert torch.equal(path.translation, head.translation.expand(100, 3))
    assert angles[:, 1].diff().abs().max() < 4.0  # no jump


def test_still_repeats_the_portrait(head: SimpleNamespace) -> None:
    motion = still(head, 3, 25.0, "test", 2.5)
    assert len(motion) == 3 and motion.seconds == pytest.approx(0.12)
    assert all(torch.equal(frame.rotation, head.rotation) for frame in motion)
    assert torch.equal(motion.expression[2], head.expression)
