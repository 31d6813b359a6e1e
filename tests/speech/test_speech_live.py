"""Speech that comes in pieces, against the same speech heard as a whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mggtalk.config import SpeechConfig
from mggtalk.errors import MediaError
from mggtalk.face.blendshapes import INDEX, NAMES
from mggtalk.face.face_model import FaceModel
from mggtalk.face.lips import lip_gap
from mggtalk.media.sound import Sound
from mggtalk.speech.features import RATE, record
from mggtalk.speech.hearing import understand
from mggtalk.speech.listen import lips
from mggtalk.speech.live import AHEAD_SECONDS, LiveSpeech, idle_motion

PIECE = 1600


def jaw(face_model: FaceModel, expression: torch.Tensor) -> np.ndarray:
    """How far expressions ``[..., K]`` open the jaw, in units of ``jawOpen``."""
    weights = torch.zeros(len(NAMES)).index_fill(0, torch.tensor([INDEX["jawOpen"]]), 1.0)
    direction = face_model.from_blendshapes(weights)
    return (expression @ direction / direction.square().sum()).numpy()


def test_lips_are_those_of_the_whole_recording_a_third_of_a_second_later(face_model: FaceModel, hello: Sound) -> None:
    config = SpeechConfig()
    speech = understand(record(hello))
    frames = round(speech.seconds * config.fps)
    whole = jaw(face_model, lips(speech, 0, frames, face_model, config))
    live = LiveSpeech(face_model, config)
    moments, heard = [], []
    for first in range(0, len(hello.samples), PIECE):
        live.hear(hello.samples[first : first + PIECE], first)
        moments.append(live.seconds - AHEAD_SECONDS)
        heard.append(float(jaw(face_model, live.expression())))
    late = np.array(moments) > 1.0
    wanted = np.interp(moments, np.arange(frames) / config.fps, whole)
    assert np.corrcoef(np.array(heard)[late], wanted[late])[0, 1] > 0.85


def test_noise_before_and_after_speech_moves_nothing(face_model: FaceModel, hello: Sound) -> None:
    live = LiveSpeech(face_model, SpeechConfig())
    noise = 1e-3 * np.random.default_rng(0).standard_normal(3 * RATE).astype(np.float32)
    noise *= 1.0 + np.sin(np.arange(len(noise)) / 900.0).astype(np.float32)  # of changing loudness
    end = 0
    for part, silent in ((noise, True), (hello.samples[: 3 * RATE], False), (noise, True), (noise, True)):
        for first in range(0, len(part), PIECE):
            live.hear(part[first : first + PIECE], end + first)
            made = live.expression()
        end += len(part)
        assert not silent or float(jaw(face_model, made)) < 0.02


def test_pieces_may_be_swapped_and_lost(face_model: FaceModel, hello: Sound) -> None:
    first, second = LiveSpeech(face_model, SpeechConfig()), LiveSpeech(face_model, SpeechConfig())
    starts = list(range(0, 20 * PIECE, PIECE))
    for start in starts:
        first.hear(hello.samples[start : start + PIECE], start)
    for start in [*starts[1::2], *starts[::2]]:
        second.hear(hello.samples[start : start + PIECE], start)
    assert torch.equal(first.expression(), second.expression())
    first.hear(hello.samples[:PIECE], 400 * PIECE)  # the connection was away
    assert first.seconds == pytest.approx(401 * PIECE / RATE)
    first.hear(hello.samples[:PIECE], 0)  # and this piece comes much too late
    assert torch.isfinite(first.expression()).all()


@pytest.mark.parametrize(
    ("samples", "first"),
    [
        (np.zeros((2, 2)), 0),
        (np.full(4, np.nan), 0),
        (np.zeros(4), -1),
        (np.zeros(100 * RATE), 0),
        (np.zeros(4), 10**9),
    ],
)
def test_what_is_no_piece_of_this_sound_is_refused(face_model: FaceModel, samples: np.ndarray, first: int) -> None:
    with pytest.raises(MediaError):
        LiveSpeech(face_model, SpeechConfig()).hear(samples, first)


def test_who_waits_blinks_and_keeps_the_lips_closed(face_model: FaceModel) -> None:
    idle = idle_motion(face_model, SpeechConfig(), 0, 1.8)
    assert len(idle) == 60 * 25
    gap = lip_gap(face_model.vertices(torch.zeros(face_model.identity_basis.shape[0]), idle.expression[::5]).numpy())
    assert gap.max() < 0.005, "decimetres"
    assert float(idle.expression.std(0).max()) > 0.05
