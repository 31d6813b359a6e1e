"""Invented head motion for speech without a driving video: slow drift, and nods through stressed syllables."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks
from torch import Tensor

from mggtalk.geometry import FLIP, euler_to_rotation
from mggtalk.speech.features import FRAMES_PER_SECOND, SpeechFeatures

DISTANCE = 9.0
"""Distance of the head from the camera in decimetres; only its changes are used."""

DRIFT_DEGREES = (2.7, 3.0, 2.8)
"""Standard deviations of the drift's knots: pitch, yaw, roll.

Over ten seconds heads turn two thirds as far as those of the median speaker of 24 clips (2.6, 2.0 and 2.7 degrees).
"""

DRIFT_DECIMETRES = (0.015, 0.010, 0.03)
"""Standard deviations of the drift's knots along the camera's axes."""

KNOT_SECONDS = 0.38
"""Time between the knots of the drift."""

PERSISTENCE = 0.72
"""Correlation of one knot with the next."""

FADE_SECONDS = 1.0
"""Time in which the motion grows from nothing."""

NECK = (0.0, -0.8, -0.8)
"""The joint around which a head turns, in the head frame, decimetres: below and behind the face."""

NOD_DEGREES = 2.6
"""Pitch of a nod on the strongest syllables."""

NOD = ((-0.25, 0.11, -0.6), (0.4, 0.2, 0.4))
"""A nod goes back before its syllable and through it: time, standard deviation (seconds) and share of its two bumps.

That is how the heads of 39 training clips moved at stressed syllables on average: -0.46 degrees a quarter of a second
before (standard error 0.2), 0 at the syllable itself, +0.28 after it.
"""

QUIET = 0.6
"""Strength of the drift in silence."""


def accents(features: SpeechFeatures) -> tuple[np.ndarray, np.ndarray]:
    """Stressed syllables: peaks of the loudness that stand out for half a second around.

    Args:
        features: Of the recording.

    Returns:
        Their times ``[A]`` in seconds and strengths ``[A]`` in (0, 1].
    """
    loudness = gaussian_filter1d(features.loudness, 0.07 * FRAMES_PER_SECOND)  # [F]
    padded = np.pad(loudness, 1)
    peaks, properties = find_peaks(padded, height=0.45, prominence=0.15, distance=int(0.45 * FRAMES_PER_SECOND))
    strength = np.clip(properties["prominences"] / 0.8, 0.2, 1.0)
    return (peaks - 1) / FRAMES_PER_SECOND, strength


def head_motion(
    features: SpeechFeatures,
    frames: int,
    fps: float,
    generator: np.random.Generator,
    strength: float = 1.0,
    answers: np.ndarray | float = 0.0,
) -> tuple[Tensor, Tensor]:
    """A head that is alive.

    Args:
        features: Of the recording.
        frames: T.
        fps: Frame rate.
        generator: Source of chance.
        strength: 0 keeps the head still, 1 is natural.
        answers: Pitch in degrees ``[T]`` of the nods of somebody who listens.

    Returns:
        Rotations ``[T, 3, 3]`` and translations ``[T, 3]`` in decimetres, camera frame. The first frame looks straight
        into the camera.
    """
    times = np.arange(frames) / fps  # [T]
    drift = _drift(frames / fps, times, generator)  # [T, 6]
    activity = gaussian_filter1d(features.active.astype(np.float64), 0.4 * FRAMES_PER_SECOND, mode="nearest")
    drift *= (QUIET + (1.0 - QUIET) * np.interp(times, features.times, activity))[:, None]
    degrees, shift = drift[:, :3], drift[:, 3:]  # [T, 3], [T, 3]
    degrees[:, 0] += _nods(features, times, generator) + answers
    fade = np.clip(times / FADE_SECONDS, 0.0, 1.0)
    fade = strength * fade * fade * (3.0 - 2.0 * fade)  # [T]
    angles = torch.from_numpy(np.radians(degrees * fade[:, None])).float()
    rotation = euler_to_rotation(angles)  # [T, 3, 3]
    lever = -torch.tensor(NECK)
    swing = (rotation @ lever - lever) * torch.tensor(FLIP)  # [T, 3]
    translation = swing + torch.from_numpy(shift * fade[:, None]).float()
    return rotation, translation + torch.tensor((0.0, 0.0, DISTANCE))


def _drift(seconds: float, times: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Smooth noise: pitch, yaw, roll in degrees, then x, y, z in decimetres, ``[T, 6]``."""
    knots = math.ceil(seconds / KNOT_SECONDS) + 2
    noise = generator.standard_normal((knots, 6))
    for index in range(1, knots):
        noise[index] = PERSISTENCE * noise[index - 1] + math.sqrt(1.0 - PERSISTENCE**2) * noise[index]
    noise *= np.array(DRIFT_DEGREES + DRIFT_DECIMETRES)
    smooth = gaussian_filter1d(noise, 0.6, axis=0, mode="nearest")
    return PchipInterpolator(np.arange(knots) * KNOT_SECONDS, smooth)(times)


def _nods(features: SpeechFeatures, times: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Pitch of the nods in degrees, ``[T]``: two of three accents get one, now and then upwards."""
    pitch = np.zeros(len(times))
    for moment, stress in zip(*accents(features)):
        chance, sign, size = generator.random(3)
        if chance < 0.67:
            height = NOD_DEGREES * stress * (0.6 + 0.6 * size) * (1.0 if sign < 0.8 else -0.6)
            for delay, deviation, share in NOD:
                add_bump(pitch, times, moment + delay, deviation, share * height)
    return pitch


def add_bump(curve: np.ndarray, times: np.ndarray, moment: float, deviation: float, height: float) -> None:
    """Add a Gaussian bump to a curve ``[T]`` at ascending times ``[T]``; only near it, so that hours cost no more."""
    low, high = np.searchsorted(times, (moment - 6.0 * deviation, moment + 6.0 * deviation))
    curve[low:high] += height * np.exp(-0.5 * ((times[low:high] - moment) / deviation) ** 2)
