"""Timed English phones of a recording, by pocketsphinx's phone loop.

The acoustic model inside the wheel is English. On other languages it still names the nearest English sounds, with
less certainty; :attr:`PhoneTrack.fit` tells how well the model explains what it hears.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from pocketsphinx import Decoder, get_model_path

from mggtalk.errors import MediaError
from mggtalk.media.sound import Sound

FRAME = 0.01
"""Length of the decoder's frames in seconds."""

SILENCE = "SIL"
"""Name of silence and of noises that are no speech."""

CHUNK_SECONDS = 20.0
"""Recordings are decoded in pieces of about this length, cut where it is quietest."""

SEARCH_SECONDS = 4.0
"""How far back from its end a piece may be cut."""

PEAK = 0.8
"""Recordings are scaled to this peak for the decoder."""

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
    fit: float  # mean log likelihood ratio of speech frames to the best sound of each; 0 is best, clean English -0.6


def decode_phones(sound: Sound, on_progress: Callable[[int, int], None] | None = None) -> PhoneTrack:
    """Find the phones of a recording.

    Args:
        sound: Speech at 16 kHz.
        on_progress: Called with pieces done and pieces in all.

    Returns:
        Phones that cover the recording from its first to its last decoded frame. ``fit`` is -inf without any speech.

    Raises:
        MediaError: If the rate is not 16 kHz.
    """
    if sound.rate != 16000:
        raise MediaError(f"The recording has a rate of {sound.rate} Hz.", "Load it with load_sound(path, rate=16000).")
    peak = max(sound.peak, 1e-6)
    pulses = np.round(sound.samples * (PEAK / peak * 32767.0)).astype("<i2")  # [N]
    cuts = _cuts(sound.samples, sound.rate)
    decoder = _decoder()
    phones: list[Phone] = []
    score, frames = 0.0, 0
    for index, (start, end) in enumerate(zip(cuts[:-1], cuts[1:])):
        decoder.start_utt()
        decoder.process_raw(pulses[start:end].tobytes(), full_utt=True)
        decoder.end_utt()
        offset = start / sound.rate
        for segment in decoder.seg() or ():
            name = SILENCE if segment.word in _NOISES else segment.word
            length = segment.end_frame - segment.start_frame + 1
            phones.append(Phone(name, offset + segment.start_frame * FRAME, offset + (segment.end_frame + 1) * FRAME))
            if name != SILENCE and segment.ascore > 0:
                score, frames = score + math.log(segment.ascore), frames + length
        if on_progress is not None:
            on_progress(index + 1, len(cuts) - 1)
    # pocketsphinx shifts its logarithms right by 10 bits; undone here to get natural logarithms per frame
    return PhoneTrack(tuple(phones), score / frames * 1000.0 if frames else -math.inf)


def _decoder() -> Decoder:
    """A phone loop with a phone trigram model."""
    model = get_model_path("en-us")
    return Decoder(
        hmm=f"{model}/en-us",
        allphone=f"{model}/en-us-phone.lm.bin",
        lm=None,
        dict=None,
        lw=2.0,
        beam=1e-20,
        pbeam=1e-20,
        bestpath=False,
        loglevel="FATAL",
    )


def _cuts(samples: np.ndarray, rate: int) -> list[int]:
    """Sample indices of the pieces' borders: first 0, last N."""
    step = rate // 100
    level = np.array([np.abs(samples[at : at + 4 * step]).mean() for at in range(0, len(samples), step)])
    cuts = [0]
    while len(samples) - cuts[-1] > CHUNK_SECONDS * rate:
        last = (cuts[-1] + int(CHUNK_SECONDS * rate)) // step
        first = last - int(SEARCH_SECONDS * 100)
        cuts.append((first + int(level[first:last].argmin()) + 2) * step)
    return [*cuts, len(samples)]
