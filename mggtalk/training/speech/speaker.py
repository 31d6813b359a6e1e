"""Adaptation of the audio prior to one speaker from their own clip: a small mixing matrix and an offset."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from mggtalk.errors import OptionError
from mggtalk.face.face_model import FaceModel
from mggtalk.speech.audio_prior import AudioPrior, Voice, blend
from mggtalk.speech.speech_encoder import Ears
from mggtalk.speech.speech_inputs import CLOCK
from mggtalk.training.loop import Loop
from mggtalk.training.speech.clips import SpeechClip, hear
from mggtalk.training.speech.config import SpeechLossConfig, SyncConfig
from mggtalk.training.speech.loss import MouthLoss
from mggtalk.training.speech.scores import predict_lips
from mggtalk.training.speech.sync import best_lag, lip_gaps

LEAST_SECONDS = 2.0
"""A shorter clip says nothing about a speaker."""


@dataclass(frozen=True)
class VoiceConfig:
    """Settings of fitting a voice."""

    steps: int = 200  # of Adam, over the whole clip
    learning_rate: float = 0.02
    ridge: float = 3.0  # weight of the squares of a common gain of all directions: a short clip changes little
    mixing: float = 3000.0  # and of all else in the mixing matrix, which half a minute hardly tells


def fit_voice(
    prior: AudioPrior,
    clip: SpeechClip,
    face_model: FaceModel,
    config: VoiceConfig | None = None,
    share: float = 1.0,
    rest: Tensor | None = None,
) -> Voice:
    """Fit the 156 numbers of a speaker to their clip.

    Args:
        prior: Stays as it is.
        clip: Of the speaker, heard at its lag.
        face_model: Of the expressions.
        config: How.
        share: Only this first part of the clip is seen.
        rest: The portrait's expression at rest ``[K]`` that the voice is for; that of the clip's first frame by
            default.

    Returns:
        The voice, for :meth:`AudioPrior.listen`.

    Raises:
        OptionError: If the clip is too short.
    """
    config = config or VoiceConfig()
    frames = int(share * len(clip.expression))
    if frames < LEAST_SECONDS * clip.fps:
        problem = f"{clip.name} has {frames / clip.fps:.1f} s to learn from."
        raise OptionError(problem, f"Give {LEAST_SECONDS:g} s or more.")
    heard = clip.heard[0]
    loss = MouthLoss(face_model, SpeechLossConfig())
    channels, gate = prior.centre(heard.inputs)[None], torch.from_numpy(heard.inputs.gate)[None]
    place = torch.from_numpy(clip.moments()[:frames] * CLOCK).float().clamp(0.0, channels.shape[1] - 1.001)  # [T]
    low = place.long()
    rest = clip.sources[0] if rest is None else rest
    voice = Voice(*(values.clone().requires_grad_() for values in Voice.average(prior.config)))
    target = (clip.expression - rest)[None, :frames]

    def loss_at(_: int) -> Tensor:
        residual = prior(channels, gate, voice)[0]  # [F, M]
        residual = torch.lerp(residual[low], residual[low + 1], (place - low)[:, None]) @ prior.region  # [T, K]
        made = blend(heard.rules[:frames], residual, heard.closed[:frames], prior.config)[None]
        gain = voice.mix.diagonal().mean() * torch.eye(len(voice.mix))  # [M, M]
        size = config.ridge * gain.square().sum() + config.mixing * (voice.mix - gain).square().sum()
        return loss(made, target, torch.ones(1, frames)) + size / (frames / clip.fps)

    loop = Loop(torch.optim.Adam(voice, lr=config.learning_rate), lambda _: 1.0)
    for _ in loop.run(loss_at, lambda step: step / config.steps):
        pass
    return Voice(*(values.detach() for values in voice))


def in_time(
    clip: SpeechClip,
    prior: AudioPrior,
    face_model: FaceModel,
    ears: Ears | None = None,
    config: SyncConfig | None = None,
) -> SpeechClip:
    """A clip, heard at the offset between sound and picture at which the prior foretells its lips best.

    Raises:
        OptionError: If lips and sound do not go together at any.
    """
    config = config or SyncConfig()
    heard = hear(replace(clip, lag=0.0), (), face_model, ears)
    truth = lip_gaps(face_model, clip.identity, clip.expression)
    foretold = lip_gaps(face_model, clip.identity, predict_lips(heard, prior)[0])
    place = np.arange(len(truth))
    lags = range(-config.most, config.most + 1)
    sync = best_lag(truth, {lag: np.interp(place + lag, place, foretold) for lag in lags})
    if truth.std() < config.motion or not sync.good(config):
        found = f"correlation {sync.correlation:.2f} at {sync.lag:+d} frames, lips move by {truth.std():.1f} mm"
        raise OptionError(f"Lips and sound of {clip.name!r} do not go together ({found}).", "Give another clip.")
    return hear(replace(clip, lag=float(sync.lag)), (), face_model, ears)
