"""Adaptation of the audio prior to one speaker from their own clip: a small mixing matrix and an offset."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mggtalk.errors import OptionError
from mggtalk.face.face_model import FaceModel
from mggtalk.speech.audio_prior import AudioPrior, Voice, blend
from mggtalk.speech.speech_inputs import CLOCK
from mggtalk.training.loop import Loop
from mggtalk.training.speech.clips import SpeechClip
from mggtalk.training.speech.config import SpeechLossConfig
from mggtalk.training.speech.loss import MouthLoss

LEAST_SECONDS = 2.0
"""A shorter clip says nothing about a speaker."""


@dataclass(frozen=True)
class VoiceConfig:
    """Settings of fitting a voice."""

    steps: int = 200  # of Adam, over the whole clip
    learning_rate: float = 0.02
    ridge: float = 3.0  # weight of the mixing matrix's squares: a short clip changes little


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
        size = voice.mix.square().sum()
        return loss(made, target, torch.ones(1, frames)) + config.ridge * size / (frames / clip.fps)

    loop = Loop(torch.optim.Adam(voice, lr=config.learning_rate), lambda _: 1.0)
    for _ in loop.run(loss_at, lambda step: step / config.steps):
        pass
    return Voice(*(values.detach() for values in voice))
