"""Training of the audio prior. It takes minutes, so a run is not resumed but made anew."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from mggtalk.config import AudioPriorConfig
from mggtalk.errors import OptionError
from mggtalk.face.face_model import FaceModel
from mggtalk.nets.freeze import freeze
from mggtalk.runtime.progress import Progress, no_progress
from mggtalk.speech.audio_prior import AudioPrior, mouth_region
from mggtalk.speech.features import N_MELS
from mggtalk.speech.phones import decode_phones
from mggtalk.speech.speech_encoder import Ears
from mggtalk.training.loop import Loop, average_of, cosine
from mggtalk.training.speech.augment import music, vary
from mggtalk.training.speech.clips import SpeechClip, hear
from mggtalk.training.speech.config import SpeechAugmentConfig, SpeechTrainConfig
from mggtalk.training.speech.learner import PieceSampler, SpeechLearner
from mggtalk.training.speech.linear import fit_linear

logger = logging.getLogger(__name__)

SILENT_SECONDS = 10.0
"""Length of a recording in which nobody speaks."""


def train_prior(
    clips: Sequence[SpeechClip],
    silent: Sequence[SpeechClip],
    face_model: FaceModel,
    config: SpeechTrainConfig,
    size: AudioPriorConfig | None = None,
    ears: Ears | None = None,
    on_progress: Progress = no_progress,
) -> AudioPrior:
    """Train an audio prior.

    Args:
        clips: With their sounds heard at their lags, and variants of them.
        silent: See :func:`quiet_clips`.
        face_model: Of the expressions.
        config: How to train.
        size: Of the network.
        ears: What the clips were heard with, for a prior with an encoder.
        on_progress: Called with ``"train"``, steps done and steps in all.

    Returns:
        The averaged network, ready for use.

    Raises:
        OptionError: If there is nothing to learn from.
    """
    if not clips:
        raise OptionError("There is no clip to learn from.", "Give clips in which somebody is seen and heard to speak.")
    torch.manual_seed(config.seed)
    prior = AudioPrior(size or AudioPriorConfig())
    prior.region.copy_(mouth_region(face_model, prior.config.region))
    if ears is not None:
        prior.basis.copy_(ears.basis)
        prior.offset.copy_(ears.offset)
    channels = torch.from_numpy(np.concatenate([clip.heard[0].inputs.channels for clip in clips]))  # [N, C + D]
    channels = channels[:, : prior.channels]
    prior.mean.copy_(channels.mean(0))
    prior.scale.copy_(channels.std(0).clamp(min=1e-2))
    prior.scale[:N_MELS] /= prior.config.mel
    fit_linear(prior, clips, face_model)
    freeze(prior.linear)
    learner = SpeechLearner(prior, len(clips) + len(silent), face_model, config.loss).train()
    average = average_of(prior, config.ema)
    learning = [value for value in learner.parameters() if value.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=config.learning_rate, weight_decay=config.weight_decay)
    loop = Loop(optimizer, lambda step: rate(step, config), config.clip_norm, average, prior)
    sampler = PieceSampler(clips, silent, prior, np.random.default_rng(config.seed), config)
    seen: list[float] = []

    def loss_at(_: int) -> Tensor:
        total, lips = learner(sampler.draw())
        seen.append(float(lips.detach()))
        return total

    for _ in loop.run(loss_at, lambda step: step / config.steps):
        if loop.step % config.log_every == 0:
            logger.info("step %d: %.3f mm^2", loop.step, np.mean(seen[-config.log_every :]))
        on_progress("train", loop.step, config.steps)
    prior.load_state_dict(average.module.state_dict())
    return freeze(prior)


def rate(step: int, config: SpeechTrainConfig) -> float:
    """Share of the learning rate at a step."""
    if step < config.warmup:
        return (step + 1) / config.warmup
    return cosine((step - config.warmup) / max(config.steps - config.warmup, 1), floor=0.0)


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


def quiet_clips(
    like: SpeechClip, face_model: FaceModel, config: SpeechAugmentConfig, seed: int, ears: Ears | None = None
) -> list[SpeechClip]:
    """Clips of music and noise in which a face stays at rest.

    Args:
        like: Gives the person at rest.
        face_model: Of the expressions.
        config: How many.
        seed: Of the music.
        ears: What they are heard with, for a prior with an encoder.
    """
    chance = np.random.default_rng((seed, 7))
    frames = int(SILENT_SECONDS * like.fps)
    result = []
    for number in range(config.silent):
        sound = music(SILENT_SECONDS, chance)
        if number % 3 == 2:
            sound = vary(sound, chance, replace(config, noise=(-10.0, 0.0))).sound
        phones = decode_phones(sound)
        clip = replace(
            like,
            name=f"music {number}",
            expression=like.rest.expand(frames, -1),
            sources=like.rest[None],
            sound=sound,
            phones=phones.phones,
            trust=0.3,
            lag=0.0,
        )
        result.append(hear(clip, (), face_model, ears))
    return result
