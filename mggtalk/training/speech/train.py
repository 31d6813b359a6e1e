"""Training of the audio prior. It takes minutes, so a run is not resumed but made anew."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mggtalk.config import AudioPriorConfig
from mggtalk.errors import OptionError
from mggtalk.face.face_model import FaceModel
from mggtalk.nets.freeze import freeze
from mggtalk.runtime.progress import Progress, no_progress
from mggtalk.speech.audio_prior import AudioPrior, mouth_region
from mggtalk.speech.speech_encoder import Ears
from mggtalk.training.speech.augment import vary
from mggtalk.training.speech.clips import SpeechClip, hear
from mggtalk.training.speech.config import SpeechAugmentConfig
from mggtalk.training.speech.linear import fit_linear


def train_prior(
    clips: Sequence[SpeechClip], face_model: FaceModel, size: AudioPriorConfig | None = None, ears: Ears | None = None
) -> AudioPrior:
    """Train an audio prior, see :func:`~mggtalk.training.speech.linear.fit_linear`.

    Args:
        clips: With their sounds heard at their lags, and variants of them.
        face_model: Of the expressions.
        size: Of the prior.
        ears: What the clips were heard with, for a prior with an encoder.

    Raises:
        OptionError: If there is nothing to learn from.
    """
    if not clips:
        raise OptionError("There is no clip to learn from.", "Give clips in which somebody is seen and heard to speak.")
    prior = AudioPrior(size or AudioPriorConfig())
    prior.region.copy_(mouth_region(face_model, prior.config.region))
    if ears is not None:
        prior.basis.copy_(ears.basis)
        prior.offset.copy_(ears.offset)
    fit_linear(prior, clips, face_model)
    return freeze(prior)


def with_variants(
    clips: Sequence[SpeechClip],
    face_model: FaceModel,
    config: SpeechAugmentConfig,
    seed: int,
    on_progress: Progress = no_progress,
    ears: Ears | None = None,
) -> list[SpeechClip]:
    """Clips heard at their lags, with variants of their sounds."""
    result = []
    for index, clip in enumerate(clips):
        on_progress("vary", index, len(clips))
        chance = np.random.default_rng((seed, index))
        result.append(hear(clip, [vary(clip.sound, chance, config) for _ in range(config.variants)], face_model, ears))
    on_progress("vary", len(clips), len(clips))
    return result
