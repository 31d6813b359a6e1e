"""What of a driver a portrait follows: lips, eyes, the whole face, the head's pose; and a gaze held on the camera.

Which vertices belong to the lips and which to the eyes is told on the mesh, softly, between nose tip and cheek bone.
With the mesh moving by ``B beta``, the expression that moves the lower face as ``beta`` does and leaves the rest is the
regularised regression ::

    P = (B W B^T + lambda I)^-1 B W M B^T          lips(beta) = P beta        eyes(beta) = beta - P beta

for vertex weights ``W`` and the lower face's mask ``M``: the two parts always add up to the expression itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mggtalk.avatar.avatar import Avatar
from mggtalk.config import check_follow
from mggtalk.face.blendshapes import INDEX, NAMES
from mggtalk.face.face_model import FaceModel
from mggtalk.face.fitting import shape_weights
from mggtalk.face.topology import LEFT_EYE_LOWER, LEFT_EYE_UPPER, RIGHT_EYE_LOWER, RIGHT_EYE_UPPER
from mggtalk.geometry import camera_to_head
from mggtalk.motion.retarget import soften
from mggtalk.scene import Motion

LOWER, UPPER = -0.2, 0.05
"""Heights on the mean face, decimetres, below which all belongs to the lips and above which all belongs to the eyes:
the root of the nose's wings and the cheek bones."""

RIDGE = 0.01
"""``lambda`` over the mean diagonal: parts are a thirtieth off what they should be, and no larger than ``beta``."""

EYE_RADIUS = 0.12
"""Of an eyeball, decimetres."""

TURNS = ((18.0, 28.0), (12.0, 20.0))
"""Degrees, sideways and up, to which eyes turn freely, and beyond which they do not turn."""

EYES = ((468, 33, 133), (473, 263, 362))
"""Iris and corners of the right and the left eye."""

LIDS = (
    tuple(zip(RIGHT_EYE_UPPER[2:-2], RIGHT_EYE_LOWER[2:-2])),
    tuple(zip(LEFT_EYE_UPPER[2:-2], LEFT_EYE_LOWER[2:-2])),
)
"""Pairs of vertices of upper and lower lid."""


def follow(motion: Motion, avatar: Avatar, face_model: FaceModel, regions: Sequence[str], gaze: str) -> Motion:
    """Let a portrait follow only a part of a motion that was put on it.

    Args:
        motion: T frames, retargeted to the avatar.
        avatar: What is not followed stays as it is in its portrait.
        face_model: The landmark 3DMM.
        regions: Of :data:`mggtalk.config.REGIONS`.
        gaze: ``driver``, or ``camera``: the eyes keep looking into it, wherever the head turns.

    Returns:
        T frames; the motion itself when all is followed.

    Raises:
        OptionError: If a region or the gaze is not known.
    """
    check_follow(regions, gaze)
    if "all" not in regions:
        own, change = avatar.expression, motion.expression - avatar.expression  # [K], [T, K]
        if "face" not in regions and not {"lips", "eyes"} <= set(regions):
            lips = change @ lower_face(face_model).T  # [T, K]
            change = lips if "lips" in regions else change - lips if "eyes" in regions else torch.zeros_like(change)
        motion = motion.with_(expression=own + change)
        if "pose" not in regions:
            rotation, translation = avatar.rotation.expand(len(motion), 3, 3), avatar.translation.expand(len(motion), 3)
            motion = motion.with_(rotation=rotation, translation=translation, torso=None)
    return look_at_camera(motion, avatar.identity, face_model) if gaze == "camera" else motion


def lower_face(face_model: FaceModel) -> Tensor:
    """``P [K, K]``: takes an expression (a column) to its part that moves lips, jaw and cheeks."""
    basis, mask = face_model.expression_basis, lower_mask(face_model)  # [K, V, 3], [V]
    weights = shape_weights().to(basis)
    gram = torch.einsum("avi,v,bvi->ab", basis, weights, basis)  # [K, K]
    masked = torch.einsum("avi,v,bvi->ab", basis, weights * mask, basis)
    ridge = RIDGE * gram.diagonal().mean() * torch.eye(len(gram)).to(gram)
    return torch.linalg.solve(gram + ridge, masked)


