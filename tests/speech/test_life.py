"""Life that no sound foretells: brows and nods are as frequent, large and timed as those of people."""

from __future__ import annotations

import numpy as np
import pytest

from mggtalk.face.blendshapes import INDEX
from mggtalk.geometry import rotation_to_euler
from mggtalk.speech.blinks import HIGHEST_RAISE, eyes_and_brows
from mggtalk.speech.features import FRAMES_PER_SECOND, SpeechFeatures, record
from mggtalk.speech.head_motion import accents, head_motion

FPS, SECONDS = 25.0, 120


@pytest.fixture(scope="module")
def features(hello) -> SpeechFeatures:
    """Two minutes: the example recording again and again."""
    found = record(hello).features
    again = np.arange(int(SECONDS * FRAMES_PER_SECOND)) % len(found.times)
    return SpeechFeatures(*(curve[again] for curve in found))


def test_brows_rise_now_and_then_and_begin_at_rest(features: SpeechFeatures) -> None:
    weights = eyes_and_brows(features, int(SECONDS * FPS), FPS, np.random.default_rng(0), 16.0)
    inner, down = weights[:, INDEX["browInnerUp"]], weights[:, INDEX["browDownLeft"]]
    assert inner[0] == down[0] == 0.0 and inner.max() <= HIGHEST_RAISE
    assert not (inner * down).any(), "they rise or they fall"
    rises = np.flatnonzero((inner[1:] > 0.12) & (inner[:-1] <= 0.12))
    assert 8 <= 60 * len(rises) / SECONDS <= 24
    still = eyes_and_brows(features, int(SECONDS * FPS), FPS, np.random.default_rng(0), 16.0, energy=0.0)
    assert not still[:, [INDEX["browInnerUp"], INDEX["browDownLeft"]]].any()


def test_a_nod_goes_through_its_syllable(features: SpeechFeatures) -> None:
    pitch = []
    moments = [moment for moment in accents(features)[0] if 2.0 < moment < SECONDS - 2.0]
    for seed in range(4):
        rotation, _ = head_motion(features, int(SECONDS * FPS), FPS, np.random.default_rng(seed))
        angles = np.degrees(rotation_to_euler(rotation)[:, 0].numpy())  # [T]
        pitch.append([[angles[round((moment + delay) * FPS)] for delay in (-0.25, 0.35)] for moment in moments])
    before, after = np.mean(pitch, axis=(0, 1))
    assert after - before > 0.3
