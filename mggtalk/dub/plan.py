"""The plan of a dub: which frames are changed, how far, and where their landmarks go.

The upper face of a frame keeps its own expression ``beta_t``; the lower one gets what the sound asks for, on top of the
person's face at rest: with ``P`` of :mod:`mggtalk.motion.follow`, ``beta = beta_t + w_t P (rest + speech_t - beta_t)``.
The weight ``w_t`` falls to zero before a stretch of frames that pass unchanged, so that the last frames that are drawn
already have the lips of the film.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt, median_filter
from torch import Tensor

from mggtalk.avatar.avatar import Avatar
from mggtalk.dub.study import Study, average_shots
from mggtalk.face.cuts import shots
from mggtalk.face.face_model import FaceModel
from mggtalk.face.fitting import FaceFit, fit_track
from mggtalk.face.topology import FACE_OVAL, LIPS, triangles
from mggtalk.geometry import head_to_camera, project, rotation_to_euler
from mggtalk.motion.follow import lower_face, lower_mask
from mggtalk.motion.retarget import driver_rest
from mggtalk.portrait.look import PORTRAIT_SIZE
from mggtalk.scene import FaceTrack, Motion

JAW = FACE_OVAL[9:28]
"""Outline of the lower face, from ear to ear."""

MOST_YAW, MOST_PITCH = 38.0, 32.0
"""Degrees beyond which a face passes unchanged."""

WORST_FIT = 3.0
"""Times the median error of the fit from which a frame's landmarks are not believed."""

COVERED, DARKER = 0.25, 0.4
"""Share of the lower face's skin, and logarithm of its colour's change, from which something is before the mouth."""

NEAR, FLASH = 0.18, 5
"""Share of the skin around the lips whose change says the same, and frames over which a shorter one does not count."""

FADE, RAMP = 3, 5
"""Frames over which the drawing fades out, and before these, over which the lips return to those of the film."""

SHORTEST = 12
"""Frames that a stretch must have to be changed at all."""

SETTLE_SECONDS = 0.4
"""Standard deviation over which the difference of face model and landmarks is averaged."""


@dataclass(frozen=True)
class DubPlan:
    """T frames of a film."""

    motion: Motion  # of the avatar, in the frames' windows
    before: np.ndarray  # float32 [T, V, 2] landmarks of the film, pixels
    after: np.ndarray  # float32 [T, V, 2] where they go
    depth: np.ndarray  # float32 [T, V] of the landmarks, smaller is nearer
    drawn: np.ndarray  # float32 [T, V, 2] where the avatar has them, pixels of the film
    gains: np.ndarray  # float32 [T, 3] light on the face over that of the frames by which the avatar was compared
    strength: np.ndarray  # float32 [T] in [0, 1]; 0 passes unchanged


def watchable(track: FaceTrack) -> np.ndarray:
    """Frames ``[T]`` bool whose lower face is seen, inside the picture and not turned away, by the landmarks alone."""
    points = track.landmarks[:, list(JAW), :2]  # [T, 19, 2]
    inside = (
        (points.min((1, 2)) >= 0) & (points[..., 0].max(1) <= track.width) & (points[..., 1].max(1) <= track.height)
    )
    across = track.landmarks[:, 454, :2] - track.landmarks[:, 234, :2]  # [T, 2] from ear to ear
    nose = track.landmarks[:, 1, :2] - track.landmarks[:, 234, :2]  # [T, 2]
    place = (nose * across).sum(-1) / np.maximum(
        (across**2).sum(-1), 1e-6
    )  # [T] half-way in a face seen from the front
    return track.found & inside & (np.abs(place - 0.5) < 0.6)


def uncovered(colours: np.ndarray, usable: np.ndarray, face_model: FaceModel) -> np.ndarray:
    """Frames ``[T]`` bool in which nothing is before the lower face.

    The skin at the vertices is compared with its median over the film, after the light of the whole face is divided
    out: a hand or a microphone changes a good part of it, or of what is next to the lips.

    Args:
        colours: ``[T, V, 3]`` in [0, 255].
        usable: Frames ``[T]`` bool that the median is taken of.
        face_model: The landmark 3DMM.
    """
    skin = np.flatnonzero(lower_mask(face_model).numpy() > 0.5)
    skin = np.setdiff1d(skin, [*LIPS, *FACE_OVAL])
    values = np.log(colours[:, skin] + 16.0)  # [T, n, 3]
    change = values - np.median(values[usable], axis=0)
    change = change - np.median(change, axis=1, keepdims=True)
    other = np.abs(change).max(-1) > DARKER  # [T, n]
    faces = triangles()
    near = np.isin(skin, faces[np.isin(faces, LIPS).any(1)])  # [n]
    around = median_filter(other[:, near].mean(1), FLASH, mode="nearest")  # [T]
    return (other.mean(1) < COVERED) & (around < NEAR)


