"""Timed English phones of a recording: the best path through a loop of all phones.

The acoustic model is English. On other languages it still names the nearest English sounds, with less certainty;
:attr:`PhoneTrack.fit` tells how well the model explains what it hears.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from mggtalk.media.sound import Sound
from mggtalk.runtime.kernels import kernel
from mggtalk.runtime.rows import Rows
from mggtalk.runtime.spool import PART, Table, mean_row
from mggtalk.speech.acoustic import CLOCK, CONTEXT, posteriors, state_scores
from mggtalk.speech.acoustic_model import AcousticModel, acoustic_model
from mggtalk.speech.features import record

SILENCE = "SIL"
"""Name of silence and of noises that are no speech."""

CHUNK_SECONDS = 20.0
"""Recordings are decoded in pieces of about this length, cut where it is quietest."""

SEARCH_SECONDS = 4.0
"""Greatest distance from its end at which a piece may be cut."""

DIGITAL_SILENCE = 1.0
"""First cepstrum of frames in which nothing was recorded: they say nothing about voice and microphone."""

NEVER = -1e30
"""Score of what cannot be."""

_NOISES = frozenset({"SIL", "+NSN+", "+SPN+"})

PHONES = frozenset(
    "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH".split()
)
"""The 39 ARPAbet phones that are told apart."""


class Phone(NamedTuple):
    """One sound."""

    name: str  # ARPAbet, or SIL
    start: float  # seconds
    end: float  # seconds

    @property
    def centre(self) -> float:
        """Seconds."""
        return 0.5 * (self.start + self.end)


class PhoneTrack(NamedTuple):
    """The sounds of a recording in order, without gaps or overlaps."""

    phones: tuple[Phone, ...]
    fit: (
        float  # mean log of how likely the path of speech frames is against each frame's best state; clear English -1.9
    )


def decode_phones(sound: Sound, on_progress: Callable[[int, int], None] | None = None) -> PhoneTrack:
    """Find the phones of a sound that is in memory, see :func:`recognise`.

    Raises:
        MediaError: If the rate is not 16 kHz.
    """
    return recognise(record(sound).cepstra, on_progress)[0]


def recognise(values: Table, on_progress: Callable[[int, int], None] | None = None) -> tuple[PhoneTrack, np.ndarray]:
    """Find the phones of a recording; see :func:`decode`.

    Returns:
        Phones that cover the recording, and how likely each phone of the acoustic model is in each frame, ``[C, P]``
        float16, sums are 1.
    """
    likely = Rows()
    return decode(values, likely.add, on_progress), likely.take()


def decode(
    values: Table,
    keep: Callable[[np.ndarray], None],
    on_progress: Callable[[int, int], None] | None = None,
) -> PhoneTrack:
    """Find the phones of a recording piece by piece.

    Args:
        values: Its cepstra, ``[C, 13]``; their mean is taken as the voice and the microphone.
        keep: Called for each piece, in order, with how likely each phone of the acoustic model is in its frames:
            ``[n, P]`` float16, sums are 1.
        on_progress: Called with pieces done and pieces in all.

    Returns:
        Phones that cover the recording; ``fit`` is -inf without any speech.
    """
    model = acoustic_model()
    level = np.concatenate([values[start : start + PART][:, 0] for start in range(0, len(values), PART)])  # [C]
    mean = mean_row(values, level > DIGITAL_SILENCE)  # [13]
    cuts = _cuts(level)
    phones: list[Phone] = []
    score, frames = 0.0, 0
    for index, (low, high) in enumerate(zip(cuts[:-1], cuts[1:])):
        first = max(low - CONTEXT, 0)
        near = values[first : high + CONTEXT] - mean  # [n + 6, 13]
        scores = state_scores(near, low - first, high - first, model)  # [n, P, 3]
        keep(posteriors(scores).astype(np.float16))
        best = scores.max((1, 2))  # [n]
        for phone, start, end, reached in best_path(scores - best[:, None, None], model):
            name = model.phones[phone]
            name = SILENCE if name in _NOISES else name
            phones.append(Phone(name, max(low + start - 0.5, 0.0) / CLOCK, (low + end - 0.5) / CLOCK))
            if name != SILENCE:
                score, frames = score + reached, frames + end - start
        if on_progress is not None:
            on_progress(index + 1, len(cuts) - 1)
    return PhoneTrack(tuple(phones), score / frames if frames else -math.inf)


def best_path(scores: np.ndarray, model: AcousticModel) -> list[tuple[int, int, int, float]]:
    """The most likely sequence of phones (Viterbi), with the trigrams of the model.

    Args:
        scores: Log likelihoods of states, ``[n, P, 3]`` float32.
        model: Its steps and its grammar.

    Returns:
        Phones in order: index, first frame, frame behind the last, what the phone adds to the path's log likelihood.
    """
    starts, before, reached = _search(scores, model.steps, model.first, model.third)
    path: list[tuple[int, int, int, float]] = []
    frame, phone = len(scores) - 1, int(reached[-1].argmax())
    if reached[-1, phone] < 0.5 * NEVER:  # shorter than any phone
        return path
    while frame >= 0 and phone >= 0:
        first, previous = int(starts[frame, phone]), int(before[frame, phone])
        base = float(reached[first - 1, previous]) if first > 0 else 0.0
        path.append((phone, first, frame + 1, float(reached[frame, phone]) - base))
        frame, phone = first - 1, previous
    return path[::-1]


@kernel
def _search(
    scores: np.ndarray, steps: np.ndarray, first: np.ndarray, third: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each frame and each phone that may end there: where it began, what was before it, the path's score.

    Two phones back, only the best history is remembered.

    Returns:
        ``[n, P]`` int32, int32 and float64.
    """
    frames, phones = scores.shape[0], scores.shape[1]
    starts = np.zeros((frames, phones), np.int32)
    before = np.full((frames, phones), -1, np.int32)
    reached = np.full((frames, phones), NEVER)
    value = np.full((phones, 3), NEVER)  # of the best path to each state
    start = np.zeros((phones, 3), np.int32)  # of its phone
    previous = np.full((phones, 3), -1, np.int32)  # phone before that
    for frame in range(frames):
        for phone in range(phones):
            entry, coming = NEVER, -1
            if frame == 0:
                entry = first[phone]
            else:
                for last in range(phones):
                    older = before[frame - 1, last]
                    grammar = third[older, last, phone] if older >= 0 else first[phone]
                    if reached[frame - 1, last] + grammar > entry:
                        entry, coming = reached[frame - 1, last] + grammar, last
            for state in (2, 1, 0):  # from the last: each reads what the ones before were a frame ago
                best, source = value[phone, state] + steps[phone, state, state], state
                for other in range(state):
                    if value[phone, other] + steps[phone, other, state] > best:
                        best, source = value[phone, other] + steps[phone, other, state], other
                start[phone, state], previous[phone, state] = start[phone, source], previous[phone, source]
                if state == 0 and entry > best:
                    best, start[phone, 0], previous[phone, 0] = entry, frame, coming
                value[phone, state] = best + scores[frame, phone, state]
            starts[frame, phone], before[frame, phone] = start[phone, 2], previous[phone, 2]
            reached[frame, phone] = value[phone, 2] + steps[phone, 2, 3]
    return starts, before, reached


def _cuts(level: np.ndarray) -> list[int]:
    """Frames of the pieces' borders: first 0, last C, from the logarithm of the loudness ``[C]``."""
    cuts = [0]
    while len(level) - cuts[-1] > CHUNK_SECONDS * CLOCK:
        last = cuts[-1] + int(CHUNK_SECONDS * CLOCK)
        first = last - int(SEARCH_SECONDS * CLOCK)
        quiet = np.convolve(level[first - 2 : last + 2], np.ones(5), "valid")  # over 50 ms
        cuts.append(first + int(quiet.argmin()))
    return [*cuts, len(level)]
