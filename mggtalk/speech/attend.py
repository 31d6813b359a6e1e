"""A head that listens: the motion of somebody to whom a recording is spoken.

Head, eyes and brows move as those of somebody who is silent, lips rest in a hint of a smile, and where a phrase of the
other ends the head often nods once, twice or three times, less each time.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from mggtalk.config import RenderConfig, SpeechConfig
from mggtalk.face.blendshapes import INDEX
from mggtalk.face.face_model import FaceModel
from mggtalk.scene import Motion
from mggtalk.speech.features import Recording, SpeechFeatures
from mggtalk.speech.head_motion import add_bump
from mggtalk.speech.life import live
from mggtalk.speech.speech_inputs import phrases

NOTE = "The head listens to the recording; its lips do not speak it."
"""Says so."""

ANSWERED = 0.6
"""Share of the other's phrases after which the head nods; ..."""

LEAST_PHRASE = 0.8
"""... shorter ones, in seconds, are left alone."""

DELAY = (0.1, 0.5)
"""Seconds from the end of a phrase to the first nod."""

NOD_DEGREES = 3.0
"""Pitch of the first nod: median."""

NODS, BETWEEN, FADING = (1, 4), 0.42, 0.65
"""One to three nods, so many seconds apart, each this share of the one before."""

NOD_DEVIATION = 0.11
"""Standard deviation of a nod's bump, seconds."""

SMILE, SMILES = 0.08, 0.3
"""Weight of the smile that stays, and of the one that goes with every third answer at its height."""

BROADEST = 0.45
"""More is a laugh."""

SMILE_DEVIATION = 0.7
"""Standard deviation of that one's bump, seconds."""


def attend(
    recording: Recording,
    face_model: FaceModel,
    config: SpeechConfig,
    seed: int = 0,
    focal_ratio: float = RenderConfig.focal_ratio,
) -> Motion:
    """Turn somebody else's speech into the motion of a listener.

    Args:
        recording: What is heard.
        face_model: Takes blendshape weights to expression coefficients.
        config: Frame rate and strengths.
        seed: The same seed gives the same motion.
        focal_ratio: Of the camera that the poses refer to.

    Returns:
        As :func:`mggtalk.speech.listen.listen` does.
    """
    frames = max(1, round(recording.seconds * config.fps))
    times = np.arange(frames) / config.fps  # [T]
    *_, stream = np.random.SeedSequence(seed).spawn(3)  # the first two are those of the head's own life
    heard, silent = recording.features, recording.features.without(recording.features.active)
    pitch, smile = answers(heard, times, np.random.default_rng(stream))
    life = live(silent, frames, config, seed, pitch)
    weights = life.weights(0, frames)
    for side in ("Left", "Right"):
        weights[:, INDEX[f"mouthSmile{side}"]] = config.energy * smile
        weights[:, INDEX[f"cheekSquint{side}"]] = 0.5 * config.energy * smile
    expression = face_model.from_blendshapes(torch.from_numpy(weights).to(face_model.mean)).float().cpu()
    return life.motion(expression, face_model, config, focal_ratio, (NOTE,))


def answers(features: SpeechFeatures, times: np.ndarray, chance: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Nods and smiles at the ends of the other's phrases.

    Args:
        features: Of what the other says.
        times: Moments ``[T]`` in seconds, ascending from 0.
        chance: Source of chance.

    Returns:
        Pitch ``[T]`` in degrees, and weight of the smile ``[T]``; both begin at zero.
    """
    pitch, smile = np.zeros(len(times)), SMILE * np.clip(times / 1.5, 0.0, 1.0)
    for start, end in phrases(features.active):
        answered, later, size, smiling = chance.random(4)
        count = int(chance.integers(*NODS))
        if end - start < LEAST_PHRASE or answered > ANSWERED:
            continue
        first = end + DELAY[0] + later * (DELAY[1] - DELAY[0])
        height = NOD_DEGREES * math.exp(0.6 * (size - 0.5))
        for nod in range(count):
            add_bump(pitch, times, first + nod * BETWEEN, NOD_DEVIATION, height * FADING**nod)
        if smiling < 1.0 / 3.0:
            add_bump(smile, times, first + SMILE_DEVIATION, SMILE_DEVIATION, SMILES)
    return pitch, np.minimum(smile, BROADEST)
