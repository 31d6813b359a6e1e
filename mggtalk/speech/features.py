"""Measurements of a recording: loudness, spectral shape and where somebody speaks.

All curves share one clock of :data:`FRAMES_PER_SECOND` frames; frame ``i`` is centred on the time ``i / 80`` s. The
sound is read once, piece by piece, and not kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

import numpy as np
from scipy.fft import rfft
from scipy.ndimage import binary_closing, binary_opening, gaussian_filter1d

from mggtalk.errors import MediaError
from mggtalk.media.sound import Sound
from mggtalk.runtime.rows import Rows
from mggtalk.runtime.spool import Spool, Table
from mggtalk.speech import acoustic
from mggtalk.speech.speech_encoder import Ears, Hearing

RATE = 16000
"""Sampling rate in Hz that everything here is defined for."""

N_FFT = 800
"""Window and transform length in samples (50 ms)."""

HOP = 200
"""Samples between frames (12.5 ms)."""

FRAMES_PER_SECOND = RATE / HOP
"""80 frames a second."""

PRE_EMPHASIS = 0.97
"""Coefficient of the first-order high-pass filter in front of the cepstra."""

OPENNESS_RANGE = 28.0
"""Decibels between a closed and an open mouth in the band of the vowels."""

PIECE = 64000
"""Samples that are transformed at a time (4 s), a multiple of all hops."""

CONTEXT = N_FFT // 2
"""Samples around a piece that its windows reach."""

STEADY = 3.0
"""Decibels between a recording's quiet and loud moments below which it is a hum or a hiss and nobody speaks."""

STEADY_SECONDS = 1.0
"""Shorter recordings may be one vowel."""


class SpeechFeatures(NamedTuple):
    """Curves over F frames of 12.5 ms."""

    loudness: np.ndarray  # [F] float32; 0 at the gate, 1 at the level of this speaker's loud syllables
    active: np.ndarray  # [F] bool, somebody speaks
    openness: np.ndarray  # [F] float32 in [0, 1]: strength of the band 500-3000 Hz, which a closed mouth takes away
    centroid: np.ndarray  # [F] float32 in [0, 1]: spectral centre of 200-4000 Hz; low for round, high for wide vowels
    frication: np.ndarray  # [F] float32 in [0, 1]: share of the energy above 3500 Hz; near 1 for S, SH, F
    music: np.ndarray  # [F] bool, it is loud, but no voice; nowhere before the phones are known

    @property
    def times(self) -> np.ndarray:
        """Seconds of the frames, ``[F]``."""
        return np.arange(len(self.loudness)) / FRAMES_PER_SECOND

    def without(self, music: np.ndarray) -> SpeechFeatures:
        """The same, but quiet where it is music, ``[F]`` bool."""
        loudness, openness = (np.where(music, np.float32(0.0), curve) for curve in (self.loudness, self.openness))
        return self._replace(loudness=loudness, active=self.active & ~music, openness=openness, music=music)


class Recording(NamedTuple):
    """All that is kept of a sound: 7 kB a second, 17 kB with an encoder, most of it on disk if it is long."""

    features: SpeechFeatures
    cepstra: Table  # [C, 13] float32, see :mod:`mggtalk.speech.acoustic`
    samples: int  # how many there were
    peak: float  # largest absolute sample
    sounds: Table | None = None  # [F, D] float16, see :mod:`mggtalk.speech.speech_encoder`; None without one

    @property
    def seconds(self) -> float:
        """Length."""
        return self.samples / RATE


def hertz_to_mel(hertz: np.ndarray) -> np.ndarray:
    """Slaney's mel scale: linear below 1 kHz (15 mels there), logarithmic above (27 steps for a factor 6.4)."""
    hertz = np.asarray(hertz, np.float64)
    return np.where(hertz < 1000.0, hertz * 0.015, 15.0 + 27.0 * np.log(np.maximum(hertz, 1.0) / 1000.0) / np.log(6.4))


def analyse(sound: Sound) -> SpeechFeatures:
    """Measure a recording, see :func:`measure`.

    Raises:
        MediaError: If it has another rate or no samples.
    """
    return record(sound).features


def record(sound: Sound, ears: Ears | None = None) -> Recording:
    """:func:`measure` of a sound that is in memory.

    Raises:
        MediaError: If it has another rate or no samples.
    """
    if sound.rate != RATE or len(sound.samples) == 0:
        problem = f"The recording has a rate of {sound.rate} Hz and {len(sound.samples)} samples."
        raise MediaError(problem, f"Load it with load_sound(path, rate={RATE}).")
    return measure([sound.samples], ears)


