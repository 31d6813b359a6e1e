"""The learned lips: the law, seams, silence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mggtalk.config import AudioPriorConfig, SpeechConfig
from mggtalk.errors import OptionError
from mggtalk.evaluation.metrics import lip_width
from mggtalk.face import topology
from mggtalk.face.face_model import FaceModel
from mggtalk.media.sound import Sound
from mggtalk.scene import Motion
from mggtalk.speech.audio_prior import CHUNK, AudioPrior, Voice, blend, mouth_region
from mggtalk.speech.listen import LEARNED_NOTE, RULES_NOTE, Speaker, SpeechCurves, lips, listen
from mggtalk.speech.speech_inputs import CLOCK, PHONES, SpeechInputs, breaths, speech_gate


@pytest.fixture(scope="module")
def prior(face_model: FaceModel) -> AudioPrior:
    """A small prior with random weights."""
    torch.manual_seed(3)
    made = AudioPrior(AudioPriorConfig()).eval().requires_grad_(False)
    made.region.copy_(mouth_region(face_model, made.config.region))
    torch.nn.init.normal_(made.linear.weight, std=0.2)
    return made


@pytest.fixture(scope="module")
def inputs() -> SpeechInputs:
    """Noise, longer than two pieces."""
    generator = np.random.default_rng(0)
    frames = 2 * CHUNK + 137
    channels = generator.standard_normal((frames, PHONES)).astype(np.float32)
    return SpeechInputs(channels, np.ones(frames, np.float32), np.full(PHONES, 0.3, np.float32), 40.0)


def test_without_training_it_is_the_rules(hello: Sound, face_model: FaceModel, hello_motion: Motion) -> None:
    fresh = AudioPrior(AudioPriorConfig()).eval()
    assert fresh.untrained
    motion = listen(hello, face_model, seed=3, speaker=Speaker(fresh))
    assert torch.equal(motion.expression, hello_motion.expression)
    assert RULES_NOTE in motion.notes


def test_a_trained_one_moves_the_lips_and_says_so(
    hello: Sound, face_model: FaceModel, hello_motion: Motion, prior: AudioPrior
) -> None:
    motion = listen(hello, face_model, seed=3, speaker=Speaker(prior))
    assert motion.notes == (LEARNED_NOTE,)
    change = motion.expression - hello_motion.expression
    moved = (change @ face_model.expression_basis.flatten(1)).unflatten(-1, (-1, 3)).norm(dim=-1)  # [T, V]
    lips, lids = moved[:, list(topology.LIPS)].mean(), moved[:, list(topology.RIGHT_EYE)].mean()
    assert lips > 0.02 and lids < 0.25 * lips
    assert torch.equal(motion.rotation, hello_motion.rotation)


def test_energy_moves_all_of_it(hello: Sound, face_model: FaceModel, prior: AudioPrior) -> None:
    calm, lively = (
        listen(hello, face_model, SpeechConfig(energy=energy, blinks_per_minute=0.0), speaker=Speaker(prior))
        for energy in (0.5, 1.5)
    )
    assert lively.expression.std(0).sum() > 1.5 * calm.expression.std(0).sum()
    assert lively.translation.std(0).sum() > 2.0 * calm.translation.std(0).sum()
    with pytest.raises(OptionError, match="energy is 3"):
        listen(hello, face_model, SpeechConfig(energy=3.0))


def test_no_mouth_no_learned_motion(hello: Sound, face_model: FaceModel, prior: AudioPrior) -> None:
    config = SpeechConfig(mouth=0.0, blinks_per_minute=0.0, head_motion=0.0)
    still = listen(hello, face_model, config, speaker=Speaker(prior))
    rules = listen(hello, face_model, config)
    torch.testing.assert_close(still.expression, rules.expression)


def test_pieces_leave_no_seam(prior: AudioPrior, inputs: SpeechInputs) -> None:
    moments = np.arange(0.0, len(inputs.gate) / CLOCK, 1.0 / 30.0)
    made = prior.listen(inputs, moments)
    whole = prior(prior.centre(inputs)[None], torch.from_numpy(inputs.gate)[None])[0]
    exact = np.flatnonzero(np.isclose(moments * CLOCK, np.round(moments * CLOCK)))
    place = torch.from_numpy(np.round(moments[exact] * CLOCK).astype(int))
    assert len(exact) > 100
    torch.testing.assert_close(made[exact], whole[place] @ prior.region, atol=1e-5, rtol=1e-5)


def test_a_frame_hears_no_further_than_the_reach(prior: AudioPrior, inputs: SpeechInputs) -> None:
    middle = 500
    changed = inputs.channels.copy()
    changed[middle + prior.reach + 1 :] += 1.0
    changed[: middle - prior.reach] -= 1.0
    moment = np.array([middle / CLOCK])
    torch.testing.assert_close(prior.listen(inputs, moment), prior.listen(inputs._replace(channels=changed), moment))
    changed[middle + prior.reach] += 1.0
    assert not torch.equal(prior.listen(inputs, moment), prior.listen(inputs._replace(channels=changed), moment))


def test_what_is_usual_in_a_long_recording_does_not_open_the_mouth(prior: AudioPrior, inputs: SpeechInputs) -> None:
    """Another microphone shifts all channels: after minutes of speech that changes nothing, after a word it does."""
    moment, changes = np.array([3.0]), []
    for spoken in (1e6, 0.5):
        plain = inputs._replace(spoken=spoken)
        shifted = plain._replace(channels=plain.channels + 0.5, usual=plain.usual + 0.5)
        changes.append(float((prior.listen(shifted, moment) - prior.listen(plain, moment)).abs().max()))
    assert changes[0] < 1e-3 and changes[1] > 100.0 * changes[0]


def test_silence_adds_nothing(prior: AudioPrior, inputs: SpeechInputs) -> None:
    quiet = inputs._replace(gate=np.zeros_like(inputs.gate))
    assert prior.listen(quiet, np.array([0.3, 1.0])).abs().max() == 0.0


def test_the_gate_bridges_short_pauses_and_closes_in_long_ones() -> None:
    active = np.ones(800, bool)
    active[200:216] = False  # 0.2 s
    active[400:560] = False  # 2 s
    gate = speech_gate(active, 500)
    assert gate[120:136].min() > 0.95
    assert gate[271:329].max() < 0.03
    assert gate[334] < 0.6 < 0.95 < gate[339]  # lips part before the onset at 350


def test_lips_close_in_a_pause_of_a_third_of_a_second() -> None:
    active = np.ones(400, bool)
    active[200:227] = False  # a frame less than 0.35 s: open
    assert speech_gate(active, 250)[10:240].min() > 0.95
    active[227] = False  # closed in its middle
    assert speech_gate(active, 250)[132] < 0.1


def test_a_long_pause_ends_with_a_breath() -> None:
    active = np.ones(800, bool)
    active[200:240] = active[400:560] = False  # 0.5 s and 2 s
    curve = breaths(active, np.arange(250) / 25.0)
    assert curve.argmax() in (165, 166) and curve[:140].max() < 0.01 and curve[176:].max() < 0.02


def test_a_voice_changes_its_own_speech_only(prior: AudioPrior, inputs: SpeechInputs) -> None:
    moments = np.array([1.0, 2.0])
    average = Voice.average(prior.config)
    torch.testing.assert_close(prior.listen(inputs, moments, voice=average), prior.listen(inputs, moments))
    louder = average._replace(mix=0.5 * torch.eye(12))
    torch.testing.assert_close(prior.listen(inputs, moments, voice=louder), 1.5 * prior.listen(inputs, moments))
    moved = average._replace(offset=torch.ones(12))
    assert not torch.allclose(prior.listen(inputs, moments, voice=moved), prior.listen(inputs, moments))


def test_lips_meet_where_the_rules_say_so() -> None:
    config = AudioPriorConfig(closing=1.0)
    rules, residual = torch.full((2, 4), 2.0), torch.full((2, 4), 5.0)
    mixed = blend(rules, residual, torch.tensor([1.0, 0.0]), config)
    torch.testing.assert_close(mixed[0], rules[0])
    torch.testing.assert_close(mixed[1], residual[1])


def test_the_region_leaves_the_upper_face_alone(face_model: FaceModel) -> None:
    region = mouth_region(face_model, 12)
    moved = (region @ face_model.expression_basis.flatten(1)).unflatten(-1, (-1, 3)).norm(dim=-1)  # [M, V]
    lips = moved[:, list(topology.LIPS)].square().mean(1).sqrt()
    assert 0.005 < lips[:6].min() and lips[:6].max() < 0.02  # a millimetre
    assert (moved[:6, list(topology.RIGHT_EYE)].square().mean(1).sqrt() < 0.35 * lips[:6]).all()


def test_what_is_learned_is_rounded_as_the_rules_have_it(
    hello_curves: SpeechCurves, face_model: FaceModel, prior: AudioPrior
) -> None:
    flat = AudioPrior(replace(prior.config, rounding=0.0))
    flat.load_state_dict(prior.state_dict())
    speech, config, average = hello_curves.speech, SpeechConfig(), Voice.average(prior.config)
    frames = round(speech.seconds * config.fps)
    made, without, own = (
        lips(speech, 0, frames, face_model, config, speaker)
        for speaker in (Speaker(prior), Speaker(flat), Speaker(prior, average))
    )
    torch.testing.assert_close(own, without)  # a voice that was learned has its own rounding
    identity = torch.zeros(face_model.identity_basis.shape[0])
    narrower = lip_width(face_model.vertices(identity, without)) - lip_width(face_model.vertices(identity, made))  # [T]
    moments = np.arange(frames) / config.fps
    rounded = np.zeros(frames, bool)
    for phone in speech.said:
        rounded |= (phone.name in {"W", "OW", "UW", "AO"}) & (phone.start < moments) & (moments < phone.end)
    assert narrower[rounded].mean() > 0.006 and narrower[rounded].mean() > 3.0 * abs(narrower[~rounded].mean())