def lower_mask(face_model: FaceModel) -> Tensor:
    """Measure how far each vertex belongs to the lower face, ``[V]`` in [0, 1]."""
    height = ((face_model.mean[:, 1] - LOWER) / (UPPER - LOWER)).clamp(0.0, 1.0)
    return 1.0 - height.square() * (3.0 - 2.0 * height)


def look_at_camera(motion: Motion, identity: Tensor, face_model: FaceModel) -> Motion:
    """Turn the eyes of every frame into the camera, as far as eyes turn; lids follow, and shut ones stay shut.

    Args:
        motion: T frames on a head.
        identity: Of that head, ``[I]``.
        face_model: The landmark 3DMM.
    """
    vertices = face_model.vertices(identity, motion.expression)  # [T, V, 3]
    neutral = face_model.vertices(identity, torch.zeros_like(motion.expression[0]))  # [V, 3]
    camera = camera_to_head(torch.zeros(len(motion), 1, 3), motion.rotation, motion.translation)[:, 0]  # [T, 3]
    wanted = torch.stack([_iris_offset(neutral, eye) + _turned(camera - neutral[eye[0]]) for eye in EYES])  # [2, T, 2]
    away = (wanted - torch.stack([_iris_offset(vertices, eye) for eye in EYES])).mean(0)  # [T, 2] decimetres
    ways = _look_directions(face_model)  # [2, K]
    response = torch.stack([_iris_offset(face_model.vertices(identity, way), EYES[0]) for way in ways])
    response = response - _iris_offset(neutral, EYES[0])  # [2, 2] decimetres that each direction moves an iris
    change = away @ torch.linalg.inv(response) @ ways  # [T, K]
    return motion.with_(expression=motion.expression + _openness(vertices, neutral)[:, None] * change)


def _iris_offset(vertices: Tensor, eye: tuple[int, int, int]) -> Tensor:
    """Place of an iris from the middle of its eye's corners: ``[..., V, 3]`` to x and y, ``[..., 2]``."""
    iris, outer, inner = eye
    return (vertices[..., iris, :] - (vertices[..., outer, :] + vertices[..., inner, :]) / 2)[..., :2]


def _turned(way: Tensor) -> Tensor:
    """Measure how far an iris moves, x and y ``[T, 2]``, when its eye looks along ``[T, 3]`` in the head frame."""
    sideways, up = torch.atan2(way[:, 0], way[:, 2]), torch.atan2(way[:, 1], way[:, [0, 2]].norm(dim=-1))
    angles = [
        angle.sign() * soften(angle.abs(), math.radians(free), math.radians(most))
        for angle, (free, most) in zip((sideways, up), TURNS)
    ]
    return EYE_RADIUS * torch.stack(angles, dim=-1).sin()


def _look_directions(face_model: FaceModel) -> Tensor:
    """Expressions that turn both eyes to the viewer's right, and up: ``[2, K]``."""
    weights = torch.zeros(2, len(NAMES))
    for side, right in (("Left", "Out"), ("Right", "In")):
        left = "In" if right == "Out" else "Out"
        weights[0, INDEX[f"eyeLook{right}{side}"]], weights[0, INDEX[f"eyeLook{left}{side}"]] = 0.5, -0.5
        weights[1, INDEX[f"eyeLookUp{side}"]], weights[1, INDEX[f"eyeLookDown{side}"]] = 0.5, -0.5
    return face_model.from_blendshapes(weights.to(face_model.mean))


def _openness(vertices: Tensor, neutral: Tensor) -> Tensor:
    """Gap of the lids ``[T]`` over that of the calm face, 0 to 1: the iris of a shut eye is only guessed."""
    upper, lower = (torch.tensor([pair[which] for eye in LIDS for pair in eye]) for which in (0, 1))
    gap, calm = ((shape[..., upper, 1] - shape[..., lower, 1]).mean(-1) for shape in (vertices, neutral))  # [T], []
    return (gap / calm).clamp(0.0, 1.0)
