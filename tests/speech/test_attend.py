"""A listener's lips do not speak; the head nods after the other's phrases."""

from __future__ import annotations

import numpy as np
import torch

from mggtalk.config import SpeechConfig
from mggtalk.face.blendshapes import INDEX
from mggtalk.face.face_model import FaceModel
from mggtalk.geometry import rotation_to_euler
from mggtalk.media.sound import Sound
from mggtalk.speech.attend import ANSWERED, NOTE, answers
from mggtalk.speech.features import FRAMES_PER_SECOND, record
from mggtalk.speech.listen import listen
from mggtalk.speech.speech_inputs import phrases

LISTENER = SpeechConfig(listener=True)


def test_lips_rest_and_the_first_frame_is_neutral(hello: Sound, face_model: FaceModel) -> None:
    motion = listen(hello, face_model, LISTENER, seed=1)
    assert motion.notes == (NOTE,) and len(motion) == round(hello.seconds * motion.fps)
    weights = face_model.to_blendshapes(motion.expression)
    assert weights[:, INDEX["jawOpen"]].abs().max() < 0.12 and weights[0].abs().max() < 0.05
    assert torch.equal(motion.expression, listen(hello, face_model, LISTENER, seed=1).expression)
    spoken = face_model.to_blendshapes(listen(hello, face_model, seed=1).expression)
    assert spoken[:, INDEX["jawOpen"]].max() > 0.2, "a speaker's lips do"


def test_nods_come_behind_the_ends_of_phrases(hello: Sound) -> None:
    features = record(hello).features
    ends = [end for start, end in phrases(features.active) if end - start > 0.8]
    times = np.arange(int((len(features.active) / FRAMES_PER_SECOND + 3) * 25)) / 25.0
    counts = []
    for seed in range(40):
        pitch, smile = answers(features, times, np.random.default_rng(seed))
        assert pitch[0] == smile[0] == 0.0 and 0.0 <= pitch.min() and pitch.max() < 6.0 and smile.max() <= 0.45
        began = times[1:][(pitch[1:] > 0.5) & (pitch[:-1] <= 0.5)]
        assert all(any(-0.2 < moment - end < 2.2 for end in ends) for moment in began)
        counts.append(sum(any(-0.2 < moment - end < 0.7 for moment in began) for end in ends) / len(ends))
    assert abs(np.mean(counts) - ANSWERED) < 0.12


def test_without_strength_the_head_is_still(hello: Sound, face_model: FaceModel) -> None:
    still = listen(hello, face_model, SpeechConfig(listener=True, energy=0.0, blinks_per_minute=0.0), seed=1)
    assert rotation_to_euler(still.rotation).abs().max() < 1e-5
