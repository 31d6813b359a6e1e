"""Understanding of a recording: who speaks when, which sounds, and the rules' mouth for them."""

from __future__ import annotations

import math
from bisect import bisect_left
from typing import NamedTuple

import numpy as np

from mggtalk.runtime.progress import Progress, no_progress
from mggtalk.runtime.rows import Rows
from mggtalk.runtime.spool import Spool, Table, mean_row
from mggtalk.speech.acoustic import CLOCK as PHONE_CLOCK
from mggtalk.speech.acoustic_model import acoustic_model
from mggtalk.speech.features import FRAMES_PER_SECOND, Recording, SpeechFeatures
from mggtalk.speech.music import Seconds, find_music
from mggtalk.speech.phones import SILENCE, Phone, PhoneTrack, decode
from mggtalk.speech.speech_encoder import CLOCK as SOUND_CLOCK
from mggtalk.speech.visemes import BILABIALS, LABIODENTALS, centroid_range, mouth_from_phones, mouth_from_spectrum

GOOD_FIT = -2.0
"""Acoustic fit from which phones are fully trusted; clean English reaches it."""

BAD_FIT = -2.3
"""Fit at which they are trusted least."""

LEAST_TRUST = 0.3
"""Share of the phones in the lips at :data:`BAD_FIT`, and for other languages.

Even the nearest English sounds tell closed from open and round from wide: on tracked clips in other languages this
share predicts the lips better than loudness and spectrum alone.
"""

LOUDEST_CLOSURE = 0.8
"""Openness in the quietest frame of M, B, P, F or V above which the lips cannot have met."""

LEAST_SHARE = 0.15
"""Least share of M, B, P, F and V together in the likely phones of one of them: real lips hardly close for unlikelier
ones."""

SHORTEST_CLOSURE = 0.035
"""Seconds that M, B, P, F or V last at least, for the same reason: three frames are the shortest there can be."""

MARGIN = 4.0
"""Seconds around a part of a recording that its curves may depend on."""


class Speech(NamedTuple):
    """A recording, or a part of one."""

    features: SpeechFeatures
    likely: Table | None  # [C, P] float16, see :func:`mggtalk.speech.phones.recognise`; None beside sounds
    said: tuple[Phone, ...]  # phones that agree with what is measured, without silence
    trust: float  # share of the phones in the lips
    seconds: float  # length
    centroid: tuple[float, float, float]  # low, middle and high of the whole recording's vowels
    track: PhoneTrack | None  # all phones of the whole recording; None when nobody speaks
    sounds: Table | None  # [F, D] float16, 50 frames a second, of a speech encoder; None without one
    usual: np.ndarray  # [P] or [D] mean of the sounds, or of the likelihoods' roots, while somebody speaks in it all
    spoken: float  # seconds of speech in the whole recording

    def part(self, start: int, end: float) -> Speech:
        """Cut out what lies between two moments; all times count from the first.

        Args:
            start: Seconds.
            end: Seconds; a whole number, or the recording's end.
        """
        features = [curve[start * int(FRAMES_PER_SECOND) : int(end * FRAMES_PER_SECOND) + 1] for curve in self.features]
        first = bisect_left(self.said, float(start), key=lambda phone: phone.end)
        last = bisect_left(self.said, end, key=lambda phone: phone.start)
        return self._replace(
            features=SpeechFeatures(*features),
            likely=None if self.likely is None else self.likely[start * int(PHONE_CLOCK) : int(end * PHONE_CLOCK) + 1],
            said=tuple(Phone(phone.name, phone.start - start, phone.end - start) for phone in self.said[first:last]),
            seconds=min(end, self.seconds) - start,
            sounds=None if self.sounds is None else self.sounds[start * SOUND_CLOCK : int(end * SOUND_CLOCK) + 1],
        )


def understand(recording: Recording, language: str | None = None, on_progress: Progress = no_progress) -> Speech:
    """Hear what is said. Where there is music and nobody speaks, it is as quiet as a pause.

    Args:
        recording: See :func:`mggtalk.speech.features.measure`.
        language: A code settles how far the phones, which are English, are trusted.
        on_progress: Called with ``"phones"``, pieces done and pieces in all.
    """
    seconds, closing, likely = Seconds(), Rows(), Spool()

    def keep(piece: np.ndarray) -> None:
        seconds.add(piece)
        closing.add(closing_share(piece))
        if recording.sounds is None:
            likely.add(piece)

    track = decode(recording.cepstra, keep, lambda done, total: on_progress("phones", done, total))
    music = find_music(seconds.take(), recording.features.active)
    recording = recording._replace(features=recording.features.without(music))
    spoken = bool(recording.features.active.any())
    return speech_of(
        recording,
        likely if recording.sounds is None else None,
        heard(track.phones, recording.features, closing.take()) if spoken else (),
        phone_trust(track.fit, language) if spoken else 0.0,
        track if spoken else None,
    )


