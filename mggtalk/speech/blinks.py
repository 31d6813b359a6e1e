"""Invented life around the eyes: blinks, small saccades, brows that rise now and then."""

from __future__ import annotations

import math

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d

from mggtalk.face.blendshapes import INDEX, NAMES
from mggtalk.speech.features import FRAMES_PER_SECOND, SpeechFeatures
from mggtalk.speech.head_motion import add_bump

CLOSING_SECONDS = 0.10
"""Time in which lids fall."""

OPENING_SECONDS = 0.20
"""Time in which they rise again."""

MIN_GAP = 0.9
"""Least seconds from one blink to the next."""

FIRST_BLINK = 0.5
"""No blink before this time: the first frame is a neutral one."""

SPREAD = 0.55
"""Standard deviation of the logarithm of the time between blinks."""

SNAP = 0.6
"""Share of the blinks near the end of a phrase that wait for it or come early."""

GAZE_DEGREES = (2.2, 1.3)
"""Standard deviations of the gaze, sideways and up."""

DEGREES_PER_WEIGHT = 30.0
"""Turn of an eye whose look weight is one."""

SACCADE_SECONDS = (0.6, 2.6)
"""Shortest and longest time that an eye rests."""

RAISE_SECONDS = 3.0
"""Mean time between raises of the brows while somebody speaks. In 39 training clips 15 a minute stood out (median)."""

RAISES_IN_SILENCE = 0.3
"""Share of them that come when nobody speaks."""

RAISE_HEIGHT = 0.2
"""Median weight of a raise."""

RAISE_DEVIATION = 0.19
"""Median standard deviation of its bump, seconds."""

RAISE_SPREAD = 0.6
"""Standard deviation of the logarithms of height and width."""

HIGHEST_RAISE = 0.5
"""More looks astonished."""

BROW_DRIFT, BROW_KNOT_SECONDS = 0.03, 3.0
"""Standard deviation of the slow drift, and the time between its knots."""

OUTER = 0.55
"""Of the raise at the outer ends of the brows: the median slope in the clips."""


def blink_times(
    features: SpeechFeatures, seconds: float, per_minute: float, generator: np.random.Generator
) -> list[float]:
    """Moments at which the eyes are shut.

    Intervals are log-normal; blinks tend to the ends of phrases.

    Args:
        features: Of the recording.
        seconds: Length of the motion.
        per_minute: Mean rate; 0 for none.
        generator: Source of chance.

    Returns:
        Seconds, ascending.
    """
    if per_minute <= 0:
        return []
    ends = np.flatnonzero(features.active[:-1] & ~features.active[1:]) / FRAMES_PER_SECOND + 0.1
    mean = max(60.0 / per_minute, MIN_GAP)
    times: list[float] = []
    planned = FIRST_BLINK + mean * generator.random()
    while planned < seconds:
        moment = planned
        near = ends[np.abs(ends - planned) < 0.3 * mean]
        snap = generator.random() < SNAP
        if len(near) and snap:
            moment = float(near[np.abs(near - planned).argmin()])
        last = times[-1] if times else -math.inf
        if max(last + MIN_GAP, FIRST_BLINK) <= moment < seconds:
            times.append(moment)
        interval = mean * math.exp(SPREAD * generator.standard_normal() - SPREAD**2 / 2)
        planned += max(interval, MIN_GAP)
    return times


def blink_curve(times: list[float], frames: int, fps: float) -> np.ndarray:
    """Lid closure of blinks: fast down, slow up, fully shut in one frame.

    Args:
        times: Seconds.
        frames: T.
        fps: Frame rate.

    Returns:
        ``[T]`` float32 in [0, 1].
    """
    curve = np.zeros(frames, np.float32)
    for moment in times:
        shut = min(round(moment * fps), frames - 1)
        low, high = max(0, shut - math.ceil(CLOSING_SECONDS * fps)), shut + math.ceil(OPENING_SECONDS * fps) + 1
        offset = (np.arange(low, min(high, frames)) - shut) / fps  # [t] seconds
        side = np.where(offset < 0, -offset / CLOSING_SECONDS, offset / OPENING_SECONDS)
        rise = np.clip(1.0 - side, 0.0, 1.0)
        curve[low:high] = np.maximum(curve[low:high], rise * rise * (3.0 - 2.0 * rise))
    return curve


