"""Lips that a sound moves, against the real ones of the clip: how like they are, how far they go, whether they close.

Every frame of the clip counts and no picture is needed: gap and width are those of the face model's mesh on the head.
Nothing of the real lips is known to the method. Beside each figure stands the one after the lips were shifted by the
whole number of frames at which the gaps are most alike, which no user could do.

Phones and pauses are those that this project hears. Whether a clip is in sync is judged by one listener for
all methods, see :attr:`AudioVisual.in_sync`: the lips that the embedded prior makes of likely phones.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mggtalk.evaluation.metrics import correlation, lip_width, slope
from mggtalk.face.face_model import FaceModel
from mggtalk.face.lips import lip_gap
from mggtalk.speech.features import FRAMES_PER_SECOND
from mggtalk.speech.hearing import Speech
from mggtalk.speech.visemes import BILABIALS

MILLIMETRES = 100.0
"""In a decimetre."""

PAUSES = (0.2, 0.35, 0.6, 1.0)
"""Pauses are told apart by these lengths in seconds; each class ends where the next begins."""

CLOSED = 1.0
"""Millimetres between the inner lips, over those of the face at rest, up to which lips count as closed: half a pixel of
a face in a picture of 256 pixels."""

MOST_OFFSET = 8
"""Frames to either side that are looked at for the offset."""

MOST_SYNC = 2
"""Frames by which lips may be off their sound in a clip that is in sync."""

SYNC_CORRELATION = 0.3
"""Least correlation, at that offset, of the real lips with what the judge makes of the sound."""


class Lips(NamedTuple):
    """Lips over T frames, on the head."""

    gap: np.ndarray  # [T] millimetres between the inner lips, over those of the face at rest
    width: np.ndarray  # [T] millimetres between the corners

    @staticmethod
    def of(face_model: FaceModel, identity: Tensor, expression: Tensor, rest: Tensor) -> Lips:
        """Measure the mesh.

        Args:
            face_model: The landmark 3DMM.
            identity: ``[I]``.
            expression: ``[T, K]``.
            rest: Of the same person, with closed lips, ``[K]``.
        """
        vertices = face_model.vertices(identity, torch.cat([expression, rest[None]]))  # [T + 1, V, 3]
        gap = MILLIMETRES * lip_gap(vertices)
        return Lips(gap[:-1] - gap[-1], MILLIMETRES * lip_width(vertices)[:-1])

    def shifted(self, frames: int) -> Lips:
        """The lips so many frames earlier; the ends are held."""
        place = (np.arange(len(self.gap)) + frames).clip(0, len(self.gap) - 1)
        return Lips(self.gap[place], self.width[place])


class Count(NamedTuple):
    """How many of how many."""

    hits: int
    total: int

    @property
    def share(self) -> float:
        """NaN of none."""
        return self.hits / self.total if self.total else math.nan

    @staticmethod
    def sum(counts: Iterable[Count]) -> Count:
        """All together."""
        listed = list(counts)
        return Count(sum(count.hits for count in listed), sum(count.total for count in listed))


class AudioVisual(NamedTuple):
    """Whether sound and picture of a clip go together."""

    lag: float = math.nan  # frames by which the real lips come after those that the judge makes of the sound
    correlation: float = math.nan  # of the two gaps at that lag

    @property
    def in_sync(self) -> bool:
        """Whether the lips go with the sound, and that at once."""
        return self.correlation >= SYNC_CORRELATION and abs(self.lag) <= MOST_SYNC


@dataclass(frozen=True)
class SpeechScore:
    """The lips of one method in one clip, or over clips. NaN where there is nothing to measure."""

    gap_correlation: float = math.nan  # with the real gap over time
    gap_slope: float = math.nan  # least squares over the real gap
    gap_spread: float = math.nan  # standard deviation over the real one's
    width_correlation: float = math.nan
    width_slope: float = math.nan
    width_spread: float = math.nan
    offset: float = math.nan  # frames by which the gap is late; over clips of either sign
    gap_correlation_shifted: float = math.nan  # without that offset
    gap_slope_shifted: float = math.nan
    width_correlation_shifted: float = math.nan
    closures: Count = Count(0, 0)  # phones P, B and M at which the lips are closed
    pauses: tuple[Count, ...] = (Count(0, 0),) * len(PAUSES)  # in which they are, by PAUSES

    @staticmethod
    def mean(scores: Sequence[SpeechScore]) -> SpeechScore:
        """Means over those that are not NaN; offsets by their size; closures and pauses are summed."""
        numbers = [entry.name for entry in fields(SpeechScore) if entry.type == "float"]
        means = {}
        for name in numbers:
            values = [abs(value) if name == "offset" else value for value in (getattr(one, name) for one in scores)]
            values = [value for value in values if not math.isnan(value)]
            means[name] = sum(values) / len(values) if values else math.nan
        closures = Count.sum(one.closures for one in scores)
        pauses = tuple(Count.sum(one.pauses[place] for one in scores) for place in range(len(PAUSES)))
        return SpeechScore(**means, closures=closures, pauses=pauses)


def score_lips(made: Lips, true: Lips, speech: Speech, fps: float) -> SpeechScore:
    """Compare lips over T frames, of which the first shows the beginning of the sound."""
    offset = _offset(made.gap, true.gap)
    shifted = made.shifted(0 if math.isnan(offset) else int(offset))
    return SpeechScore(
        gap_correlation=correlation(made.gap, true.gap),
        gap_slope=slope(made.gap, true.gap),
        gap_spread=_spread(made.gap, true.gap),
        width_correlation=correlation(made.width, true.width),
        width_slope=slope(made.width, true.width),
        width_spread=_spread(made.width, true.width),
        offset=offset,
        gap_correlation_shifted=correlation(shifted.gap, true.gap),
        gap_slope_shifted=slope(shifted.gap, true.gap),
        width_correlation_shifted=correlation(shifted.width, true.width),
        closures=count_closures(made.gap, speech, fps),
        pauses=count_pauses(made.gap, speech, fps),
    )


def judge_sync(true: Lips, judge: Lips) -> AudioVisual:
    """Compare the real lips with those that a judge makes of the sound."""
    late = _offset(judge.gap, true.gap)
    if math.isnan(late):
        return AudioVisual()
    return AudioVisual(0.0 - late, correlation(judge.shifted(int(late)).gap, true.gap))


def count_closures(gap: np.ndarray, speech: Speech, fps: float) -> Count:
    """Phones P, B and M, and how many of them close the lips in one of their frames or one beside.

    Args:
        gap: :attr:`Lips.gap`, ``[T]``.
        speech: What is said.
        fps: Frame rate.
    """
    said = [phone for phone in speech.said if phone.name in BILABIALS and phone.start * fps < len(gap) - 1]
    hits = 0
    for phone in said:
        first, last = math.floor(phone.start * fps) - 1, math.ceil(phone.end * fps)
        hits += bool(gap[max(first, 0) : last + 1].min() <= CLOSED)
    return Count(hits, len(said))


def pauses(speech: Speech) -> list[tuple[float, float]]:
    """Pauses between speech: first and last moment in seconds."""
    active = np.flatnonzero(speech.features.active)
    gaps = np.flatnonzero(np.diff(active) > 1)
    return [((active[at] + 1) / FRAMES_PER_SECOND, active[at + 1] / FRAMES_PER_SECOND) for at in gaps]


def count_pauses(gap: np.ndarray, speech: Speech, fps: float) -> tuple[Count, ...]:
    """Pauses by their length, and how many see closed lips: the median gap of the middle half says so.

    Args:
        gap: :attr:`Lips.gap`, ``[T]``.
        speech: When somebody speaks.
        fps: Frame rate.

    Returns:
        One count for each of :data:`PAUSES`.
    """
    hits, totals = np.zeros(len(PAUSES), int), np.zeros(len(PAUSES), int)
    for start, end in pauses(speech):
        place = int(np.searchsorted(PAUSES, end - start, side="right")) - 1
        quarter = (end - start) / 4
        first = math.ceil((start + quarter) * fps)
        last = max(math.floor((end - quarter) * fps), first)
        if place < 0 or last >= len(gap):
            continue
        totals[place] += 1
        hits[place] += bool(np.median(gap[first : last + 1]) <= CLOSED)
    return tuple(Count(int(hit), int(total)) for hit, total in zip(hits, totals))


def _spread(made: np.ndarray, true: np.ndarray) -> float:
    """Standard deviation over the true one."""
    return float(made.std() / true.std()) if true.std() > 1e-6 else math.nan


def _offset(made: np.ndarray, true: np.ndarray) -> float:
    """Frames by which a gap is late: where it is most like the true one."""
    length = len(true)
    if length < 4 * MOST_OFFSET or min(made.std(), true.std()) < 1e-6:
        return math.nan
    place = np.arange(length)
    scores = {
        frames: correlation(made[(place + frames).clip(0, length - 1)], true)
        for frames in range(-MOST_OFFSET, MOST_OFFSET + 1)
    }
    return float(max(scores, key=lambda frames: scores[frames]))