def stretches(good: np.ndarray, cuts: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Weights of drawing and of the new lips, from the frames ``[T]`` bool that may be changed.

    Args:
        good: ``[T]``.
        cuts: First frames of later shots: nothing fades over them, nor at the ends of the film.

    Returns:
        Strength and weight ``[T]`` float32 in [0, 1]: both 0 where ``good`` is not.
    """
    strength, weight = np.zeros(len(good), np.float32), np.zeros(len(good), np.float32)
    for start, end in shots(cuts, len(good)):
        usable = _long_ones(good[start:end])
        if not usable.any():
            continue
        away = np.full(len(usable), FADE + RAMP, float) if usable.all() else distance_transform_edt(usable)
        strength[start:end] = np.clip(away / (FADE + 1), 0.0, 1.0)
        weight[start:end] = np.clip((away - FADE) / RAMP, 0.0, 1.0)
    return strength, weight


def _long_ones(good: np.ndarray) -> np.ndarray:
    """The frames of a shot ``[n]`` bool that stand in a long enough stretch; one that fills the shot always does."""
    if good.all():
        return good
    kept = good.copy()
    edges = np.flatnonzero(np.diff(np.concatenate([[False], good, [False]]).astype(int)))
    for start, end in zip(edges[::2], edges[1::2]):
        kept[start:end] = end - start >= SHORTEST
    return kept


def make_plan(
    study: Study,
    avatar: Avatar,
    speech: Tensor,
    face_model: FaceModel,
    focal_ratio: float,
    good: np.ndarray,
) -> DubPlan:
    """Plan the frames.

    Args:
        study: Of the film.
        avatar: Of the person.
        speech: Expressions ``[T, K]`` relative to a face at rest.
        face_model: The landmark 3DMM.
        focal_ratio: Of the pipeline's camera.
        good: Frames ``[T]`` bool that may be changed, as far as is known without a fit.
    """
    track = study.track
    fit = fit_track(face_model, study.window_track(), focal_ratio, identity=avatar.identity)
    strength, weight = stretches(good & _believed(fit, good), track.cuts)
    own = Motion(fit.expression, fit.rotation, fit.translation, track.fps, face_model.version, focal_ratio)
    chosen = torch.from_numpy(np.flatnonzero(good))
    calm = own.with_(expression=own.expression[chosen], rotation=own.rotation[chosen])
    rest = driver_rest(face_model, avatar.identity, calm)  # [K]
    change = (rest + speech - fit.expression) @ lower_face(face_model).T  # [T, K]
    shares = torch.from_numpy(weight)[:, None]
    expression = fit.expression + shares * change
    model = place_vertices(study, fit, fit.expression, avatar.identity, face_model, focal_ratio)
    full = place_vertices(study, fit, fit.expression + change, avatar.identity, face_model, focal_ratio)
    before = track.landmarks[..., :2].astype(np.float32)  # [T, V, 2]
    width = SETTLE_SECONDS * track.fps
    settled = average_shots(track, before - model, width)
    mask = lower_mask(face_model).numpy()[:, None]  # [V, 1]
    after = before + weight[:, None, None] * mask * (full + settled - before)
    drawn = model + weight[:, None, None] * (full - model)
    around = np.setdiff1d(np.flatnonzero(lower_mask(face_model).numpy() > 0.5), [*LIPS, *FACE_OVAL])
    light = np.median(study.colours[:, around], axis=1) + 8.0  # [T, 3]
    gains = average_shots(track, light, width) / light[study.trials].mean(0)
    return DubPlan(
        motion=own.with_(expression=expression),
        before=before,
        after=after.astype(np.float32),
        depth=track.landmarks[..., 2],
        drawn=drawn.astype(np.float32),
        gains=gains.astype(np.float32),
        strength=strength,
    )


def _believed(fit: FaceFit, good: np.ndarray) -> np.ndarray:
    """Frames ``[T]`` bool that the face model explains, and whose head is not turned away."""
    angles = rotation_to_euler(fit.rotation).rad2deg().abs().numpy()  # [T, 3]
    error = fit.rms_pixels.numpy()  # [T]
    return (error < WORST_FIT * np.median(error[good])) & (angles[:, 1] < MOST_YAW) & (angles[:, 0] < MOST_PITCH)


def place_vertices(
    study: Study, fit: FaceFit, expression: Tensor, identity: Tensor, face_model: FaceModel, focal_ratio: float
) -> np.ndarray:
    """Vertices of the posed face model in pixels of the film, ``[T, V, 2]``."""
    vertices = face_model.vertices(identity, expression)  # [T, V, 3]
    in_camera = head_to_camera(vertices, fit.rotation, fit.translation)
    size = PORTRAIT_SIZE
    pixels = project(in_camera, focal_ratio * size, (size / 2, size / 2)).numpy()  # [T, V, 2]
    corners = np.array([[window.x0, window.y0] for window in study.windows])  # [T, 2]
    sides = np.array([window.side for window in study.windows])  # [T]
    return pixels * (sides / size)[:, None, None] + corners[:, None]
