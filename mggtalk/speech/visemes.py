"""Lip shapes of phones, and how they run into each other.

Weights are blendshape scores relative to a face at rest, in the strength in which a face tracker sees them in ordinary
speech: a wide open vowel has a ``jawOpen`` of about a half. Linear models overshoot, so lips that just meet are pressed
no harder than it takes.
Each phone pulls at jaw and lips around its moment with a dominance of its own: S cares for the teeth and not for the
lips, W the other way round, H for nothing, so neighbours shine through (co-articulation).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d

from mggtalk.face.blendshapes import INDEX, NAMES
from mggtalk.speech.features import FRAMES_PER_SECOND, SpeechFeatures
from mggtalk.speech.phones import SILENCE, Phone

CLOCK = 100.0
"""Frames a second of the curves in here."""

LEAD = 0.04
"""Seconds by which the lips run ahead of the sound."""

SMOOTHING = 0.022
"""Standard deviation in seconds of the last smoothing: movements faster than some 7 Hz are not lip motion."""

CLOSING = 0.035
"""Standard deviation in seconds of the mouth's opening and closing at the ends of speech: 0.1 s in all."""

RAMP = 0.045
"""Seconds in which lips close for M, B, P, and open again."""

LONGEST_CLOSURE = 0.11
"""Seconds that lips stay closed at most; what is heard longer is the pause before a P, or its burst."""

MIN_SIGMA = 0.035
"""Least standard deviation in seconds of a phone's influence."""

FAR = 1e-3
"""Dominance of a closed mouth, so that it is closed far from all phones."""

BILABIALS = frozenset("MBP")
"""Phones for which the lips meet."""

LABIODENTALS = frozenset("FV")
"""Phones for which the lower lip meets the upper teeth."""

ROUNDING = ("mouthPucker", "mouthFunnel")
"""Blendshapes that round the lips."""


class Viseme(NamedTuple):
    """The look of one sound."""

    weights: dict[str, float]  # blendshape name, or one without its side for both sides
    jaw: float  # dominance over the jaw
    lips: float  # dominance over the lips


# fmt: off
VISEMES = {
    # vowels, from open to close
    "open":   Viseme({"jawOpen": .50, "mouthUpperUp": .08, "mouthLowerDown": .12}, 1.0, 0.7),               # father
    "mid":    Viseme({"jawOpen": .30, "mouthUpperUp": .05, "mouthLowerDown": .08}, 0.8, 0.4),               # hut
    "front":  Viseme({"jawOpen": .36, "mouthStretch": .07, "mouthSmile": .10, "mouthUpperUp": .14,
                      "mouthLowerDown": .13}, 0.9, 0.8),                                                    # bat, bet
    "small":  Viseme({"jawOpen": .20, "mouthStretch": .06, "mouthSmile": .08, "mouthUpperUp": .10,
                      "mouthLowerDown": .10}, 0.7, 0.6),                                                    # bit
    "wide":   Viseme({"jawOpen": .14, "mouthStretch": .10, "mouthSmile": .18, "mouthUpperUp": .12,
                      "mouthLowerDown": .12, "mouthDimple": .05}, 0.8, 1.0),                                # see
    "round":  Viseme({"jawOpen": .36, "mouthFunnel": .14, "mouthPucker": .38, "mouthLowerDown": .05}, 0.9, 1.0),  # law
    "tight":  Viseme({"jawOpen": .16, "mouthFunnel": .10, "mouthPucker": .62}, 0.8, 1.2),                   # two
    "r":      Viseme({"jawOpen": .15, "mouthFunnel": .08, "mouthPucker": .30}, 0.6, 0.8),                   # her, red
    # consonants
    "w":      Viseme({"jawOpen": .09, "mouthFunnel": .08, "mouthPucker": .75}, 1.0, 1.6),                   # we
    "closed": Viseme({"mouthPress": .14, "mouthRollLower": .08, "mouthRollUpper": .06}, 1.6, 1.6),          # me, pea
    "teeth":  Viseme({"jawOpen": .02, "mouthRollLower": .30, "mouthUpperUp": .12, "mouthShrugUpper": .06},
                     1.4, 1.5),                                                                             # fee
    "tongue": Viseme({"jawOpen": .14, "mouthLowerDown": .12, "mouthUpperUp": .06}, 0.8, 0.4),               # the
    "hiss":   Viseme({"jawOpen": .05, "mouthUpperUp": .09, "mouthLowerDown": .12, "mouthStretch": .06},
                     1.8, 0.5),                                                                             # see
    "hush":   Viseme({"jawOpen": .08, "mouthFunnel": .20, "mouthPucker": .34, "mouthUpperUp": .08,
                      "mouthLowerDown": .10}, 1.5, 1.1),                                                    # she
    "tip":    Viseme({"jawOpen": .09, "mouthUpperUp": .06, "mouthLowerDown": .09}, 0.8, 0.3),               # do, no, to
    "l":      Viseme({"jawOpen": .18, "mouthUpperUp": .06, "mouthLowerDown": .08}, 0.6, 0.3),               # low
    "back":   Viseme({"jawOpen": .18, "mouthLowerDown": .05}, 0.4, 0.15),                                   # go, king
    "breath": Viseme({"jawOpen": .24}, 0.15, 0.05),                                                         # he
}
"""Lip shapes by name."""

