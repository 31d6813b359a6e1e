"""Drawing targets."""

from __future__ import annotations

import pytest
import torch

from mggtalk.errors import OptionError
from mggtalk.face.blendshapes import INDEX
from mggtalk.motion.retarget import retarget
from mggtalk.training.config import PairConfig
from mggtalk.training.data.pairs import DrivingMotions, PairSampler

UNIFORM = PairConfig(gap=0.0)
FRAMES = 12
JAW = [0.0, 0.0, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
BLINK = [0.0, 0.9] + [0.0] * 10


@pytest.fixture
def clip(make_motion, make_clip):
    blinks = {INDEX["eyeBlinkLeft"]: BLINK, INDEX["eyeBlinkRight"]: BLINK}
    motion = make_motion([0.0, 0.0, 0.5] + [0.0] * 9, {INDEX["jawOpen"]: JAW, **blinks})
    return make_clip(motion.with_(found=torch.arange(FRAMES) != 5))


def shares(clip, config: PairConfig, source: int = 0, progress: float | None = None, draws: int = 400) -> torch.Tensor:
    sampler = PairSampler(clip, source, torch.Generator().manual_seed(0), config)
    seen = torch.tensor([sampler.draw(3, progress) for _ in range(draws)])
    assert all(len(set(row.tolist())) == 3 for row in seen)
    return torch.bincount(seen.flatten(), minlength=FRAMES) / draws


def test_source_and_lost_frames_are_never_drawn_and_the_rest_evenly(clip) -> None:
    drawn = shares(clip, UNIFORM)
    assert drawn[0] == drawn[5] == 0
    left = drawn[[1, 2, 3, 4, 6, 7, 8, 9, 10, 11]]
    assert torch.allclose(left, torch.full((10,), 0.3), atol=0.07)


def test_far_frames_are_preferred(clip) -> None:
    drawn = shares(clip, PairConfig(gap=4.0))
    assert drawn[2] > 2 * drawn[3] and drawn[11] > 1.5 * drawn[3]  # turned; wide open


def test_mouth_and_eyes_can_be_preferred(clip) -> None:
    mouth = shares(clip, PairConfig(gap=0.0, mouth=4.0))
    assert mouth[10:].mean() > 2 * mouth[[1, 2, 3]].mean()
    eyes = shares(clip, PairConfig(gap=0.0, eyes=4.0))
    assert eyes[1] > 2 * eyes[[3, 4, 6, 7]].mean()


def test_incremental_sampling_opens_the_mouth_and_closes_the_eyes(clip) -> None:
    sampler = PairSampler(clip, 0, torch.Generator().manual_seed(0))
    early, late = (sampler.window(progress, mouth=True) for progress in (0.0, 1.0))
    assert early[4] and not early[9:].any() and late[11] and not late[:8].any()
    assert not sampler.window(0.0, mouth=False)[1] and sampler.window(0.0, mouth=False)[3]
    assert sampler.window(0.9, mouth=False).nonzero().flatten().tolist() == [1]
    always = PairConfig(gap=0.0, incremental=1.0)
    start = PairSampler(clip, 0, torch.Generator().manual_seed(0), always)
    drawn = {start.draw(1, progress=1.0)[0] for _ in range(60)}
    assert 1 in drawn and 11 in drawn and not drawn & {2, 3, 4, 6}
    assert {start.draw(1)[0] for _ in range(60)} & {2, 3, 4, 6}  # without progress there is no window


def test_same_generator_same_draws_and_few_frames_repeat(clip) -> None:
    first, second = (PairSampler(clip, 0, torch.Generator().manual_seed(3)).draw(4) for _ in range(2))
    assert first == second
    assert len(PairSampler(clip, 0, torch.Generator().manual_seed(0)).draw(50)) == 50


def test_clip_that_leaves_nothing_is_refused(make_motion, make_clip) -> None:
    with pytest.raises(OptionError, match="no frame but source 0"):
        PairSampler(make_clip(make_motion([0.0])), 0, torch.Generator())


def test_driving_motions_are_fitted_once_and_forgotten_in_order(clip, avatar, face_model) -> None:
    motions = DrivingMotions(face_model, capacity=2)
    first = motions.motion(clip, 0, avatar)
    expected = retarget(clip.motion, avatar, "absolute", face_model)
    assert torch.equal(first.expression, expected.expression) and torch.equal(first.rotation, expected.rotation)
    assert motions.motion(clip, 0, avatar) is first
    motions.motion(clip, 1, avatar)
    assert motions.motion(clip, 0, avatar) is first  # now the latest
    motions.motion(clip, 2, avatar)
    assert motions.motion(clip, 0, avatar) is first
    assert len(motions) == 2
