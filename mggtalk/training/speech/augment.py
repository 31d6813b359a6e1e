"""Other voices, rooms and tempos for the same lips."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.signal import fftconvolve, resample_poly

from mggtalk.media.sound import Sound
from mggtalk.training.speech.config import SpeechAugmentConfig

GRAIN = 640
"""Length of the overlapping pieces in which a sound is stretched, samples at 16 kHz."""

SLACK = 160
"""Most that a piece is moved to fit to the one before it, samples."""


class Variant(NamedTuple):
    """A changed recording."""

    sound: Sound
    speed: float  # of sound and picture; over 1 is faster


def vary(sound: Sound, generator: np.random.Generator, config: SpeechAugmentConfig) -> Variant:
    """Change speed, pitch and spectrum of a recording, and add noise.

    Args:
        sound: At 16 kHz.
        generator: Source of chance.
        config: How far.
    """
    speed = 1.0 + config.speed * generator.uniform(-1.0, 1.0)
    pitch = 2.0 ** (config.semitones * generator.uniform(-1.0, 1.0) / 12.0)
    samples = resample(sound.samples, pitch)  # higher and shorter
    samples = stretch(samples, pitch / speed)
    samples = tilt(samples, config.tilt * generator.uniform(-1.0, 1.0))
    decibels = generator.uniform(*config.noise)
    noise = coloured_noise(len(samples), generator.uniform(0.0, 1.5), generator)
    level = math.sqrt(float(np.mean(samples**2))) / 10.0 ** (decibels / 20.0)
    samples = samples + level * noise
    peak = max(float(np.abs(samples).max()), 1e-6)
    return Variant(Sound((samples * (0.8 / peak)).astype(np.float32), sound.rate), speed)


def resample(samples: np.ndarray, factor: float) -> np.ndarray:
    """Play samples ``[N]`` faster by a factor, which raises their pitch; ``[N / factor]``."""
    down = round(100 * factor)
    return resample_poly(samples, 100, down).astype(np.float32)


def stretch(samples: np.ndarray, factor: float) -> np.ndarray:
    """Make samples ``[N]`` longer by a factor without changing their pitch: overlapped, aligned pieces (WSOLA)."""
    hop = GRAIN // 2
    window = np.hanning(GRAIN + 1)[:-1].astype(np.float32)
    count = max(int(len(samples) * factor / hop), 1)
    padded = np.pad(samples, (SLACK, GRAIN + hop + 2 * SLACK))
    result = np.zeros((count + 1) * hop, np.float32)
    place = 0
    for index in range(count):
        wanted = min(int(index * hop / factor), len(samples))
        if index:
            follow = padded[SLACK + place + hop : SLACK + place + hop + GRAIN]  # what would come next
            near = padded[wanted : wanted + GRAIN + 2 * SLACK]
            place = wanted - SLACK + int(fftconvolve(near, follow[::-1], mode="valid").argmax())
        else:
            place = wanted
        start = max(place + SLACK, 0)
        result[index * hop : index * hop + GRAIN] += window * padded[start : start + GRAIN]
    return result


def tilt(samples: np.ndarray, decibels: float) -> np.ndarray:
    """Raise the spectrum of samples ``[N]`` by so many decibels from 250 Hz to 4 kHz, or lower it."""
    spectrum = np.fft.rfft(samples)
    octaves = np.log2(np.maximum(np.fft.rfftfreq(len(samples), 1.0 / 16000), 50.0) / 1000.0)
    gain = 10.0 ** (decibels / 4.0 * np.clip(octaves, -2.0, 2.0) / 20.0)
    return np.fft.irfft(spectrum * gain, len(samples)).astype(np.float32)


def coloured_noise(count: int, slope: float, generator: np.random.Generator) -> np.ndarray:
    """Noise ``[count]`` of mean square one whose power falls as ``f^-slope``."""
    spectrum = np.fft.rfft(generator.standard_normal(count))
    frequency = np.maximum(np.fft.rfftfreq(count, 1.0 / 16000), 50.0)
    noise = np.fft.irfft(spectrum * frequency ** (-slope / 2.0), count)
    return (noise / max(float(noise.std()), 1e-9)).astype(np.float32)