def speech_of(
    recording: Recording,
    likely: Table | None,
    said: tuple[Phone, ...],
    trust: float,
    track: PhoneTrack | None = None,
) -> Speech:
    """Put together what is known of a recording; see :class:`Speech`."""
    features, sounds = recording.features, recording.sounds
    if sounds is not None:
        heard_as, clock = sounds, float(SOUND_CLOCK)
    else:
        assert likely is not None
        heard_as, clock = likely, PHONE_CLOCK
    place = np.arange(len(heard_as)) / clock * FRAMES_PER_SECOND
    speaks = features.active[np.minimum(place.round().astype(int), len(features.active) - 1)]
    return Speech(
        features=features,
        likely=likely,
        said=said,
        trust=trust,
        seconds=recording.seconds,
        centroid=centroid_range(features),
        track=track,
        sounds=sounds,
        usual=mean_row(heard_as, speaks, np.asarray if sounds is not None else np.sqrt),
        spoken=float(features.active.sum()) / FRAMES_PER_SECOND,
    )


def rule_curves(speech: Speech) -> np.ndarray:
    """Mouth curves from phones as far as they are trusted, and from the spectrum as far as they are not.

    Returns:
        ``[C, 52]`` float32, 100 frames a second.
    """
    curves = mouth_from_spectrum(speech.features, speech.centroid)  # [C, 52]
    if speech.trust == 0.0:
        return curves
    return speech.trust * mouth_from_phones(speech.said, speech.features) + (1.0 - speech.trust) * curves


def phone_trust(fit: float, language: str | None = None) -> float:
    """Share of the phones in the lips.

    Args:
        fit: Of the acoustic model, see :class:`~mggtalk.speech.phones.PhoneTrack`.
        language: A code settles it.

    Returns:
        From :data:`LEAST_TRUST` to 1; 0 without any phones.
    """
    if not math.isfinite(fit):
        return 0.0
    if language is not None:
        return 1.0 if _is_english(language) else LEAST_TRUST
    return LEAST_TRUST + (1.0 - LEAST_TRUST) * min(max((fit - BAD_FIT) / (GOOD_FIT - BAD_FIT), 0.0), 1.0)


def closing_share(likely: np.ndarray) -> np.ndarray:
    """How likely lips meet each other or the teeth: M, B, P, F and V together, ``[C]`` float32 of ``[C, P]``."""
    closing = [place for place, name in enumerate(acoustic_model().phones) if name in BILABIALS | LABIODENTALS]
    return likely[:, closing].sum(1, dtype=np.float32)


def heard(phones: tuple[Phone, ...], features: SpeechFeatures, closing: np.ndarray | None = None) -> tuple[Phone, ...]:
    """Leave out silence, and phones that contradict what is measured.

    More than half of a phone must lie in speech, and lips that meet cannot let through the mid frequencies of an open
    mouth. A closure must be long and likely enough to be believed.

    Args:
        phones: What was decoded.
        features: Of the recording.
        closing: How likely lips meet, ``[C]``, see :func:`closing_share`; not asked without it.
    """
    kept = []
    for phone in phones:
        low = int(phone.start * FRAMES_PER_SECOND)
        high = max(low + 1, math.ceil(phone.end * FRAMES_PER_SECOND))
        spoken = features.active[low:high].sum() > 0.5 * (high - low)
        if phone.name == SILENCE or not spoken:
            continue
        if phone.name in BILABIALS | LABIODENTALS:
            if features.openness[low:high].min() > LOUDEST_CLOSURE or phone.end - phone.start < SHORTEST_CLOSURE:
                continue
            span = slice(int(phone.start * PHONE_CLOCK), int(phone.end * PHONE_CLOCK) + 1)
            if closing is not None and closing[span].mean() < LEAST_SHARE:
                continue
        kept.append(phone)
    return tuple(kept)


def _is_english(language: str) -> bool:
    """Whether a language code names English."""
    return language.lower().split("-")[0] == "en"