PHONE_VISEMES = {
    "AA": ("open",), "AH": ("mid",), "AE": ("front",), "EH": ("front",), "IH": ("small",), "IY": ("wide",),
    "AO": ("round",), "UH": ("r",), "UW": ("tight",), "ER": ("r",),
    "AY": ("open", "small"), "AW": ("open", "tight"), "EY": ("front", "wide"), "OW": ("round", "tight"),
    "OY": ("round", "small"),
    "W": ("w",), "R": ("r",), "Y": ("wide",), "L": ("l",),
    "M": ("closed",), "B": ("closed",), "P": ("closed",), "F": ("teeth",), "V": ("teeth",),
    "TH": ("tongue",), "DH": ("tongue",), "S": ("hiss",), "Z": ("hiss",),
    "SH": ("hush",), "ZH": ("hush",), "CH": ("hush",), "JH": ("hush",),
    "T": ("tip",), "D": ("tip",), "N": ("tip",), "K": ("back",), "G": ("back",), "NG": ("back",), "HH": ("breath",),
}
"""One or, for diphthongs, two lip shapes of each phone."""
# fmt: on


def viseme_vector(name: str) -> np.ndarray:
    """Blendshape weights of a lip shape, ``[52]`` float32; a name without a side sets both."""
    vector = np.zeros(len(NAMES), np.float32)
    for shape, weight in VISEMES[name].weights.items():
        sides = (shape,) if shape in INDEX else (f"{shape}Left", f"{shape}Right")
        for side in sides:
            vector[INDEX[side]] = weight
    return vector


def keep_rounding(weights: np.ndarray) -> np.ndarray:
    """Mouth curves ``[..., 52]`` of which nothing is left but what rounds the lips."""
    places = [INDEX[name] for name in ROUNDING]
    kept = np.zeros_like(weights)
    kept[..., places] = weights[..., places]
    return kept


def mouth_from_phones(phones: tuple[Phone, ...], features: SpeechFeatures) -> np.ndarray:
    """Mouth curves of phones before the closures are cut into them.

    Args:
        phones: What is said.
        features: How loud it is said: it scales the jaw, and silence closes the mouth.

    Returns:
        ``[C, 52]`` float32, 100 frames a second.
    """
    times = _times(features)
    shapes = {name: place for place, name in enumerate(VISEMES)}
    near = np.zeros((len(shapes), len(times)), np.float32)  # [S, C] how much of each shape there is
    for phone in phones:
        if phone.name == SILENCE:
            continue
        parts = PHONE_VISEMES[phone.name]
        length = (phone.end - phone.start) / len(parts)
        sigma = max(MIN_SIGMA, 0.45 * length)
        for number, name in enumerate(parts):
            centre = phone.start + (number + 0.5) * length
            low, high = (max(math.ceil((centre + reach) * CLOCK), 0) for reach in (-3 * sigma, 3 * sigma))
            near[shapes[name], low:high] += np.exp(-0.5 * ((times[low:high] - centre) / sigma) ** 2)
    targets = np.stack([viseme_vector(name) for name in VISEMES])  # [S, 52]
    pull = np.array([shape.lips for shape in VISEMES.values()], np.float32)  # [S] dominance
    jaw_pull = np.array([shape.jaw for shape in VISEMES.values()], np.float32)  # [S]
    curves = near.T @ (pull[:, None] * targets) / (pull @ near + FAR)[:, None]  # [C, 52]
    jaw = INDEX["jawOpen"]
    curves[:, jaw] = (jaw_pull * targets[:, jaw]) @ near / (jaw_pull @ near + FAR)
    openness = _on_clock(features.openness, times)
    curves[:, jaw] *= np.clip(0.35 + 0.75 * gaussian_filter1d(openness, 0.03 * CLOCK), 0.0, 1.1)
    return curves * _effort(features, times)[:, None]


def centroid_range(features: SpeechFeatures) -> tuple[float, float, float]:
    """Spectral centres of a recording's round, middling and wide vowels."""
    voiced = features.active & (features.openness > 0.3) & (features.frication < 0.3)
    if not voiced.any():
        return 0.0, 0.5, 1.0
    low, middle, high = np.percentile(features.centroid[voiced], (10, 50, 90))
    return float(low), float(middle), float(high)


