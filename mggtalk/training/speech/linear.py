"""The linear part of the audio prior, in closed form: likely phones or sounds to lips, as a ridge regression."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mggtalk.face.face_model import FaceModel
from mggtalk.speech.audio_prior import TAP, AudioPrior
from mggtalk.speech.speech_inputs import CLOCK
from mggtalk.training.speech.clips import MOUTH, Heard, SpeechClip

RIDGE = 0.25
"""Weight of the filter's squares against one clip of a second, in its own standard deviations."""

LEAST_MOTION = 0.3
"""Square millimetres of motion under which a clip's weight grows no more."""


@torch.no_grad()
def fit_linear(prior: AudioPrior, clips: Sequence[SpeechClip], face_model: FaceModel) -> None:
    """Set the linear filter so that the lips of all clips are met best; the other layers are taken for zero.

    The filter learns what changes within a clip: each clip's mean, which is the person's more than the sound's, is
    taken away from both sides, and the median over all clips becomes the filter's constant. A clip counts by the square
    root of its length over the variance of its lips, so that nobody who speaks for long or with large movements drowns
    the others.

    Args:
        prior: Its filter is set.
        clips: What is heard and seen.
        face_model: Of the expressions.
    """
    project = mouth_projection(prior, face_model)  # [K, M]
    taps = prior.config.taps
    mean = prior.mean[prior.filtered].double().numpy()  # [P] or [D]
    width = len(mean)
    matrix = np.zeros((taps * width, taps * width))
    right = np.zeros((taps * width, prior.config.region))
    means = []
    for clip in clips:
        true = (clip.expression - clip.rest) @ project  # [T, M]
        spread = LEAST_MOTION + float(true.var(0).sum())
        weight = math.sqrt(clip.fps / len(true)) / (spread * len(clip.heard))
        for heard in clip.heard:
            rows = _rows(clip, heard, prior)  # [T, taps * P]
            target = (true - prior.config.rules * (heard.rules @ project)).double().numpy()  # [T, M]
            means.append(target.mean(0))
            rows, target = rows - rows.mean(0), target - target.mean(0)
            matrix += weight * (rows.T @ rows)
            right += weight * (rows.T @ target)
    solved = np.linalg.solve(matrix + RIDGE * np.eye(len(matrix)), right)  # [taps * P, M]
    filters = solved.reshape(taps, width, -1).transpose(2, 1, 0)  # [M, P, taps]
    prior.linear.weight.copy_(torch.from_numpy(np.ascontiguousarray(filters)))
    assert prior.linear.bias is not None
    prior.linear.bias.copy_(torch.from_numpy(np.median(means, axis=0) - np.tile(mean, taps) @ solved))


def mouth_projection(prior: AudioPrior, face_model: FaceModel) -> Tensor:
    """Takes expressions to the prior's directions so that the mouth's vertices are met best, ``[K, M]``."""
    basis = 100.0 * face_model.expression_basis[:, list(MOUTH)].flatten(1)  # [K, n * 3] millimetres
    moved = prior.region @ basis  # [M, n * 3]
    return torch.linalg.solve(moved @ moved.T + 0.01 * torch.eye(len(moved)), moved @ basis.T).T


def _rows(clip: SpeechClip, heard: Heard, prior: AudioPrior) -> np.ndarray:
    """Collect what the filter sees at every frame, ``[T, taps * P]``."""
    channels, taps = heard.inputs.channels[:, prior.filtered], prior.config.taps  # [F, P] or [F, D]
    centres = np.round(clip.moments(heard.speed) * CLOCK).astype(int)  # [T]
    place = np.clip(centres[:, None] + TAP * (np.arange(taps) - taps // 2), 0, len(channels) - 1)  # [T, taps]
    return channels[place].reshape(len(place), -1).astype(np.float64)
