"""The outline of a head behind the picture's borders."""

from __future__ import annotations

import torch

from mggtalk.face.face_model import FaceModel
from mggtalk.geometry import euler_to_rotation, head_to_camera
from mggtalk.portrait.skull import outermost, skull_level

CENTRE = torch.tensor((0.0, 0.3, -0.5))
ROTATION, TRANSLATION = euler_to_rotation(torch.tensor((0.1, 0.4, 0.0))), torch.tensor((0.2, -0.1, 9.0))


def level_of(points: torch.Tensor, model: FaceModel) -> torch.Tensor:
    """Level of the rays through head-frame points ``[N, 3]``."""
    seen = head_to_camera(points, ROTATION, TRANSLATION)
    return skull_level(seen[:, :2] / seen[:, 2:], model.mean, CENTRE, ROTATION, TRANSLATION)


def test_the_level_is_0_in_the_middle_and_grows_outward(face_model: FaceModel) -> None:
    up = torch.linspace(0.0, 2.5, 6)[:, None] * torch.tensor((0.0, 1.0, 0.0))
    level = level_of(CENTRE + up, face_model)
    assert level[0] < 1e-3
    assert (level.diff() > 0).all()
    assert level[-1] > 1.5


def test_the_crown_stands_on_the_outline(face_model: FaceModel) -> None:
    height = float(face_model.mean[10, 1] - face_model.mean[152, 1])
    crown = torch.tensor((0.0, float(face_model.mean[10, 1]) + 0.36 * height, float(CENTRE[2])))
    assert abs(float(level_of(crown[None], face_model)) - 1.0) < 0.03


def test_only_a_cut_head_goes_on() -> None:
    level = torch.linspace(0.5, 2.0, 64).expand(64, 64)
    head = torch.zeros(64, 64)
    head[-20:] = 1.0
    head[:, 0] = head[:, -1] = 0.0
    assert outermost(level, head) is None  # a neck goes on below, as torso
    head[0, 10:30] = 1.0
    assert abs((outermost(level, head) or 0.0) - float(level[0, 29])) < 1e-6
