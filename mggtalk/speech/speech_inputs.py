"""Inputs of the audio prior from a recording: mel bands, likely phones, the rules' own lips, on one clock.

====================  ========  =====================================================================
channels              how many  what
====================  ========  =====================================================================
mel                   80        in the setting of Wav2Lip and ExpNet, without the recording's mean
phone posteriors      42        square roots, see :func:`mggtalk.speech.phones.recognise`
curves                5         loudness, activity, openness, centroid, frication
rules                 12        mouth and jaw weights of the timed phones, before closures are cut in
sounds                D         of a speech encoder, where there is one
====================  ========  =====================================================================
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.ndimage import binary_closing, gaussian_filter1d, maximum_filter1d

from mggtalk.face.blendshapes import INDEX
from mggtalk.speech.acoustic import CLOCK as PHONE_CLOCK
from mggtalk.speech.features import FRAMES_PER_SECOND, N_MELS
from mggtalk.speech.hearing import Speech
from mggtalk.speech.visemes import CLOCK as RULE_CLOCK

CLOCK = 50.0
"""Frames a second of the inputs; frame ``i`` is centred on the time ``i / 50`` s."""

RULES = tuple(
    INDEX[name]
    for name in (
        "jawOpen", "mouthFunnel", "mouthPucker", "mouthSmileLeft", "mouthStretchLeft", "mouthUpperUpLeft",
        "mouthLowerDownLeft", "mouthPressLeft", "mouthRollLower", "mouthRollUpper", "mouthShrugUpper",
        "mouthDimpleLeft",
    )
)  # fmt: skip
"""Blendshapes that the rules move; both sides are alike."""

PHONES = 42
"""Phones of the acoustic model, with silence and noises."""

CHANNELS = N_MELS + PHONES + 5 + len(RULES)
"""C, the width of the inputs without the sounds of a speech encoder."""

SMOOTHING = 0.008
"""Standard deviation in seconds of the smoothing before a curve is sampled."""

PAUSE = 0.9
"""Seconds of a pause in which people keep their lips open; in longer ones they close them."""

REACH = 0.15
"""Seconds by which lips may be open before and after speech."""

FADE = 0.08
"""Standard deviation in seconds of the gate's flanks."""


class SpeechInputs(NamedTuple):
    """Inputs of the audio prior over F frames."""

    channels: np.ndarray  # [F, C] or [F, C + D] float32
    gate: np.ndarray  # [F] float32 in [0, 1]: 0 where nobody speaks


def speech_inputs(speech: Speech, rules: np.ndarray) -> SpeechInputs:
    """Bring all that is known of a recording, or of a part of one, to one clock.

    Args:
        speech: What was measured and understood.
        rules: Mouth curves of the rules ``[C, 52]``, 100 frames a second.

    Returns:
        ``floor(seconds * 50) + 1`` frames.
    """
    features = speech.features
    frames = int(speech.seconds * CLOCK) + 1
    curves = (features.loudness, features.active, features.openness, features.centroid, features.frication)
    parts = [
        _on_clock(features.mel - speech.mel, FRAMES_PER_SECOND, frames),
        np.sqrt(_on_clock(speech.likely, PHONE_CLOCK, frames)),
        _on_clock(np.stack(curves, axis=1), FRAMES_PER_SECOND, frames),
        _on_clock(rules[:, RULES], RULE_CLOCK, frames),
    ]
    if speech.sounds is not None:
        place = np.minimum(np.arange(frames), len(speech.sounds) - 1)
        parts.append(speech.sounds[place].astype(np.float32))
    return SpeechInputs(np.concatenate(parts, axis=1), speech_gate(features.active, frames))


def speech_gate(active: np.ndarray, frames: int) -> np.ndarray:
    """A gate that opens a little before speech, closes a little after it and stays open in short pauses.

    Args:
        active: ``[A]`` bool, 80 frames a second.
        frames: F.

    Returns:
        ``[F]`` float32 in [0, 1], 50 frames a second.
    """
    pause = round(PAUSE * FRAMES_PER_SECOND)
    bridged = binary_closing(np.pad(active, pause), np.ones(pause, bool))[pause:-pause]  # [A]
    wide = maximum_filter1d(bridged.astype(np.float32), 2 * round(REACH * FRAMES_PER_SECOND) + 1)
    soft = gaussian_filter1d(wide, FADE * FRAMES_PER_SECOND, mode="nearest")  # [A]
    place = np.arange(frames) / CLOCK * FRAMES_PER_SECOND
    return np.interp(place, np.arange(len(soft)), soft).astype(np.float32)


def _on_clock(values: np.ndarray, rate: float, frames: int) -> np.ndarray:
    """Curves ``[A, n]`` of another rate at the inputs' moments ``[F, n]`` float32."""
    smooth = gaussian_filter1d(values.astype(np.float32), SMOOTHING * rate, axis=0, mode="nearest")
    place = np.minimum(np.arange(frames) / CLOCK * rate, len(smooth) - 1)
    low = np.minimum(place.astype(int), max(len(smooth) - 2, 0))
    share = (place - low)[:, None].astype(np.float32)
    return (1.0 - share) * smooth[low] + share * smooth[np.minimum(low + 1, len(smooth) - 1)]