def eyes_and_brows(
    features: SpeechFeatures,
    frames: int,
    fps: float,
    generator: np.random.Generator,
    blinks_per_minute: float,
    head_degrees: np.ndarray | None = None,
    energy: float = 1.0,
) -> np.ndarray:
    """Blendshape weights of lids, gaze and brows.

    Args:
        features: Of the recording.
        frames: T.
        fps: Frame rate.
        generator: Source of chance.
        blinks_per_minute: Mean rate.
        head_degrees: Pitch and yaw of the head ``[T, 2]``, against which the gaze stays on the viewer.
        energy: Multiplies the brows.

    Returns:
        ``[T, 52]`` float32; other weights are zero.
    """
    weights = np.zeros((frames, len(NAMES)), np.float32)
    lids = blink_curve(blink_times(features, frames / fps, blinks_per_minute, generator), frames, fps)
    gaze = _gaze(frames, fps, generator)  # [T, 2] degrees: to the subject's left, up
    if head_degrees is not None:
        gaze += np.stack([-head_degrees[:, 1], head_degrees[:, 0]], axis=-1)
    gaze /= DEGREES_PER_WEIGHT
    left, right = np.maximum(gaze[:, 0], 0.0), np.maximum(-gaze[:, 0], 0.0)  # [T], [T]
    up, down = np.maximum(gaze[:, 1], 0.0), np.maximum(-gaze[:, 1], 0.0)
    brows = energy * _brows(features, np.arange(frames) / fps, generator)
    curves = {
        "eyeBlinkLeft": lids, "eyeBlinkRight": lids,
        "eyeLookOutLeft": left, "eyeLookInRight": left, "eyeLookInLeft": right, "eyeLookOutRight": right,
        "eyeLookUpLeft": up, "eyeLookUpRight": up, "eyeLookDownLeft": down, "eyeLookDownRight": down,
        "browInnerUp": brows, "browOuterUpLeft": OUTER * brows, "browOuterUpRight": OUTER * brows,
        "browDownLeft": -brows, "browDownRight": -brows,
    }  # fmt: skip
    for name, curve in curves.items():
        weights[:, INDEX[name]] = curve
    return np.clip(weights, 0.0, 1.0, out=weights)


def _gaze(frames: int, fps: float, generator: np.random.Generator) -> np.ndarray:
    """Fixations with quick jumps between them, ``[T, 2]`` degrees; the first looks ahead."""
    targets = np.zeros((frames, 2))
    start = generator.uniform(*SACCADE_SECONDS)
    while start * fps < frames:
        target = generator.standard_normal(2) * GAZE_DEGREES
        following = start + generator.uniform(*SACCADE_SECONDS)
        targets[int(start * fps) : int(following * fps)] = target
        start = following
    return gaussian_filter1d(targets, 0.02 * fps, axis=0, mode="nearest")


def _brows(features: SpeechFeatures, times: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Raises of the brows over a slow drift, ``[T]``; below zero they are lowered.

    They come by chance alone: on 39 training clips the brows rose at stressed syllables no more often than elsewhere
    (50 % of the raises near one, 49 % near as many moments drawn by lot), and no filter over a speech encoder foresaw
    them in a speaker it did not know (correlation 0.07).
    """
    knots = generator.normal(0.0, BROW_DRIFT, math.ceil(times[-1] / BROW_KNOT_SECONDS) + 2)
    curve = PchipInterpolator(np.arange(len(knots)) * BROW_KNOT_SECONDS, knots)(times)
    active = np.interp(times, features.times, features.active.astype(np.float64))  # [T]
    moment = generator.exponential(RAISE_SECONDS)
    while moment < times[-1]:
        height, width = np.exp(RAISE_SPREAD * generator.standard_normal(2))
        talking = active[np.searchsorted(times, moment)] > generator.random()
        if talking or generator.random() < RAISES_IN_SILENCE:
            add_bump(curve, times, moment, RAISE_DEVIATION * width, RAISE_HEIGHT * height)
        moment += generator.exponential(RAISE_SECONDS)
    return np.minimum(curve, HIGHEST_RAISE) * np.clip(times / 0.3, 0.0, 1.0)  # frame 0 is neutral
