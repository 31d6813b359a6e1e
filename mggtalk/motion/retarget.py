"""Put a driver's motion on another head: poses absolute or relative, and viewing paths."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from mggtalk.avatar.avatar import Avatar
from mggtalk.errors import OptionError
from mggtalk.face.blendshapes import NAMES
from mggtalk.face.face_model import FaceModel
from mggtalk.face.fitting import fit_track
from mggtalk.face.lips import INNER, lip_heights
from mggtalk.geometry import (
    compose_similarities,
    euler_to_rotation,
    invert_similarity,
    nearest_rotation,
    rotation_to_euler,
)
from mggtalk.scene import FaceTrack, Motion

PoseMode = Literal["relative", "absolute"]
"""``absolute``: the driver's pose in image coordinates; ``relative``: its changes, put on the portrait's own pose."""


SHIFTS = (0.04, 0.12)
"""Sides of the picture up to which a driver's shift is taken over as it is, and beyond which no head is moved: neck and
shoulders follow no further."""

DEPTHS = (0.1, 0.25)
"""The same for coming nearer and going away, in the logarithm of the distance."""


WAY = 6.25
"""Weight of a shift of the head, over its distance, beside its turn: a side of the picture counts like a radian."""


def _strain(motion: Motion) -> Tensor:
    """Measure the distance of each frame from a relaxed face that looks ahead, ``[T]``.

    The mean squared expression (in standard deviations) plus the squared head angles (in units of 10 degrees).
    """
    angles = rotation_to_euler(motion.rotation) / math.radians(10.0)  # [T, 3]
    return motion.expression.square().mean(-1) + angles.square().sum(-1)


def neutral_frame(motion: Motion) -> int:
    """Index of the frame in which the driver is nearest to a relaxed face that looks ahead."""
    return int(_strain(motion).argmin())


def usual_pose(motion: Motion) -> tuple[Tensor, Tensor]:
    """The pose from which a driver's changes are counted: rotation ``[3, 3]`` and translation ``[3]``.

    A tracked driver's is the median over the frames, angle by angle and place by place (the place in the picture, over
    the distance): where the driver usually is, wherever the one calmest frame lies. An authored motion (one without a
    rest) counts from its calmest frame, in which it was made to be neutral.
    """
    if motion.rest is None:
        index = neutral_frame(motion)
        return motion.rotation[index], motion.translation[index]
    seen = torch.ones(len(motion), dtype=torch.bool) if motion.found is None else motion.found
    chosen = seen.nonzero().squeeze(-1) if bool(seen.any()) else torch.arange(len(motion))
    rotation = euler_to_rotation(rotation_to_euler(motion.rotation[chosen]).median(0).values)
    depth = motion.translation[chosen, 2].median()
    aside = (motion.translation[chosen, :2] / motion.translation[chosen, 2:]).median(0).values  # [2]
    return rotation, torch.cat([aside * depth, depth[None]])


def soften(length: Tensor, free: float, most: float) -> Tensor:
    """Bring lengths under a limit: exact up to ``free``, then ever slower, never over ``most``."""
    room = most - free
    return torch.where(length <= free, length, free + room * torch.tanh((length - free) / room))


def close_lips(face_model: FaceModel, identity: Tensor, expression: Tensor) -> Tensor:
    """The likeliest expression near the given one in which the lips are closed.

    The gaps between the inner lips are linear in the expression, ``g(beta) = g_0 + G beta``. With the coefficients in
    standard deviations, the nearest expression with gaps ``g*`` is ``beta + G^T (G G^T)^-1 (g* - g)``.

    Args:
        face_model: The landmark 3DMM.
        identity: ``[I]``.
        expression: ``[K]``.

    Returns:
        ``[K]``; unchanged where the lips are already as close as in the neutral face.
    """
    now = lip_heights(face_model.vertices(identity, expression))[INNER]  # [G]
    neutral = lip_heights(face_model.vertices(identity, torch.zeros_like(expression)))[INNER]
    slope = lip_heights(face_model.expression_basis)[:, INNER]  # [K, G]
    change = torch.minimum(now, neutral) - now
    gram = slope.T @ slope
    gram = gram + 1e-3 * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    return expression + slope @ torch.linalg.solve(gram, change)


def driver_rest(face_model: FaceModel, identity: Tensor, motion: Motion) -> Tensor:
    """The relaxed expression ``[K]`` of a tracked driver.

    The mean over the calmer half of the frames, its lips closed: one frame alone would put its own raised or lowered
    brow on every other.
    """
    calm = _strain(motion).argsort()[: (len(motion) + 1) // 2]
    return close_lips(face_model, identity, motion.expression[calm].mean(0))


def retarget(motion: Motion, avatar: Avatar, pose: PoseMode, face_model: FaceModel, strength: float = 1.0) -> Motion:
    """Expressions and poses for one avatar.

    *Relative* is for another person. A fit to one picture or one video always takes some of the person's shape for
    expression, so expressions are compared with each person's own rest: ``beta = rest_s + beta_d - rest_d``; a driver
    at rest gives the portrait at rest, with closed lips. Poses add up the same way, ``R = (R_d R_ref^T) R_s``.
    Translations are in decimetres of a head of standard size, so a driver who moves by half a head moves the portrait
    by half a head; the distance changes by the driver's ratio. All count from the driver's usual pose, and large ways
    are softened: a portrait has no more of its neck than it shows.

    *Absolute* is for the person of the portrait in the same framing: pose and expression are the driver's own, fitted
    with the portrait's identity when the driver's landmarks are known.

    Args:
        motion: The driver's motion.
        avatar: The portrait.
        pose: See :data:`PoseMode`.
        face_model: The landmark 3DMM.
        strength: Multiplies the relative pose; 0 keeps the portrait's pose.

    Returns:
        A motion for this avatar.

    Raises:
        OptionError: If the mode is not known.
    """
    if pose == "absolute":
        return _same_person(motion, avatar, face_model)
    if pose != "relative":
        raise OptionError(f"The pose mode is {pose!r}.", "Choose 'relative' or 'absolute'.")
    usual, start = usual_pose(motion)
    turn = motion.rotation @ usual.mT  # [T, 3, 3]
    if strength != 1.0:
        turn = euler_to_rotation(rotation_to_euler(turn) * strength)
    rotation = nearest_rotation(turn @ avatar.rotation)
    nearer = strength * (motion.translation[:, 2:] / start[2]).log()  # [T, 1]
    ratio = (nearer.sign() * soften(nearer.abs(), *DEPTHS)).exp()  # [T, 1]
    shift = strength * (motion.translation[:, :2] - start[:2] * (motion.translation[:, 2:] / start[2]))  # [T, 2]
    side = avatar.translation[2] / motion.focal_ratio  # decimetres that the picture's side shows at the head
    way = shift.norm(dim=-1, keepdim=True) / side  # [T, 1] sides
    shift = shift * (soften(way, *SHIFTS) / way.clamp(min=1e-6))  # [T, 2]
    translation = torch.cat([avatar.translation[:2] * ratio + shift, avatar.translation[2] * ratio], dim=-1)
    rest = close_lips(face_model, avatar.identity, avatar.expression)
    driver = torch.zeros_like(rest) if motion.rest is None else motion.rest
    expression = motion.expression - driver + rest
    return motion.with_(expression=expression, rotation=rotation, translation=translation, torso=None)


def _same_person(motion: Motion, avatar: Avatar, face_model: FaceModel) -> Motion:
    """The driver's landmarks fitted with the avatar's identity; shoulders counted from the frame posed most like it."""
    if motion.landmarks is None or motion.frame_size is None:
        return motion
    width, height = motion.frame_size
    frames = len(motion)
    track = FaceTrack(
        landmarks=motion.landmarks.float().numpy(),
        blendshapes=np.zeros((frames, len(NAMES)), np.float32),
        found=np.ones(frames, bool),
        fps=motion.fps,
        width=width,
        height=height,
    )
    fit = fit_track(face_model, track, motion.focal_ratio, identity=avatar.identity)
    torso = motion.torso
    motion = motion.with_(expression=fit.expression, rotation=fit.rotation, translation=fit.translation)
    if torso is not None:
        torso = compose_similarities(torso, invert_similarity(torso[most_alike(motion, avatar)]))  # [T, 2, 3]
    return motion.with_(torso=torso)


def most_alike(motion: Motion, avatar: Avatar) -> int:
    """The frame of a motion that is posed most like an avatar."""
    turn = (motion.rotation - avatar.rotation).square().sum((-2, -1))  # [T] some two squared angles
    way = (motion.translation - avatar.translation).square().sum(-1) / avatar.translation[2].square()  # [T]
    return int((turn + WAY * way).argmin())


def orbit(motion: Motion, avatar: Avatar, yaw: tuple[float, float], seconds: float = 4.0, pitch: float = 0.0) -> Motion:
    """A camera path around the head: the yaw swings between two angles and back.

    Args:
        motion: Expressions to play; its poses are replaced.
        avatar: The portrait, whose pitch, roll and place are kept.
        yaw: Least and greatest yaw of the face in degrees; 0 looks into the camera.
        seconds: Length of one swing there and back.
        pitch: Degrees of pitch to either side, a quarter of a swing later than the yaw: the path becomes an ellipse.

    Returns:
        The motion seen from the path.
    """
    low, high = (math.radians(angle) for angle in yaw)
    time = torch.arange(len(motion)) / motion.fps
    angles = rotation_to_euler(avatar.rotation).expand(len(motion), 3).clone()  # [T, 3]
    phase = 2 * math.pi * time / seconds
    angles[:, 1] = (low + high) / 2 + (high - low) / 2 * torch.sin(phase)
    angles[:, 0] += math.radians(pitch) * torch.cos(phase)
    places = avatar.translation.expand(len(motion), 3)
    return motion.with_(rotation=euler_to_rotation(angles), translation=places, torso=None)


def still(avatar: Avatar, frames: int, fps: float, face_model: str, focal_ratio: float) -> Motion:
    """A motion that keeps the portrait's own expression and pose."""
    return Motion(
        expression=avatar.expression.expand(frames, -1),
        rotation=avatar.rotation.expand(frames, 3, 3),
        translation=avatar.translation.expand(frames, 3),
        fps=fps,
        face_model=face_model,
        focal_ratio=focal_ratio,
    )
