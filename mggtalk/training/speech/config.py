"""Settings of training the audio prior."""

from __future__ import annotations

from dataclasses import dataclass, field

MILLIMETRES = 100.0
"""In a decimetre."""


@dataclass(frozen=True)
class SpeechLossConfig:
    """Weights of the losses; lengths are in millimetres."""

    lips: float = 1.0  # squared distance of the vertices of lips and chin
    gap: float = 1.0  # squared error of the gap between the inner lips
    velocity: float = 0.5  # squared error of the vertices' change from frame to frame


@dataclass(frozen=True)
class SyncConfig:
    """Selection of clips whose sound and lips are in time, see :mod:`mggtalk.training.speech.sync`."""

    most: int = 8  # largest offset between sound and picture that is looked for, frames of 25 fps
    correlation: float = 0.3  # least correlation at the best offset
    sure: float = 0.5  # correlation that is enough by itself
    sharpness: float = 1.7  # how far it stands out over other offsets, in their standard deviations
    motion: float = 0.4  # least standard deviation of the lip gap, millimetres: faces that do not speak
    rounds: int = 4  # of estimating offsets from what the other clips taught


@dataclass(frozen=True)
class SpeechAugmentConfig:
    """Variants of each recording."""

    variants: int = 3  # beside the recording itself
    speed: float = 0.12  # greatest change of speed, of sound and picture
    semitones: float = 3.0  # greatest change of pitch alone
    noise: tuple[float, float] = (5.0, 30.0)  # signal to noise ratio, decibels
    tilt: float = 6.0  # greatest rise or fall of the spectrum, decibels an octave over 2


@dataclass(frozen=True)
class SpeechTrainConfig:
    """One training run; saved beside its weights."""

    layer: int = 2  # of a speech encoder, behind which it is read
    sounds: int = 96  # directions of it that are read
    seed: int = 0
    sync: SyncConfig = field(default_factory=SyncConfig)
    augment: SpeechAugmentConfig = field(default_factory=SpeechAugmentConfig)
