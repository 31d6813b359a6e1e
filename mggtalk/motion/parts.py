"""Drivers whose video is cut: each shot counts from its own rest, as it may show another person or another view."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mggtalk.face.face_model import FaceModel
from mggtalk.motion.retarget import usual_pose
from mggtalk.scene import Motion


class Shot(NamedTuple):
    """A piece of a video between two cuts."""

    motion: Motion
    identity: Tensor  # [I] of the face model


OTHER_FACE = 0.016
"""Mean distance of the vertices of two neutral faces, decimetres, from which they are two people. Halves of one clip
differ by 0.006 (median of 28 clips) to 0.022, different people by 0.012 to 0.03 (median)."""

OTHER_TURN, OTHER_PLACE, OTHER_DEPTH = 15.0, 0.6, 0.12
"""Degrees, decimetres and logarithm of the distance by which the usual pose changes with the view."""


def differ(face_model: FaceModel, first: Shot, second: Shot) -> bool:
    """Whether two shots show different people, or one from elsewhere; a jump cut does neither."""
    calm = torch.zeros_like(first.motion.expression[0])
    apart = face_model.vertices(first.identity, calm) - face_model.vertices(second.identity, calm)  # [V, 3]
    if float(apart.norm(dim=-1).mean()) > OTHER_FACE:
        return True
    (turn, place), (turn_2, place_2) = usual_pose(first.motion), usual_pose(second.motion)
    angle = math.degrees(float(((turn @ turn_2.mT).trace() / 2 - 0.5).clamp(-1.0, 1.0).acos()))
    aside = float((place[:2] / place[2] - place_2[:2] / place_2[2]).norm() * place[2])
    return angle > OTHER_TURN or aside > OTHER_PLACE or abs(math.log(float(place_2[2] / place[2]))) > OTHER_DEPTH


def join_shots(shots: Sequence[Motion]) -> Motion:
    """Join the motions of the shots of a video to one that can be retargeted like that of one person.

    What is taken over to another head are changes from the driver's rest and usual pose. Those of each later shot are
    kept, and put on rest and usual pose of the first one::

        beta' = beta - rest_p + rest_0      R' = R R_p^T R_0      z' = z / z_p z_0      (x, y)' likewise, per depth

    Args:
        shots: Each with a rest.

    Returns:
        Their frames in order; landmarks stay what was seen.
    """
    first = shots[0]
    base_turn, base_place = usual_pose(first)  # [3, 3], [3]
    expressions, rotations, translations = [], [], []
    for shot in shots:
        turn, place = usual_pose(shot)
        rest = 0.0 if shot.rest is None or first.rest is None else first.rest - shot.rest
        expressions.append(shot.expression + rest)
        rotations.append(shot.rotation @ turn.mT @ base_turn)
        depth = shot.translation[:, 2:] / place[2]  # [T, 1] over the usual one
        aside = shot.translation[:, :2] + depth * (base_place[:2] - place[:2])  # [T, 2]
        translations.append(torch.cat([aside, depth * base_place[2]], dim=-1))
    return first.with_(
        expression=torch.cat(expressions),
        rotation=torch.cat(rotations),
        translation=torch.cat(translations),
        landmarks=_joined([shot.landmarks for shot in shots]),
        found=_joined([shot.found for shot in shots]),
    )


def _joined(parts: Sequence[Tensor | None]) -> Tensor | None:
    there = [part for part in parts if part is not None]
    return torch.cat(there) if len(there) == len(parts) else None
