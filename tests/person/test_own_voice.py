"""The voice of a clip's person: learned from what is seen and heard, and used when the sound drives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mggtalk.avatar.avatar import Avatar
from mggtalk.motion.retarget import retarget
from mggtalk.person.footage import Candidate, Clip, Footage
from mggtalk.person.voice import learn_voice, say, speak_all
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.training.speech.sync import lip_gaps

SPEECH = Path(__file__).parents[2] / "examples" / "hello.flac"
LATE = 2


@pytest.fixture
def clip(pipeline: MGGTalkPipeline, avatar: Avatar) -> Clip:
    """Somebody who opens the mouth half as far again as the average, with the sound two frames late."""
    said = retarget(pipeline.listen(SPEECH), avatar, "relative", pipeline.face_model)
    early = torch.arange(len(said)).add(LATE).clamp(max=len(said) - 1)
    rest = said.expression[:1]
    whole = replace(said, expression=rest + 1.5 * (said.expression[early] - rest))
    places = (3, len(whole) - 5)
    shown = replace(
        whole, **{name: getattr(whole, name)[list(places)] for name in ("expression", "rotation", "translation")}
    )
    footage = Footage(np.zeros((2, 8, 8, 3), np.uint8), shown, places)
    return Clip(footage, footage, (Candidate(np.zeros((8, 8, 3), np.uint8), np.zeros((478, 2))),), whole.seconds, whole)


def test_a_clip_teaches_its_voice(pipeline: MGGTalkPipeline, avatar: Avatar, clip: Clip) -> None:
    learned = learn_voice(pipeline, SPEECH, clip, avatar)
    assert learned.voice is not None and learned.lag == LATE
    assert learned.voice.fits(pipeline.lip_prior()[0].config)

    def missed(expression: torch.Tensor) -> float:
        true, made = (
            lip_gaps(pipeline.face_model, avatar.identity, e)
            for e in (clip.whole_expression(avatar, pipeline), expression)
        )
        return float(np.square(true - made).mean())

    own, average = (speak_all(pipeline, SPEECH, clip, avatar, one) for one in (learned, learned._replace(voice=None)))
    assert missed(own.expression) < 0.7 * missed(average.expression)
    assert clip.held_out is not None
    held = say(pipeline, SPEECH, clip, avatar, clip.held_out, learned)
    assert torch.equal(held.expression, own.expression[list(clip.held_out.places)])
    assert torch.equal(held.rotation, clip.held_out.motion.rotation)


def test_lips_that_do_not_go_with_the_sound_teach_none(pipeline: MGGTalkPipeline, avatar: Avatar, clip: Clip) -> None:
    assert clip.whole is not None
    strange = replace(clip, whole=replace(clip.whole, expression=clip.whole.expression.flip(0)))
    learned = learn_voice(pipeline, SPEECH, strange, avatar)
    assert learned.voice is None and "do not go together" in learned.note
