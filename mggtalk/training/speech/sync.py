"""Are sound and lips of a clip in time? Offsets are estimated, and clips that are hopeless are named.

Public clips are dubbed, cut, set to music or a few frames late. The gap between the true lips is compared with what can
be foretold from the sound at every offset: at first by the rules, then by a ridge regression on the likely phones which
the clips of *other* speakers taught, a few times over.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from torch import Tensor

from mggtalk.face.face_model import FaceModel
from mggtalk.face.lips import lip_gap
from mggtalk.speech.speech_inputs import CLOCK
from mggtalk.training.speech.clips import SpeechClip
from mggtalk.training.speech.config import MILLIMETRES, SyncConfig

logger = logging.getLogger(__name__)

WINDOW = np.arange(-12, 13, 2)
"""Input frames around a moment that the regression sees (a quarter of a second to each side)."""

RIDGE = 300.0
"""Its ridge weight."""


class Sync(NamedTuple):
    """Agreement of sound and lips of a clip."""

    lag: int  # frames by which the sound is late
    correlation: float  # at this lag
    sharpness: float  # how far it stands out, in standard deviations over all lags

    def good(self, config: SyncConfig) -> bool:
        """Whether the clip can teach."""
        sharp = self.sharpness >= config.sharpness or self.correlation >= config.sure
        inside = abs(self.lag) < config.most  # at the edge the best offset may lie beyond
        return inside and sharp and self.correlation >= config.correlation


def lip_gaps(face_model: FaceModel, identity: Tensor, expression: Tensor) -> np.ndarray:
    """Mean gap between the inner lips in millimetres ``[T]``, for one identity ``[I]`` and expressions ``[T, K]``."""
    return MILLIMETRES * lip_gap(face_model.vertices(identity, expression))


def best_lag(truth: np.ndarray, curves: dict[int, np.ndarray]) -> Sync:
    """The lag at which a foretold curve is most like the truth.

    Args:
        truth: ``[T]``.
        curves: By lag, ``[T]`` each.
    """
    scores = {lag: correlation(truth, curve) for lag, curve in curves.items()}
    values = np.array(list(scores.values()))
    lag = max(scores, key=lambda key: scores[key])
    return Sync(lag, scores[lag], float((scores[lag] - values.mean()) / max(values.std(), 1e-6)))


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson correlation; 0 if one of the curves is flat."""
    if min(first.std(), second.std()) < 1e-6:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def synchronise(
    clips: Sequence[SpeechClip], face_model: FaceModel, config: SyncConfig, teachers: int | None = None
) -> tuple[list[SpeechClip], dict[str, str]]:
    """Correct offsets, and leave out what cannot teach.

    Args:
        clips: With at least their own sound heard, at lag 0 and without an encoder: likely phones.
        face_model: Of their expressions.
        config: What is demanded.
        teachers: Only so many of the clips, the first ones, teach what lips go with a sound; all by default.

    Returns:
        Clips with their lags, not yet heard at these, and why others were left out.
    """
    truths = [lip_gaps(face_model, clip.identity, clip.expression) for clip in clips]
    lags = range(-config.most, config.most + 1)
    syncs = []
    for clip, truth in zip(clips, truths):
        rules = lip_gaps(face_model, clip.identity, clip.rest + clip.heard[0].rules)
        place = np.arange(len(truth))
        syncs.append(best_lag(truth, {lag: np.interp(place + lag, place, rules) for lag in lags}))
    moving = [truth.std() >= config.motion for truth in truths]
    teaches = [moves and index < (len(clips) if teachers is None else teachers) for index, moves in enumerate(moving)]
    for _ in range(config.rounds):
        syncs = _again(clips, truths, syncs, teaches, lags, config)
    kept, left_out = [], {}
    for clip, sync, moves in zip(clips, syncs, moving):
        if not moves:
            left_out[clip.name] = "the lips do not move"
        elif not sync.good(config):
            left_out[clip.name] = (
                f"sound and lips do not go together (correlation {sync.correlation:.2f} at {sync.lag:+d} frames, "
                f"{sync.sharpness:.1f} standard deviations over other offsets)"
            )
        else:
            logger.info("%s: sound late by %d frames, correlation %.2f", clip.name, sync.lag, sync.correlation)
            kept.append(replace(clip, lag=float(sync.lag)))
    return kept, left_out


def _again(
    clips: Sequence[SpeechClip],
    truths: list[np.ndarray],
    syncs: list[Sync],
    teaches: list[bool],
    lags: range,
    config: SyncConfig,
) -> list[Sync]:
    """Offsets by what the good clips of other speakers teach."""
    good = [sync.good(config) and able for sync, able in zip(syncs, teaches)]
    normal = {}  # of the good clips: matrix and right side of the regression
    for index, (clip, truth) in enumerate(zip(clips, truths)):
        if good[index]:
            rows = _rows(clip, syncs[index].lag)
            normal[index] = (rows.T @ rows, rows.T @ _standard(truth))
    result = []
    for clip, truth, sync in zip(clips, truths, syncs):
        others = [parts for index, parts in normal.items() if clips[index].speaker != clip.speaker]
        if not others:
            result.append(sync)
            continue
        matrix = sum(part[0] for part in others)
        weights = np.linalg.solve(matrix + RIDGE * np.eye(len(matrix)), sum(part[1] for part in others))
        result.append(best_lag(truth, {lag: _rows(clip, lag) @ weights for lag in lags}))
    return result


def _rows(clip: SpeechClip, lag: int) -> np.ndarray:
    """Inputs of the regression ``[T, n]`` if the sound is late by ``lag`` frames."""
    channels = 3.0 * clip.heard[0].inputs.channels - 0.3  # [F, 42]
    centres = np.round((np.arange(len(clip.expression)) + lag) / clip.fps * CLOCK).astype(int)  # [T]
    place = np.clip(centres[:, None] + WINDOW, 0, len(channels) - 1)
    rows = channels[place].reshape(len(place), -1)
    return np.concatenate([rows, np.ones((len(rows), 1), np.float32)], axis=1).astype(np.float64)


def _standard(truth: np.ndarray) -> np.ndarray:
    """Mean 0, standard deviation 1."""
    return (truth - truth.mean()) / truth.std()
