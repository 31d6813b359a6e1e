"""Likelihood of each English sound at each moment.

A decoder names one phone at a time; the mixtures of Gaussians it rests on say how well every phone fits, which tells
more: half an open vowel, or something between P and F. It also holds in other languages, as far as sounds go.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy.fft import dct, rfft

from mggtalk.runtime.kernels import helper, kernel
from mggtalk.speech.acoustic_model import CEPSTRA, STATES, STREAMS, AcousticModel, acoustic_model

RATE = 16000
"""Sampling rate in Hz that everything here is defined for."""

CLOCK = 100.0
"""Frames a second; frame ``i`` is centred on the time ``i / 100`` s."""

WINDOW = 410
"""Samples of a window (25.6 ms)."""

HOP = 160
"""Samples between frames."""

FILTERS = 25
"""Mel bands."""

BAND = (130.0, 6800.0)
"""Their lowest and highest frequency, Hz."""

LIFTER = 22
"""Length of the sine window over the cepstra."""

SHARPNESS = 0.25
"""Exponent of the likelihoods: neighbouring frames and streams are not independent, so the product is too sure."""

BLOCK = 100
"""Frames that are scored at a time: their exponents fit into the processor's cache."""

LEAST_POWER = 1.0
"""Power in a band that the faintest noise of 16 bits exceeds; digital silence is raised to it."""

CONTEXT = 3
"""Frames to each side that slopes and curvatures reach."""

BIT = math.log(2.0)


def cepstra(emphasised: np.ndarray) -> np.ndarray:
    """Mel cepstra as the acoustic model takes them, before their mean is subtracted.

    Args:
        emphasised: float ``[205 + N + 205]`` at 16 kHz: samples in [-1, 1] behind a high-pass filter
            ``x_n - 0.97 x_(n-1)``, with what surrounds them.

    Returns:
        ``[N // 160 + 1, 13]`` float32.
    """
    frames = np.lib.stride_tricks.sliding_window_view(emphasised, WINDOW)[::HOP]  # [C, 410], a view
    window = 32768.0 * np.hamming(WINDOW)
    spectrum = rfft(frames * window.astype(np.float32), 512)  # [C, 257]
    power = spectrum.real**2 + spectrum.imag**2
    bands = (power @ _filters().T).astype(np.float32)  # [C, 25]
    values = dct(np.log(np.maximum(bands, LEAST_POWER)), type=2, norm="ortho", axis=1)[:, :CEPSTRA]  # [C, 13]
    return (values * (1.0 + LIFTER / 2 * np.sin(np.pi * np.arange(CEPSTRA) / LIFTER))).astype(np.float32)


def state_scores(values: np.ndarray, low: int, high: int, model: AcousticModel | None = None) -> np.ndarray:
    """Score how well some frames fit each state of each phone.

    Args:
        values: :func:`cepstra` of a whole recording without their mean, ``[C, 13]``.
        low: First frame.
        high: Behind the last.
        model: The embedded one by default.

    Returns:
        Log likelihoods ``[high - low, P, 3]`` float32. They do not depend on how a recording is cut into frames.
    """
    model = model or acoustic_model()
    streams = _streams(values, low, high)  # [3, n, 13]
    phones = len(model.phones)
    total = np.zeros((high - low, phones, STATES), np.float32)
    terms = np.ones((BLOCK, 2 * CEPSTRA + 1), np.float32)  # [B, 27]: x^2, x, 1
    exponents = np.empty((BLOCK, model.square.shape[-1]), np.float32)  # [B, P * 128], used again and again
    for start in range(0, high - low, BLOCK):
        for stream, square, mixture in zip(streams, model.square, model.mixture):
            part = stream[start : start + BLOCK]
            count = len(part)
            terms[:count, :CEPSTRA], terms[:count, CEPSTRA:-1] = part * part, part
            np.matmul(terms[:count], square, out=exponents[:count])
            _mix(exponents[:count].reshape(count, phones, -1), mixture, total[start : start + BLOCK])
    return total


def posteriors(scores: np.ndarray) -> np.ndarray:
    """Compute the likelihood of each phone, ``[n, P]`` float32 with sums of 1, from scores of states ``[n, P, 3]``."""
    score = SHARPNESS * scores.max(-1)
    share = np.exp(score - score.max(1, keepdims=True))
    return share / share.sum(1, keepdims=True)


@helper
def _power_of_two(value: float) -> float:
    """``2 ** value`` for a value of at most 0, to six digits."""
    value = max(np.float32(-120.0), value)  # type: ignore[assignment]
    whole = np.floor(value)
    rest = value - whole
    share = np.float32(0.00961813) + rest * np.float32(0.00133336)
    share = np.float32(0.24022651) + rest * (np.float32(0.05550411) + rest * share)
    share = np.float32(1.0) + rest * (np.float32(0.69314718) + rest * share)
    return np.int32((np.int32(whole) + np.int32(127)) << np.int32(23)).view(np.float32) * share


@kernel
def _mix(exponents: np.ndarray, mixture: np.ndarray, total: np.ndarray) -> None:
    """Add a stream's log likelihoods.

    Args:
        exponents: Of the Gaussians, to the base 2, ``[B, P, 128]`` float32.
        mixture: ``[P, 3, 128]``.
        total: ``[B, P, 3]``, is added to.
    """
    least = np.float32(1e-12)
    for phone in range(mixture.shape[0]):
        weights0, weights1, weights2 = mixture[phone, 0], mixture[phone, 1], mixture[phone, 2]
        for frame in range(exponents.shape[0]):
            row = exponents[frame, phone]
            highest = row[0]
            for place in range(1, row.shape[0]):
                highest = max(highest, row[place])
            sum0 = sum1 = sum2 = least
            for place in range(row.shape[0]):
                density = _power_of_two(row[place] - highest)
                sum0 += density * weights0[place]
                sum1 += density * weights1[place]
                sum2 += density * weights2[place]
            common = highest * np.float32(BIT)
            total[frame, phone, 0] += common + np.log(sum0)
            total[frame, phone, 1] += common + np.log(sum1)
            total[frame, phone, 2] += common + np.log(sum2)


def _streams(values: np.ndarray, low: int, high: int) -> np.ndarray:
    """Cepstra of some frames with their slopes over four frames and the slopes' change over two, ``[3, n, 13]``."""
    place = np.arange(low - CONTEXT, high + CONTEXT).clip(0, len(values) - 1)
    padded = values[place]  # [n + 6, 13]

    def at(offset: int) -> np.ndarray:
        return padded[CONTEXT + offset : len(padded) - CONTEXT + offset]

    parts = (at(0), at(2) - at(-2), (at(3) - at(-1)) - (at(1) - at(-3)))
    assert len(parts) == STREAMS
    return np.stack(parts).astype(np.float32)


@lru_cache(maxsize=1)
def _filters() -> np.ndarray:
    """Triangles of equal area on the mel scale ``2595 log10(1 + f / 700)``, ``[25, 257]``."""
    low, high = (2595.0 * np.log10(1.0 + edge / 700.0) for edge in BAND)
    step = RATE / 512
    corners = np.round(700.0 * (10.0 ** (np.linspace(low, high, FILTERS + 2) / 2595.0) - 1.0) / step) * step  # [27]
    bins = np.arange(257) * step
    rising = (bins - corners[:-2, None]) / np.diff(corners)[:-1, None]  # [25, 257]
    falling = (corners[2:, None] - bins) / np.diff(corners)[1:, None]
    filters = np.clip(np.minimum(rising, falling), 0.0, None)
    return (filters * (2.0 / (corners[2:] - corners[:-2]))[:, None]).astype(np.float32)
