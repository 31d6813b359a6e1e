"""Quality of a performance, told before anybody watches it: steadiness, range, lost frames and lip sync."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d

from mggtalk.avatar.avatar import Avatar
from mggtalk.face.face_model import FaceModel
from mggtalk.face.lips import lip_heights
from mggtalk.geometry import head_to_camera, rotation_to_euler
from mggtalk.media import Sound, load_sound
from mggtalk.scene import Motion
from mggtalk.speech.attend import NOTE
from mggtalk.speech.features import FRAMES_PER_SECOND, analyse

SAFE_YAW = 35.0
"""Degrees away from the portrait's own yaw beyond which the side of the head smears."""

STEADY_PIXELS = 0.35
"""Jitter of a face in a 512-pixel frame that nobody notices."""

MOST_LAG = 0.32
"""Seconds of early or late lips that are looked for."""

SURE = 0.25
"""Correlation of lips and sound from which a lag means something."""

SYNC_SECONDS = 0.08
"""Lag that viewers tolerate (ITU-R BT.1359 finds it near 0.1 s)."""

JITTER_VERTICES = (1, 33, 263, 152)
"""Nose, outer corners of the eyes, chin: of the portrait at rest, so that speaking does not count."""


class Sync(NamedTuple):
    """Lips against sound."""

    lag: float  # seconds by which the lips come after the sound; negative: before it
    correlation: float  # of openness and loudness at that lag


class Quality(NamedTuple):
    """Measurements of a performance on one portrait."""

    seconds: float
    jitter: float  # pixels at 512, high-frequency movement of nose, eye corners and chin
    yaw: tuple[float, float]  # degrees away from the portrait's own, least and greatest
    out_of_range: float  # seconds in which the yaw is farther away than SAFE_YAW
    lost: int  # frames in which the driver's face was lost
    sync: Sync | None  # None without sound, or when too little of it is speech
    advice: tuple[str, ...]  # what to do about it; empty when all is well


def measure(motion: Motion, avatar: Avatar, face_model: FaceModel, sound: str | Path | Sound | None = None) -> Quality:
    """Measure a performance.

    Args:
        motion: As it is rendered, T frames (see :func:`mggtalk.motion.retarget.retarget`).
        avatar: The portrait.
        face_model: Theirs.
        sound: What is heard with it; lips of a listener are not compared with it.

    Returns:
        Figures, and advice in plain words.
    """
    yaw = torch.rad2deg(rotation_to_euler(motion.rotation @ avatar.rotation.mT)[:, 1])  # [T]
    beyond = float((yaw.abs() > SAFE_YAW).sum()) / motion.fps
    lost = 0 if motion.found is None else int((~motion.found).sum())
    vertices = face_model.vertices(avatar.identity, motion.expression)  # [T, V, 3]
    quality = Quality(
        seconds=motion.seconds,
        jitter=_jitter(avatar.vertices, motion),
        yaw=(float(yaw.min()), float(yaw.max())),
        out_of_range=beyond,
        lost=lost,
        sync=None
        if sound is None or NOTE in motion.notes
        else sync(mouth_opening(vertices).numpy(), motion.fps, sound),
        advice=(),
    )
    return quality._replace(advice=_advice(quality, len(motion)))


def mouth_opening(vertices: torch.Tensor) -> torch.Tensor:
    """Mean gap between the inner lips, ``[T, V, 3]`` to ``[T]`` decimetres."""
    return lip_heights(vertices).mean(-1)  # [T, 11] to [T]


def sync(opening: np.ndarray, fps: float, sound: str | Path | Sound) -> Sync | None:
    """Find the lag at which the openness of the mouth follows the loudness best.

    Both curves are freed of their slow part; the lag is the maximum of their normalised correlation.

    Args:
        opening: Openness of the mouth ``[T]``.
        fps: Frame rate.
        sound: What is heard.

    Returns:
        None if there is less than a second, or too little speech.
    """
    heard = sound if isinstance(sound, Sound) else load_sound(sound)
    features = analyse(heard)
    seconds = min(len(opening) / fps, len(features.loudness) / FRAMES_PER_SECOND)
    if seconds < 1.0 or features.active.mean() < 0.1:
        return None
    times = np.arange(0.0, seconds, 1.0 / FRAMES_PER_SECOND)
    lips = np.interp(times, np.arange(len(opening)) / fps, opening)
    voice = np.interp(times, np.arange(len(features.loudness)) / FRAMES_PER_SECOND, features.loudness)
    lips, voice = (_lively(curve) for curve in (lips, voice))
    most = min(round(MOST_LAG * FRAMES_PER_SECOND), len(times) // 3)
    scores = {lag: _correlation(lips, voice, lag) for lag in range(-most, most + 1)}
    best = max(scores, key=lambda lag: scores[lag])
    return Sync(best / FRAMES_PER_SECOND, scores[best])


def _lively(curve: np.ndarray) -> np.ndarray:
    """The part of a curve that changes within a syllable or a word."""
    short, long = 0.03 * FRAMES_PER_SECOND, 0.5 * FRAMES_PER_SECOND
    return gaussian_filter1d(curve, short) - gaussian_filter1d(curve, long)


def _correlation(lips: np.ndarray, voice: np.ndarray, lag: int) -> float:
    """Normalised correlation of the lips ``lag`` steps later with the voice."""
    count = len(lips) - abs(lag)
    a, b = lips[max(lag, 0) :][:count], voice[max(-lag, 0) :][:count]
    scale = math.sqrt(float((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / scale if scale > 1e-12 else 0.0


def _jitter(vertices: torch.Tensor, motion: Motion) -> float:
    """Root mean square of the second differences, halved, of four points of the mesh in a 512-pixel frame."""
    if len(motion) < 3:
        return 0.0
    points = vertices[list(JITTER_VERTICES)].expand(len(motion), -1, 3)  # [T, 4, 3]
    places = head_to_camera(points, motion.rotation, motion.translation)  # [T, 4, 3]
    pixels = places[..., :2] / places[..., 2:] * (motion.focal_ratio * 512)  # [T, 4, 2]
    bend = (pixels[2:] - 2 * pixels[1:-1] + pixels[:-2]) / 2  # [T - 2, 4, 2]
    # A nod bends the path over many frames, jitter from one to the next: leave the slow part out.
    fast = bend - torch.from_numpy(gaussian_filter1d(bend.numpy(), 2.0, axis=0, mode="nearest"))
    return float(fast.square().sum(-1).mean().sqrt())


def _advice(quality: Quality, frames: int) -> tuple[str, ...]:
    """Advice on what was measured."""
    lines = []
    if quality.jitter > STEADY_PIXELS:
        lines.append("The head trembles: raise the smoothing, or film the driver in better light.")
    if quality.out_of_range > 0:
        lines.append(
            f"The head turns more than {SAFE_YAW:g}° away from the photo: lower the pose strength, or use a photo "
            "that is turned the same way."
        )
    if quality.lost:
        lines.append(
            f"The driver's face was lost in {quality.lost} of {frames} frames: keep it in the picture and uncovered."
        )
    if quality.sync is not None and quality.sync.correlation >= SURE and abs(quality.sync.lag) > SYNC_SECONDS:
        side = "after" if quality.sync.lag > 0 else "before"
        lines.append(f"The lips move {abs(quality.sync.lag):.2f} s {side} the sound: check the clip's own sync.")
    return tuple(lines)
