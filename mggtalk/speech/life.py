"""The life of a head beside its lips, invented for a sound: how it moves, blinks, looks around and raises its brows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from torch import Tensor

from mggtalk.config import SpeechConfig
from mggtalk.face.blendshapes import NAMES
from mggtalk.face.face_model import FaceModel
from mggtalk.geometry import rotation_to_euler
from mggtalk.scene import Motion
from mggtalk.speech.blinks import eyes_and_brows
from mggtalk.speech.features import SpeechFeatures
from mggtalk.speech.head_motion import head_motion


class Life(NamedTuple):
    """Pose, eyes and brows over T frames."""

    moving: np.ndarray  # [B] places of the blendshapes of eyes and brows that move
    curves: np.ndarray  # [T, B] float32, their weights
    rotation: Tensor  # [T, 3, 3]
    translation: Tensor  # [T, 3] decimetres, camera frame

    def weights(self, low: int, high: int) -> np.ndarray:
        """Blendshape weights ``[t, 52]`` float32 of the frames from ``low`` up to ``high``."""
        weights = np.zeros((high - low, len(NAMES)), np.float32)
        weights[:, self.moving] = self.curves[low:high]
        return weights

    def motion(
        self,
        expression: Tensor,
        face_model: FaceModel,
        config: SpeechConfig,
        focal_ratio: float,
        notes: tuple[str, ...],
    ) -> Motion:
        """The motion of this head with expressions ``[T, K]``."""
        return Motion(
            expression=expression,
            rotation=self.rotation,
            translation=self.translation,
            fps=config.fps,
            face_model=face_model.version,
            focal_ratio=focal_ratio,
            notes=notes,
        )


def live(
    features: SpeechFeatures, frames: int, config: SpeechConfig, seed: int, answers: np.ndarray | float = 0.0
) -> Life:
    """Invent the life of a head.

    Args:
        features: Of what the head itself says.
        frames: T.
        config: Frame rate and strengths.
        seed: The same seed gives the same life.
        answers: Pitch in degrees ``[T]`` of the nods of somebody who listens.
    """
    head_chance, eye_chance = (np.random.default_rng(stream) for stream in np.random.SeedSequence(seed).spawn(2))
    strength = config.energy * config.head_motion
    rotation, translation = head_motion(features, frames, config.fps, head_chance, strength, answers)
    head_degrees = np.degrees(rotation_to_euler(rotation)[:, :2].numpy())  # [T, 2]
    weights = eyes_and_brows(
        features, frames, config.fps, eye_chance, config.blinks_per_minute, head_degrees, config.energy
    )  # [T, 52]
    moving = np.flatnonzero(weights.any(0))
    return Life(moving, weights[:, moving], rotation, translation)
