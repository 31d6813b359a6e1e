"""How likely each English sound is at each moment, by the acoustic model inside pocketsphinx's wheel.

The decoder names one phone at a time; the mixtures of Gaussians it rests on say how well every phone fits, which tells
more: half an open vowel, or something between P and F. It also holds in other languages, as far as sounds go.

The model is phonetically tied: each of the 42 context-free phones has a codebook of 128 Gaussians per stream, and three
states that weigh them. Streams are cepstra, their slopes and their curvatures, 13 values each. With mixture weights
``w`` a state's log likelihood is ``sum_streams log sum_d w_d N(x; mu_d, sigma_d)``.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pocketsphinx import get_model_path
from scipy.fft import dct

from mggtalk.errors import WeightsMissingError
from mggtalk.motion.features import RATE

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

CEPSTRA = 13
"""Values per stream."""

LIFTER = 22
"""Length of the sine window over the cepstra."""

STREAMS = 3
"""Cepstra, slopes, curvatures."""

STATES = 3
"""States of a phone."""

SHARPNESS = 0.25
"""Exponent of the likelihoods: neighbouring frames and streams are not independent, so the product is too sure."""

BLOCK = 500
"""Frames that are scored at a time, to bound memory."""

CONTEXT = 3
"""Frames to each side that slopes and curvatures reach."""


class AcousticModel(NamedTuple):
    """The mixtures of P = 42 phones."""

    phones: tuple[str, ...]  # names, [P]
    square: np.ndarray  # [3, 26, P * 128] weights of (x^2, x) in the exponent
    constant: np.ndarray  # [3, P * 128]
    mixture: np.ndarray  # [3, P, 128, 3] weights of the Gaussians in each state


@lru_cache(maxsize=1)
def acoustic_model() -> AcousticModel:
    """Read the model.

    Raises:
        WeightsMissingError: If the package does not hold the model that is known here.
    """
    folder = Path(get_model_path("en-us")) / "en-us"
    try:
        means, variances = (_gaussians(folder / name) for name in ("means", "variances"))  # [P, 3, 128, 13]
        names, weights = _phones(folder / "mdef"), _mixture_weights(folder / "sendump")  # [P], [3, 128, senones]
    except (OSError, ValueError, struct.error) as error:
        raise WeightsMissingError(
            f"The acoustic model in {folder} cannot be read ({error}).", "Install pocketsphinx 5.1 anew."
        ) from error
    count = len(names)
    variances = np.maximum(variances, 1e-4)
    precision = 1.0 / variances
    square = np.concatenate([-0.5 * precision, means * precision], axis=-1)  # [P, 3, 128, 26]
    constant = -0.5 * (np.log(2.0 * np.pi * variances) + means**2 * precision).sum(-1)  # [P, 3, 128]
    states = weights[..., : count * STATES].reshape(STREAMS, -1, count, STATES).transpose(0, 2, 1, 3)  # [3, P, 128, 3]
    return AcousticModel(
        phones=names,
        square=np.ascontiguousarray(square.transpose(1, 3, 0, 2).reshape(STREAMS, 2 * CEPSTRA, -1), np.float32),
        constant=np.ascontiguousarray(constant.transpose(1, 0, 2).reshape(STREAMS, -1), np.float32),
        mixture=np.ascontiguousarray(states / states.sum(2, keepdims=True), np.float32),
    )


def cepstra(samples: np.ndarray) -> np.ndarray:
    """Mel cepstra as the acoustic model takes them, before their mean is subtracted.

    Args:
        samples: float ``[N]`` at 16 kHz, in [-1, 1].

    Returns:
        ``[N // 160 + 1, 13]`` float32.
    """
    emphasised = np.append(samples[:1], samples[1:] - 0.97 * samples[:-1]) * 32768.0  # [N]
    padded = np.pad(emphasised.astype(np.float32), WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]  # [C, 410], a view
    window = np.hamming(WINDOW).astype(np.float32)
    bands = np.empty((len(frames), FILTERS), np.float32)
    for start in range(0, len(frames), 8 * BLOCK):
        power = np.abs(np.fft.rfft(frames[start : start + 8 * BLOCK] * window, 512)) ** 2  # [block, 257]
        bands[start : start + 8 * BLOCK] = power @ _filters().T
    values = dct(np.log(np.maximum(bands, 1e-4)), type=2, norm="ortho", axis=1)[:, :CEPSTRA]  # [C, 13]
    return (values * (1.0 + LIFTER / 2 * np.sin(np.pi * np.arange(CEPSTRA) / LIFTER))).astype(np.float32)


def phone_posteriors(values: np.ndarray, model: AcousticModel | None = None) -> np.ndarray:
    """How likely each phone is in each frame.

    Args:
        values: :func:`cepstra` of a whole recording, ``[C, 13]``; their mean is taken as the voice and the microphone.
        model: The embedded one by default.

    Returns:
        ``[C, P]`` float32, sums are 1. Frames of equal context have equal posteriors, however they are cut into blocks.
    """
    model = model or acoustic_model()
    streams = _streams(values - values.mean(0))  # [3, C, 13]
    posteriors = np.empty((len(values), len(model.phones)), np.float32)
    for start in range(0, len(values), BLOCK):
        score = SHARPNESS * _log_likelihoods(streams[:, start : start + BLOCK], model).max(-1)  # [block, P]
        share = np.exp(score - score.max(1, keepdims=True))
        posteriors[start : start + BLOCK] = share / share.sum(1, keepdims=True)
    return posteriors


def _log_likelihoods(streams: np.ndarray, model: AcousticModel) -> np.ndarray:
    """``[3, B, 13]`` to log likelihoods of the states ``[B, P, 3]``."""
    frames, count = streams.shape[1], len(model.phones)
    total = np.zeros((frames, count, STATES), np.float32)
    for values, square, constant, mixture in zip(streams, model.square, model.constant, model.mixture):
        exponent = np.concatenate([values * values, values], axis=1) @ square + constant  # [B, P * 128]
        exponent = exponent.reshape(frames, count, -1)  # [B, P, 128]
        highest = exponent.max(-1, keepdims=True)
        density = np.exp(exponent - highest, out=exponent).transpose(1, 0, 2) @ mixture  # [P, B, 3]
        total += np.log(density + 1e-12).transpose(1, 0, 2) + highest
    return total


def _streams(values: np.ndarray) -> np.ndarray:
    """Cepstra ``[C, 13]`` with their slopes over four frames and the slopes' change over two, ``[3, C, 13]``."""
    padded = np.pad(values, ((CONTEXT, CONTEXT), (0, 0)), mode="edge")

    def at(offset: int) -> np.ndarray:
        return padded[CONTEXT + offset : len(padded) - CONTEXT + offset]

    return np.stack([values, at(2) - at(-2), (at(3) - at(-1)) - (at(1) - at(-3))]).astype(np.float32)


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


def _gaussians(path: Path) -> np.ndarray:
    """A file of means or variances, ``[P, 3, 128, 13]``: a header in text, then counts and numbers in binary."""
    content = path.read_bytes()
    place = content.index(b"endhdr\n") + len(b"endhdr\n")
    mark, codebooks, streams, densities, *lengths = struct.unpack_from("<I3i3i", content, place)
    (count,) = struct.unpack_from("<i", content, place + 28)
    if mark != 0x11223344 or streams != STREAMS or set(lengths) != {CEPSTRA}:
        raise ValueError(f"{path.name} is of another kind")
    numbers = np.frombuffer(content, "<f4", count, place + 32)
    return numbers.reshape(codebooks, streams, densities, CEPSTRA).astype(np.float64)


def _mixture_weights(path: Path) -> np.ndarray:
    """The mixture weights ``[3, 128, senones]``, stored in bytes as negative logarithms in steps of 1024 log 1.0001."""
    content = path.read_bytes()
    place = 0
    while True:
        (length,) = struct.unpack_from("<i", content, place)
        place += 4 + length
        if length == 0:
            break
    densities, senones = struct.unpack_from("<2i", content, place)
    levels = np.frombuffer(content, np.uint8, STREAMS * densities * senones, place + 8)
    return np.exp(-1024.0 * np.log(1.0001) * levels.reshape(STREAMS, densities, senones))


def _phones(path: Path) -> tuple[str, ...]:
    """Names of the context-free phones, in their order."""
    content = path.read_bytes()
    end = b"END FILE FORMAT DESCRIPTION\n"
    place = content.index(end) + len(end)
    while content[place] == 0:
        place += 1
    (count,) = struct.unpack_from("<i", content, place)
    names = content[place + 40 :].split(b"\0", count)[:count]
    return tuple(name.decode("ascii") for name in names)
