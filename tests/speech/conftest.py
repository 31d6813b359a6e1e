"""The example recording, and what is heard in it."""

from pathlib import Path

import numpy as np
import pytest

from mggtalk.config import SpeechConfig
from mggtalk.media.sound import Sound
from mggtalk.speech.features import SpeechFeatures, analyse, record
from mggtalk.speech.hearing import understand
from mggtalk.speech.listen import SpeechCurves, mouth_curves

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def hello_features(hello: Sound) -> SpeechFeatures:
    return analyse(hello)


@pytest.fixture(scope="session")
def hello_curves(hello: Sound) -> SpeechCurves:
    """The rules' mouth for it, 25 frames a second."""
    return mouth_curves(understand(record(hello)), np.arange(round(25 * hello.seconds)) / 25, SpeechConfig())


@pytest.fixture
def syllables() -> Sound:
    """A buzz like a vowel that is switched on for 0.3 s of each 0.6 s, after a second of faint noise."""
    time = np.arange(4 * 16000) / 16000
    buzz = sum(np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 30))
    on = ((time % 0.6) < 0.3) & (time >= 1.2)
    noise = np.random.default_rng(0).standard_normal(len(time))
    return Sound((0.1 * buzz * on + 3e-4 * noise).astype(np.float32), 16000)
