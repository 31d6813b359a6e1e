"""Principal directions of a speech encoder's hidden states: those along which speech differs most."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from mggtalk.errors import OptionError
from mggtalk.media.sound import Sound
from mggtalk.speech.speech_encoder import CLOCK, FIRST, HOP, LAP, Ears, SpeechEncoder

SPREAD = 0.075
"""Root mean square of the sounds: what the filter's ridge weight is made for."""


def fit_ears(encoder: SpeechEncoder, sounds: Iterable[Sound], size: int) -> Ears:
    """Principal components of hidden states, half whitened: each is divided by the root of its standard deviation.

    Hidden states also tell their place in the window. What they are there on average is taken away first.

    Args:
        encoder: Hears.
        sounds: Recordings of speech, at 16 kHz; nothing needs to be known of them.
        size: D, how many components.

    Raises:
        OptionError: If the encoder is not as wide, or there is nothing to hear.
    """
    if not 1 <= size <= encoder.width:
        raise OptionError(f"The number of sounds is {size}.", f"Choose 1 to {encoder.width}.")
    count = np.zeros((encoder.places, 1))
    total = np.zeros((encoder.places, encoder.width))
    product = np.zeros((encoder.width, encoder.width))
    for sound in sounds:
        frames = len(sound.samples) // HOP + 1
        padded = np.pad(sound.samples, (LAP * HOP // 2 + FIRST, encoder.window + 2 * FIRST))
        for start in range(-LAP // 2, frames, encoder.places - LAP):
            first = (start + LAP // 2) * HOP
            states = encoder(padded[first : first + encoder.window + 2 * FIRST]).numpy().astype(np.float64)  # [n, H]
            place = start + np.arange(encoder.places)
            inside = ((place >= 0) & (place < frames))[:, None]
            count, total, product = count + inside, total + inside * states, product + (inside * states).T @ states
    if count.min() < 1 or count.sum() < 2 * size:
        raise OptionError(f"There are {count.sum() / CLOCK:.1f} s of sound to hear.", "Give more clips.")
    mean = total / count  # [n, H]
    power, directions = np.linalg.eigh((product - (count * mean).T @ mean) / count.sum())  # ascending
    power, directions = np.maximum(power[::-1][:size], 1e-9), directions[:, ::-1][:, :size]  # [D], [H, D]
    basis = directions * (SPREAD * power**-0.25 / np.sqrt(np.mean(np.sqrt(power))))
    return Ears(encoder, torch.from_numpy(basis.copy()).float(), torch.from_numpy(mean @ basis).float())
