"""Inputs of the audio prior from a recording: likely phones or an encoder's sounds, and when lips are at work."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d

from mggtalk.speech.acoustic import CLOCK as PHONE_CLOCK
from mggtalk.speech.features import FRAMES_PER_SECOND
from mggtalk.speech.hearing import Speech

CLOCK = 50.0
"""Frames a second of the inputs; frame ``i`` is centred on the time ``i / 50`` s."""

PHONES = 42
"""Phones of the acoustic model, with silence and noises."""

SMOOTHING = 0.008
"""Standard deviation in seconds of the smoothing before a curve is sampled."""

PAUSE = 0.35
"""Seconds of a pause from which on lips close."""

ENDING = (0.3, 0.3)
"""Lips stay with what is heard for this share of a pause, and for so many seconds of it at most; ..."""

ONSET = (0.25, 0.3)
"""... and part for the next phrase at the same before the pause's end."""

FADE = 0.03
"""Standard deviation in seconds of the gate's flanks."""

BREATH_PAUSE = 1.0
"""Seconds of a pause from which on the next phrase begins with a breath."""

BREATH = (0.38, 0.1)
"""Seconds before speech of the middle of that breath, and its standard deviation."""


class SpeechInputs(NamedTuple):
    """Inputs of the audio prior over F frames."""

    channels: np.ndarray  # [F, P] float32: square roots of the likelihoods of phones, or [F, D]: sounds of an encoder
    gate: np.ndarray  # [F] float32 in [0, 1]: 0 where nobody speaks
    usual: np.ndarray  # [P] or [D] float32: mean of the channels while somebody speaks, over the whole recording
    spoken: float  # seconds of speech in it


def speech_inputs(speech: Speech) -> SpeechInputs:
    """Bring what is known of a recording, or of a part of one, to one clock.

    Args:
        speech: What was measured and understood. Where an encoder heard it, its sounds are taken.

    Returns:
        ``floor(seconds * 50) + 1`` frames.
    """
    frames = int(speech.seconds * CLOCK) + 1
    if speech.sounds is None:
        assert speech.likely is not None
        channels = np.sqrt(_on_clock(speech.likely[:], PHONE_CLOCK, frames))
    else:
        channels = speech.sounds[:][np.minimum(np.arange(frames), len(speech.sounds) - 1)].astype(np.float32)
    return SpeechInputs(channels, speech_gate(speech.features.active, frames), speech.usual, speech.spoken)


def speech_gate(active: np.ndarray, frames: int) -> np.ndarray:
    """A gate that opens before speech, closes after it and stays open in short pauses.

    In three of four pauses of 0.35 to 1 s real speakers keep their lips apart (15 clips); viewers take an open mouth in
    a pause for a fault, so it closes here.

    Args:
        active: ``[A]`` bool, 80 frames a second.
        frames: F.

    Returns:
        ``[F]`` float32 in [0, 1], 50 frames a second.
    """
    curve = np.zeros(len(active), np.float32)
    spoken = phrases(active)
    ends, starts = [-math.inf, *(end for _, end in spoken)], [*(start for start, _ in spoken[1:]), math.inf]
    for (start, end), before, after in zip(spoken, ends, starts):
        first = start - min(ONSET[0] * (start - before), ONSET[1])
        last = end + min(ENDING[0] * (after - end), ENDING[1])
        curve[max(round(first * FRAMES_PER_SECOND), 0) : round(last * FRAMES_PER_SECOND)] = 1.0
    soft = gaussian_filter1d(curve, FADE * FRAMES_PER_SECOND, mode="nearest")  # [A]
    place = np.arange(frames) / CLOCK * FRAMES_PER_SECOND
    return np.interp(place, np.arange(len(soft)), soft).astype(np.float32)


def phrases(active: np.ndarray) -> list[tuple[float, float]]:
    """Stretches of speech without a pause of :data:`PAUSE`: first and last moment, seconds.

    Args:
        active: ``[A]`` bool, 80 frames a second.
    """
    spoken = np.flatnonzero(active)
    if len(spoken) == 0:
        return []
    breaks = np.flatnonzero(np.diff(spoken) > PAUSE * FRAMES_PER_SECOND)
    starts, ends = spoken[np.append(0, breaks + 1)], spoken[np.append(breaks, len(spoken) - 1)] + 1
    return [(start / FRAMES_PER_SECOND, end / FRAMES_PER_SECOND) for start, end in zip(starts, ends)]


def breaths(active: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """Breaths that are drawn at the end of long pauses, before the next phrase.

    Args:
        active: ``[A]`` bool, 80 frames a second.
        moments: ``[T]`` seconds.

    Returns:
        How far the mouth is open for one, ``[T]`` float32 in [0, 1].
    """
    curve = np.zeros(len(moments))
    before, deviation = BREATH
    end = 0.0
    for start, last in phrases(active):
        if start - end >= BREATH_PAUSE:
            curve = np.maximum(curve, np.exp(-0.5 * ((moments - start + before) / deviation) ** 2))
        end = last
    return curve.astype(np.float32)


def _on_clock(values: np.ndarray, rate: float, frames: int) -> np.ndarray:
    """Curves ``[A, n]`` of another rate at the inputs' moments ``[F, n]`` float32."""
    smooth = gaussian_filter1d(values.astype(np.float32), SMOOTHING * rate, axis=0, mode="nearest")
    place = np.minimum(np.arange(frames) / CLOCK * rate, len(smooth) - 1)
    low = np.minimum(place.astype(int), max(len(smooth) - 2, 0))
    share = (place - low)[:, None].astype(np.float32)
    return (1.0 - share) * smooth[low] + share * smooth[np.minimum(low + 1, len(smooth) - 1)]
