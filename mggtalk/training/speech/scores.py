"""Scores of the lips of rules and prior against the true ones, through the face model: no picture is rendered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mggtalk.evaluation import metrics
from mggtalk.face.face_model import FaceModel
from mggtalk.geometry import head_to_camera, project
from mggtalk.speech.audio_prior import AudioPrior, Voice, blend
from mggtalk.training.speech.clips import SpeechClip
from mggtalk.training.speech.sync import best_lag, correlation, lip_gaps

SIDE = 256
"""Side of the picture in whose pixels landmark distances are given."""

MOST = 8
"""Largest offset that is looked for, frames."""


class LipScore(NamedTuple):
    """The lips of one clip."""

    correlation: float  # of the gap between the inner lips with the true one
    offset: float  # frames by which the lips are late
    lmd: float  # pixels at 256, lips centred in every frame
    spread: float  # standard deviation of the gap over the true one's


def predict_lips(clip: SpeechClip, prior: AudioPrior | None, voice: Voice | None = None) -> tuple[Tensor, Tensor]:
    """Expressions ``[T, K]`` of a clip's sound on its first frame as the portrait, and that portrait at rest ``[K]``.

    Args:
        clip: With its own sound heard.
        prior: None for the rules alone.
        voice: Of the speaker.
    """
    heard, rest = clip.heard[0], clip.sources[0]
    if prior is None:
        return rest + heard.rules, rest
    residual = prior.listen(heard.inputs, clip.moments(), voice)
    return rest + blend(heard.rules, residual, heard.closed, prior.config), rest


def score(clip: SpeechClip, expression: Tensor, face_model: FaceModel) -> LipScore:
    """Compare expressions ``[T, K]`` with a clip's own."""
    true, made = (lip_gaps(face_model, clip.identity, values) for values in (clip.expression, expression))
    length = len(true)
    place = torch.arange(length)
    curves = {lag: made[(place + lag).clamp(0, length - 1)] for lag in range(-MOST, MOST + 1)}
    return LipScore(
        correlation=correlation(true, made),
        offset=best_lag(true, curves).lag,
        lmd=metrics.lmd(_pixels(clip, expression, face_model), _pixels(clip, clip.expression, face_model)),
        spread=float(made.std() / max(true.std(), 1e-6)),
    )


def table(clips: Sequence[SpeechClip], prior: AudioPrior, face_model: FaceModel) -> list[str]:
    """Rules and prior on clips, as lines of a Markdown table with the mean."""
    rows = []
    for clip in clips:
        rules, learned = (score(clip, predict_lips(clip, lips)[0], face_model) for lips in (None, prior))
        rows.append((clip, rules, learned))
    lines = [
        "| clip | sound late by | correlation, rules → prior | offset | LMD, px at 256 | spread of the gap |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [_line(clip.name, f"{clip.lag:+.0f}", rules, learned) for clip, rules, learned in rows]
    if rows:
        lines.append(_line("mean", "", _mean([row[1] for row in rows]), _mean([row[2] for row in rows])))
    return lines


def _line(name: str, lag: str, rules: LipScore, learned: LipScore) -> str:
    """One row of the table."""
    return (
        f"| {name} | {lag} | {rules.correlation:.2f} → {learned.correlation:.2f} "
        f"| {rules.offset:+.1f} → {learned.offset:+.1f} | {rules.lmd:.2f} → {learned.lmd:.2f} "
        f"| {rules.spread:.2f} → {learned.spread:.2f} |"
    )


def _mean(scores: Sequence[LipScore]) -> LipScore:
    """Mean of scores; of offsets, the mean size."""
    columns = list(zip(*scores))
    means = [sum(column) / len(column) for column in columns]
    return LipScore(means[0], sum(map(abs, columns[1])) / len(scores), means[2], means[3])


def _pixels(clip: SpeechClip, expression: Tensor, face_model: FaceModel) -> Tensor:
    """Vertices in the clip's poses, ``[T, 478, 2]`` pixels of a picture of side 256."""
    points = head_to_camera(face_model.vertices(clip.identity, expression), clip.rotation, clip.translation)
    return project(points, 2.5 * SIDE, (SIDE / 2, SIDE / 2))  # [T, 478, 2]
