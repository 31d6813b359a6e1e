"""Music moves no lips, speech before, after and above it does."""

from __future__ import annotations

import numpy as np
import pytest

from mggtalk.config import SpeechConfig
from mggtalk.face.blendshapes import INDEX
from mggtalk.face.face_model import FaceModel
from mggtalk.media.sound import Sound
from mggtalk.speech.features import FRAMES_PER_SECOND, RATE, record
from mggtalk.speech.hearing import understand
from mggtalk.speech.listen import listen
from mggtalk.speech.music import Seconds, average_evidence, find_music, sound_of_seconds
from mggtalk.speech.phones import recognise

SECONDS = 8


@pytest.fixture(scope="module")
def tune() -> np.ndarray:
    """Chords of four notes with overtones, a melody above them and a drum, ``[n]`` float32."""
    chance, time = np.random.default_rng(0), np.arange(SECONDS * RATE) / RATE
    sound = np.zeros(len(time))
    for beat, start in enumerate(np.arange(0.0, SECONDS, 0.5)):
        since = time - start
        fades = np.where(since >= 0.0, np.exp(-3.0 * np.clip(since, 0.0, 9.0)), 0.0) * np.clip(since / 0.01, 0.0, 1.0)
        root = 110.0 * 2.0 ** ((0, 5, 7, 3)[beat // 4 % 4] / 12.0)
        for tone in (
            *(root * 2.0 ** (step / 12.0) for step in (0, 4, 7)),
            4.0 * root * 2.0 ** (chance.integers(12) / 12),
        ):
            sound += sum(fades * np.sin(2 * np.pi * tone * n * time) / n for n in range(1, 8))
        sound += 2.0 * fades**6 * chance.normal(size=len(time))
    return (0.3 * sound / np.abs(sound).max()).astype(np.float32)


def test_speech_is_no_music_and_music_is(hello: Sound, tune: np.ndarray) -> None:
    recording = record(hello)
    assert not find_music(sound_of_seconds(recognise(recording.cepstra)[1]), recording.features.active).any()
    recording = record(Sound(tune, RATE))
    found = find_music(sound_of_seconds(recognise(recording.cepstra)[1]), recording.features.active)
    assert found[recording.features.active].mean() > 0.95


def test_lips_rest_while_only_music_plays(hello: Sound, tune: np.ndarray, face_model: FaceModel) -> None:
    both = Sound(np.concatenate([hello.samples, tune]), RATE)
    speech = understand(record(both))
    border = int(hello.seconds * FRAMES_PER_SECOND)
    assert speech.features.music[border + 120 :].mean() > 0.9 and speech.features.music[: border - 120].mean() < 0.05
    assert not (speech.features.music & speech.features.active).any()
    motion = listen(both, face_model, SpeechConfig(blinks_per_minute=0.0))
    assert any("music or noise, not a voice" in note for note in motion.notes)
    jaw = face_model.to_blendshapes(motion.expression)[:, INDEX["jawOpen"]]
    spoken, played = jaw[: int(hello.seconds * motion.fps)], jaw[int((hello.seconds + 2.0) * motion.fps) :]
    assert played.max() < 0.04 < 0.2 < spoken.max()


def test_a_short_recording_is_never_music(tune: np.ndarray) -> None:
    recording = record(Sound(tune[: int(1.5 * RATE)], RATE))
    assert not find_music(sound_of_seconds(recognise(recording.cepstra)[1]), recording.features.active).any()


def test_seconds_are_described_one_by_one_and_few_windows_are_doubted() -> None:
    likely = np.random.default_rng(0).dirichlet(np.full(42, 0.1), 350).astype(np.float16)
    described = sound_of_seconds(likely)
    assert described.shape == (3, 45)
    seconds = Seconds()
    for start, end in ((0, 30), (30, 230), (230, 350)):
        seconds.add(likely[start:end])
    np.testing.assert_array_equal(seconds.take(), described)
    np.testing.assert_allclose(described[1, :42], likely[100:200].astype(float).mean(0), atol=1e-3)
    assert abs(average_evidence(np.array([-3.0]))[0] + 1.0) < 1e-6 and average_evidence(np.full(98, -3.0))[50] < -2.9
