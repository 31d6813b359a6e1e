"""An avatar that follows a camera."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from mggtalk.animate.animator import Animator
from mggtalk.animate.live import CALIBRATION_FRAMES
from mggtalk.animate.live_picture import NEAR
from mggtalk.avatar.avatar import Avatar
from mggtalk.errors import OptionError
from mggtalk.pipeline import MGGTalkPipeline


def seen(astronaut: np.ndarray, shift: int = 0) -> np.ndarray:
    """A camera's frame of the astronaut's face, moved to the left by some pixels."""
    return np.asarray(Image.fromarray(astronaut).resize((256, 256), box=(64 + shift, 0, 384 + shift, 320)))


def test_it_calibrates_follows_and_forgets(pipeline: MGGTalkPipeline, avatar: Avatar, astronaut: np.ndarray) -> None:
    live = pipeline.live(avatar, 128, mirror=False)
    first = live(np.zeros((64, 64, 3), np.uint8))
    assert first.shape == (128, 128, 3) and not live.calibrated, "without a face the portrait stays"
    for _ in range(CALIBRATION_FRAMES):
        still = live(seen(astronaut))
    assert live.calibrated
    assert np.abs(still.astype(int) - first).mean() < 4, "a face at rest is the portrait at rest"
    for _ in range(4):
        moved = live(seen(astronaut, 24))

    def middle(picture: np.ndarray) -> float:
        change = np.abs(picture.astype(float) - still).sum(-1)
        return float((change.sum(0) * np.arange(128)).sum() / max(change.sum(), 1e-9))

    assert np.abs(moved.astype(int) - still).mean() > 1 and middle(moved) > 0
    assert np.array_equal(live(np.zeros((64, 64, 3), np.uint8)), moved), "a lost face leaves the last picture"
    live.reset()
    assert not live.calibrated and np.array_equal(live(np.zeros((64, 64, 3), np.uint8)), first)


def test_decoders_are_asked_only_when_the_expression_has_changed(
    pipeline: MGGTalkPipeline, avatar: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    live, asked = pipeline.live(avatar, 128), []
    whole = Animator(pipeline.head(avatar, 128), pipeline.image_renderer, 128, pipeline.config.render, None, 1)
    draw = Animator.draw
    monkeypatch.setattr(Animator, "draw", lambda self, *given: asked.append(given[1] is None) or draw(self, *given))
    for change in (0.0, 0.5 * NEAR, 2 * NEAR, 2 * NEAR):
        frame = avatar.source._replace(expression=avatar.expression + change)
        picture = live.draw(frame)
        wanted = whole.frame(frame)
        assert np.abs(picture.astype(int) - wanted).mean() < 0.5
    assert asked == [True, True, False, True, True, True, False, True], "every second one is the comparison's"


def test_what_is_no_frame_is_refused(pipeline: MGGTalkPipeline, avatar: Avatar) -> None:
    live = pipeline.live(avatar, 128)
    for frame in (np.zeros((64, 64)), np.zeros((64, 64, 3)), np.zeros((2, 2, 3), np.uint8)):
        with pytest.raises(OptionError):
            live(frame)


def test_a_speaker_of_whom_nothing_is_heard_waits_and_moves(pipeline: MGGTalkPipeline, avatar: Avatar) -> None:
    live = pipeline.live_speech(avatar, 128, seed=2)
    first = live.follow()
    assert torch.allclose(first.rotation, avatar.rotation, atol=1e-5)
    live.hear(np.zeros(16000, np.float32), 10 * 16000)
    later = live.follow()
    assert not torch.allclose(later.rotation, first.rotation, atol=1e-3), "the head is alive"
    assert live.draw(later).shape == (128, 128, 3)


def test_a_microphone_may_have_been_on_before(pipeline: MGGTalkPipeline, avatar: Avatar) -> None:
    live, on = pipeline.live_speech(avatar, 128), 300 * 16000
    live.hear(np.zeros(1600, np.float32), on + 1600)
    live.hear(np.zeros(1600, np.float32), on)  # late, and from before what was heard first
    live.hear(np.zeros(1600, np.float32), on + 3200)
    assert live.draw(live.follow()).shape == (128, 128, 3)
