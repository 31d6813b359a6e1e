"""The audio prior in closed form: likely phones or sounds to lips, as a ridge regression."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mggtalk.face.face_model import FaceModel
from mggtalk.speech.audio_prior import TAP, AudioPrior
from mggtalk.speech.speech_inputs import CLOCK
from mggtalk.training.speech.clips import MOUTH, Heard, SpeechClip

RIDGE = 0.6
"""Weight of the filter's squares against one clip of a second whose lips have a standard deviation of one."""

LEAST_SPREAD = 0.3
"""Least standard deviation of a clip's lips along a direction that is brought to one, millimetres."""

AMPLITUDE = 0.6
"""The filter moves as far as this share of the speakers does not: a little more than the median speaker."""

MOST_GAIN = 1.4
"""Greatest factor by which the filter's motion is made as wide as the speakers'."""

LEAST_CORRELATION = 0.1
"""Mean correlation on speakers who did not teach, under which a direction is left alone."""

FOLDS = 4
"""Parts of the speakers, each of which is foretold by the others."""


@torch.no_grad()
def fit_linear(prior: AudioPrior, clips: Sequence[SpeechClip], face_model: FaceModel) -> None:
    """Set the filter by ridge regression.

    It is fitted along the principal directions ``V`` of what lips do within a clip (the first opens the mouth, the
    second narrows it). Along each, every clip's motion is centred and brought to a standard deviation of one, so that
    the filter learns when lips move, from people who move them little and much alike. A mean over what cannot be heard
    moves too little; so each direction ``j`` is then widened::

        W <- W_j a_j min(1 / p_j, 1.4) V^T

    with the amplitude ``a_j`` of a lively speaker and the standard deviation ``p_j`` of what is foretold for speakers
    who did not teach. Directions that cannot be foretold for these are left out.

    Args:
        prior: Its filter is set.
        clips: What is heard and seen.
        face_model: Of the expressions.
    """
    project = mouth_projection(prior, face_model)  # [K, M]
    usual = np.mean([clip.heard[0].inputs.usual for clip in clips], axis=0)
    prior.mean.copy_(torch.from_numpy(usual))
    seen = [_Lesson.of(clip, prior, project) for clip in clips]
    shares = [lesson.lips / max(float(np.linalg.norm(lesson.lips)), 1e-6) for lesson in seen]
    scatter = np.sum([lips.T @ lips for lips in shares], axis=0)  # [M, M]
    directions = np.linalg.eigh(scatter)[1][:, ::-1]  # [M, M] columns, the largest first
    spreads = np.array([np.maximum((lesson.lips @ directions).std(0), LEAST_SPREAD) for lesson in seen])  # [n, M]
    terms = [lesson.terms(directions / spread) for lesson, spread in zip(seen, spreads)]
    foretold, agreement = _foretell(seen, terms, directions, [clip.speaker for clip in clips])
    gain = np.minimum(1.0 / np.maximum(foretold, 1e-6), MOST_GAIN) * (agreement >= LEAST_CORRELATION)  # [M]
    amplitude = np.quantile(spreads, AMPLITUDE, axis=0)  # [M]
    solved = _solve(terms) @ (directions * (gain * amplitude)).T  # [taps * P, M]
    width, taps = prior.channels, prior.config.taps
    filters = solved.reshape(taps, width, -1).transpose(2, 1, 0)  # [M, P, taps]
    prior.linear.weight.copy_(torch.from_numpy(np.ascontiguousarray(filters)))
    middles = np.array([lesson.middle - lesson.heard @ solved for lesson in seen])  # [n, M]
    assert prior.linear.bias is not None
    prior.linear.bias.copy_(torch.from_numpy(np.median(middles, axis=0)))


class _Lesson(NamedTuple):
    """What one clip teaches: T frames, R rows over all its recordings."""

    rows: np.ndarray  # [R, taps * P] centred
    lips: np.ndarray  # [T, M] centred, millimetres
    heard: np.ndarray  # [taps * P] mean of the rows
    middle: np.ndarray  # [M] mean of the lips
    weight: float  # the root of its length

    @staticmethod
    def of(clip: SpeechClip, prior: AudioPrior, project: Tensor) -> _Lesson:
        true = ((clip.expression - clip.rest) @ project).double().numpy()  # [T, M]
        rows = [_rows(clip, heard, prior) for heard in clip.heard]
        centred = np.concatenate([part - part.mean(0) for part in rows])
        heard = np.mean([part.mean(0) for part in rows], axis=0)
        return _Lesson(centred, true - true.mean(0), heard, true.mean(0), math.sqrt(clip.fps / len(true)) / len(rows))

    def terms(self, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Matrix and right side of the regression on lips along scaled directions ``[M, M]``."""
        copies = len(self.rows) // len(self.lips)
        target = np.tile(self.lips @ directions, (copies, 1))  # [R, M]
        return self.weight * (self.rows.T @ self.rows), self.weight * (self.rows.T @ target)


def _solve(terms: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """The ridge regression of all clips, ``[taps * P, M]``."""
    matrix, right = (np.sum(parts, axis=0) for parts in zip(*terms))
    return np.linalg.solve(matrix + RIDGE * np.eye(len(matrix)), right)


def _foretell(
    seen: Sequence[_Lesson],
    terms: Sequence[tuple[np.ndarray, np.ndarray]],
    directions: np.ndarray,
    speakers: Sequence[str],
) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviation and correlation ``[M]`` of what a filter foretells for speakers who did not teach it."""
    names = sorted(set(speakers))
    powers, agreements = [], []
    for fold in range(min(FOLDS, len(names))):
        held = set(names[fold::FOLDS])
        taught = [part for part, name in zip(terms, speakers) if name not in held] or list(terms)
        filters = _solve(taught)
        for lesson, name in zip(seen, speakers):
            if name in held:
                made, true = lesson.rows[: len(lesson.lips)] @ filters, lesson.lips @ directions  # [T, M] each
                powers.append(made.var(0))
                scale = made.std(0) * true.std(0)
                agreements.append((made * true).mean(0) / np.maximum(scale, 1e-9))
    return np.sqrt(np.mean(powers, axis=0)), np.mean(agreements, axis=0)


def mouth_projection(prior: AudioPrior, face_model: FaceModel) -> Tensor:
    """Takes expressions to the prior's directions so that the mouth's vertices are met best, ``[K, M]``."""
    basis = 100.0 * face_model.expression_basis[:, list(MOUTH)].flatten(1)  # [K, n * 3] millimetres
    moved = prior.region @ basis  # [M, n * 3]
    return torch.linalg.solve(moved @ moved.T + 0.01 * torch.eye(len(moved)), moved @ basis.T).T


def _rows(clip: SpeechClip, heard: Heard, prior: AudioPrior) -> np.ndarray:
    """Collect what the filter sees at every frame, ``[T, taps * P]``."""
    channels, taps = prior.centre(heard.inputs).numpy(), prior.config.taps  # [F, P] or [F, D]
    centres = np.round(clip.moments(heard.speed) * CLOCK).astype(int)  # [T]
    place = np.clip(centres[:, None] + TAP * (np.arange(taps) - taps // 2), 0, len(channels) - 1)  # [T, taps]
    return channels[place].reshape(len(place), -1).astype(np.float64)
