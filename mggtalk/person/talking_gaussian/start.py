"""A head that has learned nothing yet: the avatar of the clip's best frame as a persistent field."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mggtalk.avatar.avatar import Avatar
from mggtalk.avatar.mouth_sheet import COLUMNS, ROWS
from mggtalk.errors import NoFaceError
from mggtalk.nets.maps import to_float
from mggtalk.person.footage import SIDE, Footage
from mggtalk.person.talking_gaussian.config import FieldConfig
from mggtalk.person.talking_gaussian.field import TalkingGaussian, head_bounds, moving_points
from mggtalk.person.talking_gaussian.sampling import lip_openings
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.scene import Camera, Motion


def fresh_field(
    pipe: MGGTalkPipeline, avatar: Avatar, footage: Footage, motion: Motion, config: FieldConfig, seed: int = 0
) -> TalkingGaussian:
    """The head to start from.

    Args:
        pipe: Gives the face model and the camera.
        avatar: Of a frame of the clip.
        footage: The clip.
        motion: Of the clip, with the avatar's identity.
        config: Sizes.
        seed: Of the networks' first weights.
    """
    face_model = pipe.face_model
    openings = lip_openings(face_model, motion)
    widest = int(openings.argmax())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        field = TalkingGaussian(config, head_bounds(avatar), ROWS * COLUMNS if config.face_mouth else 0)
    field.conditions.fit(face_model, motion)
    if field.rig is not None and footage.motion.landmarks is not None:
        pose = field.conditions.pose(motion.rotation)  # [T, 3]
        landmarks = torch.from_numpy(footage.landmarks).float() / SIDE  # [T, V, 2]
        field.rig.fit(face_model, avatar.identity, motion, pose, landmarks)
        own = portrait_landmarks(pipe, avatar)
        if own is not None:
            field.rig.hold(avatar, own, pipe.config.render.focal_ratio)
    moving = avatar.points[moving_points(avatar)]
    field.planes.centre.copy_((moving.amax(0) + moving.amin(0)) / 2)
    if field.mouth is not None:
        field.mouth.place(avatar, face_model, motion.expression[widest])
        frame = motion[widest]
        camera = Camera.from_pose(frame.rotation, frame.translation, SIDE, pipe.config.render.focal_ratio)
        with torch.no_grad():
            field.mouth.colour.copy_(seen_colours(footage.frames[widest], field.mouth.rest, camera))
    return field


def portrait_landmarks(pipe: MGGTalkPipeline, avatar: Avatar) -> Tensor | None:
    """Landmarks ``[V, 2]`` of an avatar's portrait, in its sides, found as a clip's; None where there are none."""
    if avatar.portrait is None:
        return None
    try:
        found = pipe.track_frames([avatar.portrait.numpy()], 1.0).landmarks
    except NoFaceError:
        return None
    return None if found is None else found[0, :, :2].float() / avatar.portrait.shape[0]


def seen_colours(picture: np.ndarray, points: Tensor, camera: Camera) -> Tensor:
    """RGB ``[Q, 3]`` that a picture ``[S, S, 3]`` shows at points ``[Q, 3]`` of the head frame."""
    seen = points @ camera.view[:3, :3].T + camera.view[:3, 3]  # [Q, 3] camera frame
    pixels = camera.focal * seen[:, :2] / seen[:, 2:] + torch.tensor(camera.centre)  # [Q, 2]
    places = 2.0 * pixels / picture.shape[0] - 1.0
    return F.grid_sample(to_float(picture)[None], places[None, None], align_corners=False)[0, :, 0].T