def measure(blocks: Iterable[np.ndarray], ears: Ears | None = None) -> Recording:
    """Measure a recording.

    Loudness is relative to the recording itself, so that a quiet voice moves its lips as far as a loud one.

    Args:
        blocks: Its samples in order, ``[n]`` each, at 16 kHz, at least one in all.
        ears: Hear it too, if there are any.

    Returns:
        Curves of ``N // 200 + 1`` frames and what else is kept. They do not depend on how the samples are cut.
    """
    count, peak = 0, 0.0
    hearing = None if ears is None else Hearing(ears)

    def counted() -> Iterator[np.ndarray]:
        nonlocal count, peak
        for block in blocks:
            count, peak = count + len(block), max(peak, float(np.abs(block).max(initial=0.0)))
            if hearing is not None:
                hearing.feed(block)
            yield block

    levels, values = [Rows() for _ in _Bands._fields], Spool()
    edge = CONTEXT - acoustic.WINDOW // 2
    for raw, emphasised in _pieces(counted()):
        for level, band in zip(levels, _band_levels(raw)):
            level.add(band)
        values.add(acoustic.cepstra(emphasised[edge : len(emphasised) - edge]))
    bands = _Bands(*(level.take() for level in levels))
    loudness, active = loudness_and_activity(bands.speech)
    voiced = bands.middle[active] if active.any() else bands.middle
    ceiling = float(np.percentile(voiced, 95))
    openness = np.clip((bands.middle - ceiling + OPENNESS_RANGE) / OPENNESS_RANGE, 0.0, 1.0) * np.clip(
        loudness * 3.0, 0.0, 1.0
    )
    features = SpeechFeatures(
        loudness=loudness.astype(np.float32),
        active=active,
        openness=openness.astype(np.float32),
        centroid=bands.centroid.astype(np.float32),
        frication=bands.frication.astype(np.float32),
        music=np.zeros(len(active), bool),
    )
    return Recording(features, values, count, peak, None if hearing is None else hearing.finish())


def loudness_and_activity(level: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Loudness relative to the recording, and a noise gate.

    The gate lies between the recording's noise floor and its loud syllables, at most 35 dB under those. Bursts under
    50 ms are noise, gaps under 90 ms belong to the speech around them. Where floor and syllables are alike, it hums.

    Args:
        level: ``[F]`` decibels.

    Returns:
        ``[F]`` loudness (0 at the gate, 1 at the loud syllables, clipped to [0, 1.3]) and ``[F]`` bool activity.
    """
    smooth = gaussian_filter1d(level, 1.2, mode="nearest")
    floor, loud = np.percentile(smooth, [5.0, 95.0])
    if loud - floor < STEADY and len(level) > STEADY_SECONDS * FRAMES_PER_SECOND:
        return np.zeros(len(level)), np.zeros(len(level), bool)
    gate = max(floor + 0.3 * (loud - floor), loud - 35.0)
    above = smooth > gate
    above = binary_closing(np.pad(above, 8), np.ones(7, bool))[8:-8]  # pads: closing eats nothing at the ends
    active = binary_opening(above, np.ones(4, bool))
    loudness = np.clip((smooth - gate) / max(loud - gate, 6.0), 0.0, 1.3)
    return loudness * active, active


class _Bands(NamedTuple):
    """Levels in dB and shares, each ``[F]``."""

    speech: np.ndarray  # 100-7000 Hz, dB
    middle: np.ndarray  # 500-3000 Hz, dB
    centroid: np.ndarray  # [0, 1]
    frication: np.ndarray  # [0, 1]


def _band_levels(piece: np.ndarray) -> _Bands:
    """Energies of frequency bands of a piece with its context."""
    power = _powers(piece)  # [f, 401]
    bins = np.fft.rfftfreq(N_FFT, 1.0 / RATE)  # [401]

    def energy(low: float, high: float) -> np.ndarray:
        return power[:, slice(*np.searchsorted(bins, (low, high)))].sum(1) + 1e-9

    vowel = slice(*np.searchsorted(bins, (200.0, 4000.0)))
    mels = hertz_to_mel(bins[vowel])
    amplitude = np.sqrt(power[:, vowel])
    centre = (amplitude @ mels + 1e-6 * mels.mean()) / (amplitude.sum(1) + 1e-6)  # [F]
    low, high = hertz_to_mel(np.array((500.0, 2200.0)))
    whole = energy(100.0, 7000.0)
    return _Bands(
        speech=10.0 * np.log10(whole),
        middle=10.0 * np.log10(energy(500.0, 3000.0)),
        centroid=np.clip((centre - low) / (high - low), 0.0, 1.0),
        frication=energy(3500.0, 7900.0) / (whole + energy(7000.0, 7900.0)),
    )


def _powers(piece: np.ndarray) -> np.ndarray:
    """Powers of Hann windows in a piece with its context ``[400 + n + 400]``: ``[n // 200 + 1, 401]`` float32."""
    window = (0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(N_FFT) / N_FFT)).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(piece, N_FFT)[::HOP]  # [f, 800], a view
    spectrum = rfft(frames * window, axis=1)
    return spectrum.real**2 + spectrum.imag**2


def _pieces(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Cut samples into pieces with their surroundings; before the first sample and behind the last they are mirrored.

    Args:
        blocks: Of any lengths.

    Yields:
        ``[2, 400 + n + 400]`` float32: samples, and samples behind the high-pass filter. Frames of 200 or of 160
        samples begin at the piece's first sample; the frame behind its last one is the next piece's first.
    """
    held = np.zeros((2, 0), np.float32)  # what is not done with: this piece, the samples before and after it
    before, first = np.float32(0.0), True
    for block in blocks:
        if len(block) == 0:
            continue
        block = np.asarray(block, np.float32)
        late = np.append(before, block[:-1])
        before = block[-1]
        held = np.concatenate([held, np.stack([block, block - np.float32(PRE_EMPHASIS) * late])], axis=1)
        if first and held.shape[1] > CONTEXT:
            held, first = np.pad(held, ((0, 0), (CONTEXT, 0)), mode="reflect"), False
        while not first and held.shape[1] > PIECE + 2 * CONTEXT:
            yield held[:, : PIECE - 1 + 2 * CONTEXT]
            held = held[:, PIECE:]
    mode: Literal["reflect", "constant"] = "reflect" if held.shape[1] > 1 else "constant"
    yield np.pad(held, ((0, 0), (CONTEXT if first else 0, CONTEXT)), mode=mode)