def mouth_from_spectrum(features: SpeechFeatures, centroid: tuple[float, float, float]) -> np.ndarray:
    """Mouth curves of speech in any language: loud mid frequencies open it, their centre makes it wide or round.

    Args:
        features: Of the recording, or of a part of it.
        centroid: :func:`centroid_range` of the whole recording.

    Returns:
        ``[C, 52]`` float32, 100 frames a second.
    """
    times = _times(features)
    openness = _on_clock(features.openness, times)
    frication = _on_clock(features.frication, times)
    low, middle, high = centroid
    centre = _on_clock(features.centroid, times)
    wide = np.clip((centre - middle) / max(high - middle, 0.05), 0.0, 1.0) * openness * (1.0 - frication)
    narrow = np.clip((middle - centre) / max(middle - low, 0.05), 0.0, 1.0) * openness * (1.0 - frication)
    jaw = openness**1.5 * (1.0 - 0.8 * frication) * (1.0 - 0.45 * narrow) * (1.0 - 0.35 * wide)
    strengths = {"open": jaw, "wide": wide, "tight": narrow, "hiss": frication}  # each [C]
    curves = np.zeros((len(times), len(NAMES)), np.float32)  # [C, 52]
    for name, strength in strengths.items():
        vector = viseme_vector(name)
        if name != "open":
            vector[INDEX["jawOpen"]] = 0.0
        curves += strength[:, None].astype(np.float32) * vector
    return curves * _effort(features, times)[:, None]


def closures(phones: tuple[Phone, ...], names: frozenset[str], frame_times: np.ndarray) -> np.ndarray:
    """Tell how far some phones close the lips, at the video's frames.

    Each closure reaches 1 in at least one frame, however short the sound is.

    Args:
        phones: What is said.
        names: :data:`BILABIALS` or :data:`LABIODENTALS`.
        frame_times: Moments of the sound that the frames show, ``[T]`` seconds.

    Returns:
        ``[T]`` float32 in [0, 1].
    """
    closure = np.zeros(len(frame_times), np.float32)
    for phone in phones:
        if phone.name not in names:
            continue
        half = min(phone.end - phone.start, LONGEST_CLOSURE) / 2
        outside = np.abs(frame_times - phone.centre) - half  # [T] seconds; negative inside
        closure = np.maximum(closure, np.clip(1.0 - outside / RAMP, 0.0, 1.0))
        closure[np.abs(frame_times - phone.centre).argmin()] = 1.0
    return closure.astype(np.float32)


def mouth_at(curves: np.ndarray, phones: tuple[Phone, ...], moments: np.ndarray, fps: float) -> np.ndarray:
    """Smooth mouth curves, sample them and close the lips where they must meet.

    Args:
        curves: ``[C, 52]``, 100 frames a second.
        phones: For the closures; empty for none.
        moments: Of the sound, that the video's frames show: :data:`LEAD` behind the frames' own, ``[T]`` seconds.
        fps: Frame rate of the video.

    Returns:
        ``[T, 52]`` float32 in [0, 1].
    """
    smoothing = max(SMOOTHING, 0.35 / fps)  # s; slow videos must not alias
    smooth = gaussian_filter1d(curves, smoothing * CLOCK, axis=0, mode="nearest")
    place = np.clip(moments * CLOCK, 0, len(curves) - 1)
    below = np.minimum(place.astype(int), max(len(curves) - 2, 0))
    share = (place - below)[:, None]
    above = np.minimum(below + 1, len(curves) - 1)
    mouth = (1.0 - share) * smooth[below] + share * smooth[above]  # [T, 52]
    for names, shape in ((LABIODENTALS, "teeth"), (BILABIALS, "closed")):
        closure = closures(phones, names, moments)[:, None]  # [T, 1]
        mouth = (1.0 - closure) * mouth + closure * viseme_vector(shape)
    return np.clip(mouth, 0.0, 1.0).astype(np.float32)


def lip_contact(phones: tuple[Phone, ...], moments: np.ndarray) -> np.ndarray:
    """Tell how far lips meet each other or the teeth at some moments ``[T]``: float32 in [0, 1]."""
    return closures(phones, BILABIALS | LABIODENTALS, moments)


def _times(features: SpeechFeatures) -> np.ndarray:
    """Moments of the curves in seconds, ``[C]``."""
    return np.arange(int(np.ceil(features.times[-1] * CLOCK)) + 1) / CLOCK


def _on_clock(curve: np.ndarray, times: np.ndarray) -> np.ndarray:
    """A feature curve ``[F]`` at the moments ``[C]``."""
    return np.interp(times, np.arange(len(curve)) / FRAMES_PER_SECOND, curve)


def _effort(features: SpeechFeatures, times: np.ndarray) -> np.ndarray:
    """``[C]``: 0 in silence, about 1 in speech; loud syllables are spoken with bigger movements."""
    loudness = gaussian_filter1d(_on_clock(features.loudness, times), 0.06 * CLOCK)
    active = gaussian_filter1d(_on_clock(features.active.astype(np.float32), times), CLOSING * CLOCK)
    return (np.clip(2.0 * active - 0.5, 0.0, 1.0) * np.clip(0.8 + 0.45 * loudness, 0.0, 1.25)).astype(np.float32)
