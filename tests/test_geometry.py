"""Frames of reference: points known by hand, round trips and mirrors."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mggtalk import geometry
from mggtalk.scene import Camera

SIZE, FOCAL_RATIO = 200, 2.5
FRONTAL = torch.eye(3)
TEN_AWAY = torch.tensor((0.0, 0.0, 10.0))

few = settings(max_examples=25, deadline=None)
angle = st.floats(-3.1, 3.1)
pitch = st.floats(-1.5, 1.5)
coordinate = st.floats(-2.0, 2.0)


def rotations(count: int, seed: int = 0) -> torch.Tensor:
    """Random rotations ``[count, 3, 3]`` in double precision."""
    generator = torch.Generator().manual_seed(seed)
    return geometry.quaternion_to_rotation(torch.randn(count, 4, generator=generator, dtype=torch.float64))


def pixel_of(point: tuple[float, float, float]) -> tuple[float, float]:
    """Pixel of a head point, seen by a camera that the head looks into."""
    in_camera = geometry.head_to_camera(torch.tensor([point], dtype=torch.float32), FRONTAL, TEN_AWAY)
    x, y = geometry.project(in_camera, FOCAL_RATIO * SIZE, (SIZE / 2, SIZE / 2))[0].tolist()
    return x, y


def test_points_known_by_hand() -> None:
    # focal 500 px at 10 dm: one decimetre is 50 px.
    assert pixel_of((0, 0, 0)) == pytest.approx((100, 100))
    assert pixel_of((1, 0, 0)) == pytest.approx((150, 100))  # viewer's right
    assert pixel_of((0, 1, 0)) == pytest.approx((100, 50))  # up
    near, far = pixel_of((1, 0, 2)), pixel_of((1, 0, -2))
    assert near == pytest.approx((162.5, 100))  # toward the viewer: larger
    assert far[0] < 150


def test_camera_of_a_pose_sees_what_the_projection_says() -> None:
    rotation, translation = rotations(1)[0].float(), torch.tensor((0.4, -0.3, 9.0))
    camera = Camera.from_pose(rotation, translation, SIZE, FOCAL_RATIO)
    points = torch.randn(20, 3, generator=torch.Generator().manual_seed(1))
    seen = torch.cat([points, torch.ones(20, 1)], dim=1) @ camera.view.T  # [20, 4]
    pixels = seen[:, :3] @ camera.intrinsics().T
    pixels = pixels[:, :2] / pixels[:, 2:]
    in_camera = geometry.head_to_camera(points, rotation, translation)
    assert torch.allclose(seen[:, :3], in_camera, atol=1e-5)
    assert torch.allclose(pixels, geometry.project(in_camera, camera.focal, camera.centre), atol=1e-3)
    back = camera.head_pose()
    assert torch.equal(back[0], rotation) and torch.equal(back[1], translation)
    assert torch.linalg.det(camera.view[:3, :3]).item() == pytest.approx(1.0, abs=1e-5)


@few
@given(pitch, angle, angle, coordinate, coordinate, st.floats(0.5, 50.0))
def test_camera_and_head_frames_round_trip(p: float, y: float, r: float, tx: float, ty: float, tz: float) -> None:
    rotation = geometry.euler_to_rotation(torch.tensor((p, y, r), dtype=torch.float64))
    translation = torch.tensor((tx, ty, tz), dtype=torch.float64)
    points = torch.randn(8, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    there = geometry.head_to_camera(points, rotation, translation)
    assert torch.allclose(geometry.camera_to_head(there, rotation, translation), points, atol=1e-10)
    back = geometry.rotation_to_euler(rotation)
    assert torch.allclose(geometry.euler_to_rotation(back), rotation, atol=1e-9)


def test_poses_broadcast_over_frames() -> None:
    turns, places = rotations(4), torch.randn(4, 3, dtype=torch.float64)
    points = torch.randn(4, 6, 3, dtype=torch.float64)
    together = geometry.head_to_camera(points, turns, places)
    for index in range(4):
        alone = geometry.head_to_camera(points[index], turns[index], places[index])
        assert torch.allclose(together[index], alone)
    assert geometry.view_matrix(turns, places).shape == (4, 4, 4)


def test_projection_round_trip() -> None:
    generator = torch.Generator().manual_seed(2)
    pixels = torch.rand(5, 7, 2, generator=generator) * SIZE
    depth = 5.0 + torch.rand(5, 7, generator=generator)
    points = geometry.unproject(pixels, depth, 500.0, (90.0, 110.0))
    assert torch.allclose(points[..., 2], depth)
    assert torch.allclose(geometry.project(points, 500.0, (90.0, 110.0)), pixels, atol=1e-3)


@pytest.mark.parametrize(
    ("angles", "axis", "moves"),
    [
        ((0.0, 0.3, 0.0), (0.0, 0.0, 1.0), (1, 0)),  # positive yaw: the nose goes to the viewer's right
        ((0.3, 0.0, 0.0), (0.0, 0.0, 1.0), (0, 1)),  # positive pitch: the nose goes down in the picture
        ((0.0, 0.0, 0.3), (0.0, 1.0, 0.0), (-1, 1)),  # positive roll: the crown goes to the viewer's left
    ],
)
def test_signs_of_the_angles(angles: tuple, axis: tuple, moves: tuple) -> None:
    rotation = geometry.euler_to_rotation(torch.tensor(angles))
    turned = geometry.head_to_camera(torch.tensor([axis]), rotation, TEN_AWAY)[0]
    before = geometry.head_to_camera(torch.tensor([axis]), FRONTAL, TEN_AWAY)[0]
    change = (turned - before)[:2]  # x right, y down
    assert [int(torch.sign(c)) if abs(c) > 1e-6 else 0 for c in change] == list(moves)


def test_euler_angles_round_trip_in_their_range() -> None:
    angles = (torch.rand(200, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64) - 0.5) * torch.tensor(
        (3.1, 6.2, 6.2)
    )
    assert torch.allclose(geometry.rotation_to_euler(geometry.euler_to_rotation(angles)), angles, atol=1e-9)


def test_quaternions_and_matrices_round_trip() -> None:
    matrices = torch.cat([rotations(300), torch.eye(3, dtype=torch.float64)[None]])
    half_turns = [torch.diag(torch.tensor(d, dtype=torch.float64)) for d in ((1, -1, -1), (-1, 1, -1), (-1, -1, 1))]
    matrices = torch.cat([matrices, torch.stack(half_turns)])
    quaternions = geometry.rotation_to_quaternion(matrices)
    assert torch.allclose(quaternions.norm(dim=-1), torch.ones(len(matrices), dtype=torch.float64))
    assert torch.allclose(geometry.quaternion_to_rotation(quaternions), matrices, atol=1e-12)
    assert torch.allclose(geometry.quaternion_to_rotation(-3.0 * quaternions), matrices, atol=1e-12)


def test_quaternion_known_by_hand() -> None:
    half = math.sqrt(0.5)
    about_z = geometry.quaternion_to_rotation(torch.tensor((half, 0.0, 0.0, half)))  # a quarter turn
    assert torch.allclose(about_z @ torch.tensor((1.0, 0.0, 0.0)), torch.tensor((0.0, 1.0, 0.0)), atol=1e-6)


def test_nearest_rotation() -> None:
    matrices = rotations(20)
    noise = 0.05 * torch.randn(20, 3, 3, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    near = geometry.nearest_rotation(matrices + noise)
    assert torch.allclose(near @ near.mT, torch.eye(3, dtype=torch.float64).expand(20, 3, 3), atol=1e-10)
    assert torch.allclose(torch.linalg.det(near), torch.ones(20, dtype=torch.float64))
    assert torch.allclose(geometry.nearest_rotation(2.0 * matrices), matrices, atol=1e-10)
    reflection = torch.diag(torch.tensor((1.0, 1.0, -1.0)))
    assert torch.linalg.det(geometry.nearest_rotation(reflection)).item() == pytest.approx(1.0)


def test_mirror_of_the_mirror_is_the_thing_itself() -> None:
    generator = torch.Generator().manual_seed(5)
    points, quaternions = torch.randn(9, 3, generator=generator), torch.randn(9, 4, generator=generator)
    harmonics = torch.randn(9, 4, 3, generator=generator)
    assert torch.equal(geometry.mirror_points(geometry.mirror_points(points)), points)
    assert torch.equal(geometry.mirror_quaternions(geometry.mirror_quaternions(quaternions)), quaternions)
    assert torch.equal(geometry.mirror_harmonics(geometry.mirror_harmonics(harmonics)), harmonics)


def test_mirrored_quaternion_gives_the_mirrored_covariance() -> None:
    generator = torch.Generator().manual_seed(6)
    quaternions = torch.randn(30, 4, generator=generator, dtype=torch.float64)
    scales = torch.rand(30, 3, generator=generator, dtype=torch.float64) + 0.1
    mirror = torch.diag(torch.tensor((-1.0, 1.0, 1.0), dtype=torch.float64))

    def covariance(q: torch.Tensor) -> torch.Tensor:
        axes = geometry.quaternion_to_rotation(q) * scales[:, None, :]
        return axes @ axes.mT

    mirrored = covariance(geometry.mirror_quaternions(quaternions))
    assert torch.allclose(mirrored, mirror @ covariance(quaternions) @ mirror, atol=1e-12)


def test_mirrored_harmonics_look_the_same_from_the_mirrored_side() -> None:
    generator = torch.Generator().manual_seed(7)
    harmonics = torch.randn(10, 4, 3, generator=generator)
    directions = torch.nn.functional.normalize(torch.randn(10, 3, generator=generator), dim=-1)

    def colour(coefficients: torch.Tensor, seen_along: torch.Tensor) -> torch.Tensor:
        x, y, z = seen_along.unbind(-1)
        basis = torch.stack([torch.full_like(x, 0.28209479), -0.48860251 * y, 0.48860251 * z, -0.48860251 * x], -1)
        return (basis[..., None] * coefficients).sum(-2)

    mirrored = colour(geometry.mirror_harmonics(harmonics), geometry.mirror_points(directions))
    assert torch.allclose(mirrored, colour(harmonics, directions), atol=1e-6)
