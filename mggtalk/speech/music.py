"""Voice or music: where a recording is loud, but nobody speaks.

A voice is made of sounds that are like phones, one clearly and then the next; in music few phones are likely at all,
unclear, and for long. A logistic regression on the likely phones of two seconds tells them apart
(``scripts/train_music.py``; what it was trained on and how often it errs stands in the model card). It errs towards
speech: lips that move to music look odd, lips that rest while somebody speaks look broken.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from safetensors.numpy import load_file
from scipy.ndimage import gaussian_filter1d

from mggtalk.runtime.cache import EMBEDDED
from mggtalk.runtime.rows import Rows
from mggtalk.speech.acoustic import CLOCK
from mggtalk.speech.features import FRAMES_PER_SECOND

WINDOW = 2
"""Seconds that are looked at together; windows begin one second apart."""

SPREAD = 1.5
"""Standard deviation in windows of the mean over neighbouring windows."""

DOUBT = 2.0
"""Windows of no evidence that are thought beside a recording's own, so that a short one has to be clear music."""

MUSIC = -1.25
"""Mean log odds of a voice below which it is music."""

ACTIVE = 0.3
"""Share of a window that is loud; quieter windows say nothing."""


def sound_of_seconds(likely: np.ndarray) -> np.ndarray:
    """Describe each second by its likely phones.

    Args:
        likely: How likely each phone is, ``[C, P]``, 100 frames a second, see :func:`mggtalk.speech.phones.recognise`.

    Returns:
        ``[S, P + 3]`` float32 for S whole seconds: mean likelihoods, and the means of the highest one, of the entropy,
        and of the share that passes to other phones with each frame.
    """
    seconds = len(likely) // int(CLOCK)
    described = np.empty((seconds, likely.shape[1] + 3), np.float32)
    for second in range(seconds):
        frames = likely[second * int(CLOCK) : (second + 1) * int(CLOCK)].astype(np.float32)  # [100, P]
        entropy = -(frames * np.log(frames + 1e-6)).sum(1)  # [100]
        change = 0.5 * np.abs(np.diff(frames, axis=0)).sum(1)  # [99]
        described[second] = (*frames.mean(0), frames.max(1).mean(), entropy.mean(), change.mean())
    return described


class Seconds:
    """:func:`sound_of_seconds` of likely phones that come piece by piece."""

    def __init__(self) -> None:
        self._described = Rows()
        self._rest: np.ndarray | None = None  # [n, P] of a second that is not whole yet

    def add(self, likely: np.ndarray) -> None:
        """Describe the next frames ``[n, P]``."""
        held = likely if self._rest is None else np.concatenate([self._rest, likely])
        whole = len(held) // int(CLOCK) * int(CLOCK)
        self._described.add(sound_of_seconds(held[:whole]))
        self._rest = held[whole:].copy()

    def take(self) -> np.ndarray:
        """All of them, ``[S, P + 3]``."""
        return self._described.take()


def describe_windows(described: np.ndarray, active: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inputs of the regression for each window of two seconds.

    Args:
        described: ``[S, P + 3]``, see :func:`sound_of_seconds`.
        active: ``[A]`` bool, 80 frames a second: it is loud.

    Returns:
        ``[W, P + 3]`` float32 (roots of the mean likelihoods first), and ``[W]`` bool: loud enough to tell.
    """
    count = max(len(described) - WINDOW + 1, 0)
    inputs = np.mean([described[start : start + count] for start in range(WINDOW)], axis=0)  # [W, P + 3]
    inputs[:, :-3] **= 0.5
    rate = int(FRAMES_PER_SECOND)
    loud = np.array([active[first * rate : (first + WINDOW) * rate].mean() > ACTIVE for first in range(count)], bool)
    return inputs, loud


def voice_evidence(described: np.ndarray, active: np.ndarray) -> np.ndarray:
    """Log odds that somebody speaks, ``[W]`` float32 for windows of two seconds, a second apart; 0 says nothing.

    Args:
        described: ``[S, P + 3]``, see :func:`sound_of_seconds`.
        active: ``[A]`` bool, 80 frames a second: it is loud.
    """
    inputs, loud = describe_windows(described, active)
    if not len(inputs):
        return np.zeros(0, np.float32)
    return average_evidence(log_odds(inputs, loud, _weights())).astype(np.float32)


def log_odds(inputs: np.ndarray, loud: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Log odds of a voice in each window ``[W]``, 0 in quiet ones, for weights and constant ``[P + 4]``."""
    return np.where(loud, inputs @ weights[:-1] + weights[-1], 0.0)


def average_evidence(odds: np.ndarray) -> np.ndarray:
    """Mean log odds ``[W]`` over neighbouring windows, nearer to zero where a recording has few of them."""
    return len(odds) / (len(odds) + DOUBT) * gaussian_filter1d(odds, SPREAD, mode="nearest")


def find_music(described: np.ndarray, active: np.ndarray) -> np.ndarray:
    """Tell where a recording is music, or some other sound that is no voice.

    Args:
        described: ``[S, P + 3]``, see :func:`sound_of_seconds`.
        active: ``[A]`` bool, 80 frames a second: it is loud.

    Returns:
        ``[A]`` bool; nowhere in a recording under two seconds.
    """
    evidence = voice_evidence(described, active)
    if not len(evidence):
        return np.zeros(len(active), bool)
    moments = np.arange(len(active)) / FRAMES_PER_SECOND
    middles = np.arange(len(evidence)) + 0.5 * WINDOW
    return active & (np.interp(moments, middles, evidence) < MUSIC)


@lru_cache(maxsize=1)
def _weights() -> np.ndarray:
    """Weights of the inputs and the constant, ``[P + 4]``."""
    return load_file(EMBEDDED / "music.safetensors")["weights"].astype(np.float32)
