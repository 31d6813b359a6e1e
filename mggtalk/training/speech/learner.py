"""Data of the audio prior: pieces of clips, and how far its lips are from the true ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from mggtalk.face.face_model import FaceModel
from mggtalk.face.lips import INNER, lip_heights
from mggtalk.speech.audio_prior import AudioPrior, blend
from mggtalk.speech.speech_inputs import CLOCK
from mggtalk.training.speech.clips import MOUTH, SpeechClip
from mggtalk.training.speech.config import MILLIMETRES, SpeechLossConfig, SpeechTrainConfig

LEAST_MOTION = 1.0
"""Square millimetres: clips count by one over the variance of their lips plus this."""


class Batch(NamedTuple):
    """B pieces of T frames, with F input frames each."""

    channels: Tensor  # [B, F, C]
    gate: Tensor  # [B, F]
    place: Tensor  # [B, T] of the video's frames among the input frames
    rules: Tensor  # [B, T, K] relative to rest
    closed: Tensor  # [B, T] how far the rules close the lips
    target: Tensor  # [B, T, K] relative to the portrait at rest
    source: Tensor  # [B, M] 0 where it is not told
    speaker: Tensor  # [B] int64, place of the clip's style; 0 for none
    weight: Tensor  # [B, T] 1, or 0 for frames outside the clip


class PieceSampler:
    """Draws pieces of clips.

    Args:
        clips: What is heard and seen.
        silent: Clips in which nobody speaks, and whose lips stay closed.
        prior: Whose reach and directions are taken.
        generator: Source of chance.
        config: Lengths and shares.
    """

    def __init__(
        self,
        clips: Sequence[SpeechClip],
        silent: Sequence[SpeechClip],
        prior: AudioPrior,
        generator: np.random.Generator,
        config: SpeechTrainConfig,
    ) -> None:
        self.clips, self.silent = list(clips), list(silent)
        self.prior, self.generator, self.config = prior, generator, config
        self.sources = [prior.source_of(clip.sources) for clip in (*self.clips, *self.silent)]  # [n, M] each
        self.weight = [
            1.0 / (LEAST_MOTION + float(prior.source_of(clip.expression).var(0).sum()))
            for clip in (*self.clips, *self.silent)
        ]
        lengths = np.array([len(clip.expression) for clip in self.clips], float)
        self.share = lengths / lengths.sum() if len(lengths) else lengths

    def draw(self) -> Batch:
        """One batch."""
        pieces = [self._piece() for _ in range(self.config.batch)]
        return Batch(*(torch.stack(parts) for parts in zip(*pieces)))

    def _piece(self) -> tuple[Tensor, ...]:
        """The fields of a batch for one piece."""
        chance, config = self.generator, self.config
        quiet = bool(self.silent) and chance.random() < config.silent
        if quiet:
            index = len(self.clips) + int(chance.integers(len(self.silent)))
        else:
            index = int(chance.choice(len(self.clips), p=self.share))
        clip = (*self.clips, *self.silent)[index]
        heard = clip.heard[int(chance.integers(len(clip.heard)))]
        frames = config.frames
        start = int(chance.integers(max(len(clip.expression) - frames, 0) + 1))
        chosen = np.arange(start, start + frames)
        inside = chosen < len(clip.expression)
        chosen = np.minimum(chosen, len(clip.expression) - 1)
        place = clip.moments(heard.speed)[chosen] * CLOCK  # [T] input frames
        first = math.floor(place[0]) - self.prior.reach
        length = math.ceil(frames / clip.fps * CLOCK * (1.0 + config.augment.speed) / (1.0 - config.augment.speed))
        seen = np.arange(first, first + length + 2 * self.prior.reach).clip(0, len(heard.inputs.channels) - 1)
        source, rest = torch.zeros(self.prior.config.region), clip.rest
        if chance.random() >= config.no_source:
            which = int(chance.integers(len(clip.sources)))
            source, rest = self.sources[index][which], clip.sources[which]
        styled = not quiet and chance.random() >= config.no_style
        return (
            torch.from_numpy(heard.inputs.channels[seen]),
            torch.from_numpy(heard.inputs.gate[seen]),
            torch.from_numpy(place - first).float().clamp(0.0, len(seen) - 1.001),
            heard.rules[chosen],
            heard.closed[chosen],
            clip.expression[chosen] - rest,
            source,
            torch.tensor(1 + index if styled else 0),
            torch.from_numpy(inside.astype(np.float32)) * self.weight[index],
        )


class MouthLoss(nn.Module):
    """Measure the error of expressions by what they do to the mouth's vertices, in millimetres.

    Args:
        face_model: Moves the vertices.
        config: Weights.
    """

    mouth: Tensor
    gaps: Tensor

    def __init__(self, face_model: FaceModel, config: SpeechLossConfig) -> None:
        super().__init__()
        self.config = config
        basis = MILLIMETRES * face_model.expression_basis  # [K, V, 3]
        self.register_buffer("mouth", basis[:, list(MOUTH)].flatten(1), persistent=False)  # [K, n * 3]
        self.register_buffer("gaps", lip_heights(basis)[:, INNER], persistent=False)  # [K, G]

    def forward(self, expression: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """The loss of expressions ``[B, T, K]`` with weights ``[B, T]``; a scalar."""
        error = expression - target
        config = self.config
        places = (error @ self.mouth).square().sum(-1) * (3.0 / self.mouth.shape[1])  # [B, T] mm^2 a vertex
        gaps = (error @ self.gaps).mean(-1).square()  # [B, T] mm^2
        change = (error[:, 1:] - error[:, :-1]) @ self.mouth
        change = change.square().sum(-1) * (3.0 / self.mouth.shape[1])  # [B, T - 1]
        still = config.lips * places + config.gap * gaps
        moving = config.velocity * change * weight[:, 1:] * weight[:, :-1]
        return ((still * weight).sum() + moving.sum()) / weight.sum().clamp(min=1.0)


class SpeechLearner(nn.Module):
    """The audio prior with a style for every clip that it learns from.

    Args:
        prior: Learns.
        clips: How many.
        face_model: Of the loss.
        config: Weights of the losses.
    """

    def __init__(self, prior: AudioPrior, clips: int, face_model: FaceModel, config: SpeechLossConfig) -> None:
        super().__init__()
        self.prior = prior
        self.styles = nn.Embedding(1 + clips, prior.config.style, padding_idx=0)
        nn.init.zeros_(self.styles.weight)
        self.loss = MouthLoss(face_model, config)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The total, and the loss of the lips within it."""
        config = self.loss.config
        style = self.styles(batch.speaker)  # [B, S]
        residual = self.prior(batch.channels, batch.gate, style, batch.source)  # [B, F, M]
        low = batch.place.long()  # [B, T]
        share = (batch.place - low)[..., None]

        def at(place: Tensor) -> Tensor:
            return residual.gather(1, place[..., None].expand(-1, -1, residual.shape[-1]))  # [B, T, M]

        residual = torch.lerp(at(low), at(low + 1), share)  # [B, T, M]
        made = blend(batch.rules, residual @ self.prior.region, batch.closed, self.prior.config)  # [B, T, K]
        lips = self.loss(made, batch.target, batch.weight)
        total = lips + config.size * residual.square().mean() + config.style * self.styles.weight.square().mean()
        return total, lips
