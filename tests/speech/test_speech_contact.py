"""Lips meet where they must, by a likely change, and never pass through each other."""

import torch

from mggtalk.face.face_model import FaceModel
from mggtalk.face.lips import INNER, lip_heights
from mggtalk.speech.contact import meet_lips


def heights(face_model: FaceModel, expression: torch.Tensor) -> torch.Tensor:
    return expression @ lip_heights(face_model.expression_basis)[:, INNER]  # [T, G]


def test_contact_closes_the_lips_by_its_share(face_model: FaceModel) -> None:
    opening = face_model.from_blendshapes(0.5 * torch.eye(52)[25])  # jawOpen
    expression = opening.expand(3, -1)
    met = meet_lips(face_model, expression, torch.tensor([0.0, 0.5, 1.0]))
    before, after = heights(face_model, expression).mean(-1), heights(face_model, met).mean(-1)
    torch.testing.assert_close(met[0], expression[0], atol=2e-2, rtol=0.0)
    torch.testing.assert_close(after, before * torch.tensor([1.0, 0.5, 0.0]), atol=0.05 * float(before[0]), rtol=0.0)
    assert (met[2] - expression[2]).abs().max() < 3.0 * opening.abs().max()  # no grimace


def test_lips_that_would_pass_through_each_other_just_meet(face_model: FaceModel) -> None:
    pressed = -face_model.from_blendshapes(0.4 * torch.eye(52)[25])[None]  # a jaw that closes beyond closing
    assert heights(face_model, pressed).mean() < -0.02
    assert heights(face_model, meet_lips(face_model, pressed, torch.zeros(1))).mean().abs() < 0.005
