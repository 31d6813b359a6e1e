import math

import numpy as np
import pytest
import torch

from mggtalk.config import AudioPriorConfig, SpeechConfig
from mggtalk.errors import OptionError
from mggtalk.face.blendshapes import INDEX, NAMES
from mggtalk.geometry import rotation_to_euler
from mggtalk.media.sound import Sound
from mggtalk.speech.acoustic_model import acoustic_model
from mggtalk.speech.audio_prior import AudioPrior, mouth_region
from mggtalk.speech.blinks import MIN_GAP, blink_curve, blink_times
from mggtalk.speech.features import SpeechFeatures, analyse, record
from mggtalk.speech.head_motion import DISTANCE, accents, head_motion
from mggtalk.speech.hearing import LEAST_TRUST, closing_share, heard, phone_trust, understand
from mggtalk.speech.listen import RULES_NOTE, Speaker, listen, mouth_curves
from mggtalk.speech.phones import PHONES, SILENCE, Phone, decode_phones
from mggtalk.speech.visemes import (
    BILABIALS,
    LEAD,
    PHONE_VISEMES,
    VISEMES,
    closures,
    mouth_at,
    mouth_from_phones,
    viseme_vector,
)

JAW = INDEX["jawOpen"]


def steady(frames, active=True):
    """Features of a steady loud vowel, or of silence."""
    level = np.full(frames, float(active), np.float32)
    return SpeechFeatures(level, np.full(frames, active), level, level * 0.5, level * 0, np.zeros(frames, bool))


def opening_of(face_model, expression):
    """Height of the mouth's opening in decimetres; negative where the lips overlap."""
    vertices = face_model.vertices(torch.zeros(len(expression), face_model.identity_basis.shape[0]), expression)
    return (vertices[:, 13, 1] - vertices[:, 14, 1]).numpy()


def mouth(sound, config=None, language=None):
    """The rules' blendshape weights for a whole recording, ``[T, 52]``."""
    config = config or SpeechConfig()
    moments = np.arange(max(1, round(sound.seconds * config.fps))) / config.fps
    return mouth_curves(understand(record(sound), language), moments, config).weights


# phones


def test_phones_of_the_example_cover_it_in_order(hello, hello_curves):
    phones = hello_curves.speech.track.phones
    assert phones[0].start == 0.0
    assert phones[-1].end == pytest.approx(hello.seconds, abs=0.1)
    assert all(a.end == pytest.approx(b.start) for a, b in zip(phones, phones[1:]))
    assert {phone.name for phone in phones} <= PHONES | {SILENCE}


def test_known_sounds_are_heard(hello_curves):
    first_words = [phone.name for phone in hello_curves.speech.track.phones if phone.end < 3.5]
    text = " ".join(first_words)
    assert "L OW" in text and "W AA N F OW" in text  # hell-o, w-on(e) pho(to)
    assert "IH Z AO L" in text  # is all
    assert hello_curves.speech.trust > 0.9


def test_long_recordings_are_decoded_in_pieces(hello):
    twice = Sound(np.tile(hello.samples, 3), hello.rate)
    steps = []
    track = decode_phones(twice, lambda done, total: steps.append((done, total)))
    assert steps == [(1, 2), (2, 2)]
    assert track.phones[-1].end == pytest.approx(twice.seconds, abs=0.1)
    assert all(a.end <= b.start + 0.06 for a, b in zip(track.phones, track.phones[1:]))


def test_noise_is_not_trusted():
    noise = np.random.default_rng(1).standard_normal(32000).astype(np.float32) * 0.1
    track = decode_phones(Sound(noise, 16000))
    assert phone_trust(track.fit) < 0.6


def test_language_decides_over_fit():
    assert phone_trust(-2.0, "en") == phone_trust(-2.0, "en-GB") == 1.0
    assert phone_trust(-0.5, "de") == phone_trust(-9.0) == LEAST_TRUST
    assert phone_trust(-math.inf, "en") == 0.0


def test_phones_in_silence_are_dropped():
    features = steady(80)._replace(active=np.arange(80) < 40)
    phones = (Phone("AA", 0.1, 0.3), Phone("IY", 0.6, 0.8), Phone("SIL", 0.8, 1.0))
    assert [phone.name for phone in heard(phones, features)] == ["AA"]


def test_closures_that_contradict_the_sound_are_dropped():
    assert heard((Phone("M", 0.2, 0.3),), steady(80)) == ()  # as loud as an open mouth
    quiet = steady(80)._replace(openness=np.full(80, 0.4, np.float32))
    assert len(heard((Phone("M", 0.2, 0.3),), quiet)) == 1
    assert heard((Phone("M", 0.2, 0.23),), quiet) == ()  # hardly there
    likely = np.full((101, 42), 0.02, np.float16)  # 0.1 for the five together
    assert heard((Phone("M", 0.2, 0.3),), quiet, closing_share(likely)) == ()
    likely[:, acoustic_model().phones.index("B")] = 0.2
    assert len(heard((Phone("M", 0.2, 0.3),), quiet, closing_share(likely))) == 1


# visemes


def test_every_phone_has_a_lip_shape_of_known_names():
    assert set(PHONE_VISEMES) == PHONES
    assert {name for parts in PHONE_VISEMES.values() for name in parts} == set(VISEMES)
    for name in VISEMES:
        vector = viseme_vector(name)
        assert vector.shape == (52,) and 0.0 <= vector.min() and vector.max() <= 1.0 and vector.sum() > 0


def test_lip_shapes_look_right_on_the_face_model(face_model):
    weights = torch.from_numpy(np.stack([viseme_vector(name) for name in VISEMES]))
    gaps = dict(zip(VISEMES, opening_of(face_model, face_model.from_blendshapes(weights))))
    rest = opening_of(face_model, torch.zeros(1, 64))[0]
    assert gaps["closed"] <= rest + 0.002
    assert gaps["open"] > gaps["front"] > gaps["wide"] > gaps["tip"] > gaps["teeth"]
    assert gaps["open"] > 0.15


@pytest.mark.parametrize("fps", [12.5, 25.0, 30.0, 60.0])
def test_lips_meet_for_short_bilabials(fps):
    phones = (Phone("AA", 0.2, 0.47), Phone("B", 0.47, 0.50), Phone("AA", 0.50, 0.8))
    curves = mouth_from_phones(phones, steady(80))
    mouth = mouth_at(curves, phones, np.arange(int(fps)) / fps + LEAD, fps)
    frame = round((0.485 - LEAD) * fps)
    assert mouth[frame - 1 : frame + 2, JAW].min() == 0.0
    assert mouth[int(0.3 * fps), JAW] > 0.3 and mouth[int(0.65 * fps), JAW] > 0.3


def test_closure_does_not_outlast_the_sound():
    times = np.arange(100) / 100
    closure = closures((Phone("P", 0.2, 0.9),), BILABIALS, times)
    assert closure[55] == 1.0
    assert closure[times < 0.4].max() == 0.0 and closure[times > 0.7].max() == 0.0
    assert closures((Phone("AA", 0.2, 0.9),), BILABIALS, times).max() == 0.0


def test_neighbours_shine_through():
    def jaw_of_s(neighbour):
        phones = (Phone(neighbour, 0.2, 0.4), Phone("S", 0.4, 0.5), Phone(neighbour, 0.5, 0.7))
        return mouth_from_phones(phones, steady(80))[45, JAW]

    assert jaw_of_s("AA") > jaw_of_s("IY") + 0.02
    assert jaw_of_s("AA") < 0.22


# the rules' mouth


def test_shape_and_range(hello, hello_curves):
    weights = hello_curves.weights
    assert weights.shape == (round(hello.seconds * 25), len(NAMES)) and weights.dtype == np.float32
    assert weights.min() >= 0.0 and weights.max() <= 1.0
    eyes = [index for name, index in INDEX.items() if name.startswith(("eye", "brow"))]
    assert weights[:, eyes].max() == 0.0
    assert 0.3 < weights[:, JAW].max() < 0.8


def test_mouth_follows_the_sound(hello, hello_curves):
    jaw = hello_curves.weights[:, JAW]
    power = np.convolve(hello.samples.astype(float) ** 2, np.ones(960) / 960, "same")
    moments = np.arange(len(jaw)) / 25 + LEAD
    envelope = np.sqrt(np.interp(moments, np.arange(len(power)) / hello.rate, power))
    assert np.corrcoef(envelope, jaw)[0, 1] > 0.6


def test_silence_closes_the_mouth(hello_curves, hello):
    jaw = hello_curves.weights[:, JAW]
    active = hello_curves.speech.features.active
    near = np.convolve(active, np.ones(2 * 10 + 1), "same") > 0  # 125 ms around speech
    moments = ((np.arange(len(jaw)) / 25 + LEAD) * 80).astype(int).clip(0, len(active) - 1)
    assert (~near[moments]).sum() > 15
    assert jaw[~near[moments]].max() < 0.02


def test_mouth_closes_within_120_ms(syllables):
    jaw = mouth(syllables, SpeechConfig(fps=100.0), "other")[:, JAW]
    for start in (1.2, 1.8, 2.4, 3.0):
        assert jaw[int(100 * (start + 0.10)) : int(100 * (start + 0.2))].min() > 0.15
        assert jaw[int(100 * (start + 0.3 + 0.12)) : int(100 * (start + 0.48))].max() < 0.05
    assert jaw[:110].max() < 0.01


def test_curves_are_smooth(hello_curves):
    jaw = hello_curves.weights[:, JAW].astype(float)
    spectrum = np.abs(np.fft.rfft(jaw - jaw.mean())) ** 2
    frequency = np.fft.rfftfreq(len(jaw), 1 / 25)
    assert spectrum[frequency > 8].sum() < 0.1 * spectrum.sum()


def test_frame_rates_agree(hello, hello_curves):
    fast = mouth(hello, SpeechConfig(fps=50.0))
    assert len(fast) == round(hello.seconds * 50)
    assert np.corrcoef(fast[::2, JAW][: len(hello_curves.weights)], hello_curves.weights[:, JAW])[0, 1] > 0.97


def test_noise_alone_does_not_chatter():
    faint = np.random.default_rng(0).standard_normal(48000).astype(np.float32) * 0.01
    assert np.abs(np.diff(mouth(Sound(faint, 16000))[:, JAW], 2)).mean() < 0.05


# the whole motion


def test_motion_fits_the_contracts(hello_motion, hello, face_model):
    frames = round(hello.seconds * 25)
    assert hello_motion.expression.shape == (frames, 64) and hello_motion.expression.dtype == torch.float32
    assert hello_motion.rotation.shape == (frames, 3, 3) and hello_motion.translation.shape == (frames, 3)
    assert (
        hello_motion.face_model == face_model.version and hello_motion.fps == 25.0 and hello_motion.focal_ratio == 2.5
    )
    assert hello_motion.notes == (RULES_NOTE,)
    torch.testing.assert_close(hello_motion.rotation @ hello_motion.rotation.mT, torch.eye(3).expand(frames, 3, 3))
    torch.testing.assert_close(hello_motion.rotation[0], torch.eye(3))
    torch.testing.assert_close(hello_motion.translation[0], torch.tensor((0.0, 0.0, DISTANCE)))
    assert hello_motion.expression[0].abs().max() < 0.3


def test_same_seed_same_motion(hello_motion, hello, face_model):
    again, other = listen(hello, face_model, seed=3), listen(hello, face_model, seed=4)
    assert torch.equal(hello_motion.expression, again.expression) and torch.equal(hello_motion.rotation, again.rotation)
    assert not torch.equal(hello_motion.rotation, other.rotation)


def test_eyes_close_fully_on_the_face_model(hello_motion, face_model):
    vertices = face_model.vertices(
        torch.zeros(len(hello_motion), face_model.identity_basis.shape[0]), hello_motion.expression
    )
    opening = (vertices[:, 159] - vertices[:, 145]).norm(dim=-1)
    assert opening.min() < 0.25 * opening[0]


def test_other_languages_are_said_so(hello, face_model):
    motion = listen(hello, face_model, language="de")
    assert len(motion.notes) == 2 and "'de'" in motion.notes[1] and "70 %" in motion.notes[1]


def test_silence_keeps_the_mouth_closed_and_the_head_alive(face_model):
    motion = listen(Sound(np.zeros(16000 * 6, np.float32), 16000), face_model)
    assert "No speech" in motion.notes[0]
    assert motion.rotation.std(0).max() > 0.005
    gap = opening_of(face_model, motion.expression)
    assert gap.max() - gap.min() < 0.02


def test_strengths_of_zero_keep_still(hello, face_model):
    config = SpeechConfig(head_motion=0.0, mouth=0.0, blinks_per_minute=0.0)
    motion = listen(hello, face_model, config)
    torch.testing.assert_close(motion.rotation, torch.eye(3).expand(len(motion), 3, 3))
    assert mouth(hello, config).max() == 0.0


def test_blocks_leave_no_seam(hello, face_model, monkeypatch):
    torch.manual_seed(0)
    prior = AudioPrior(AudioPriorConfig()).eval()
    prior.region.copy_(mouth_region(face_model, prior.config.region))
    torch.nn.init.normal_(prior.linear.weight, std=0.5)
    sound = hello._replace(samples=np.tile(hello.samples, 3))
    config = SpeechConfig(fps=29.97)
    whole = listen(sound, face_model, config, speaker=Speaker(prior))
    monkeypatch.setattr("mggtalk.speech.listen.BLOCK_SECONDS", 5)
    monkeypatch.setattr("mggtalk.speech.features.PIECE", 8000)
    parts = listen(sound, face_model, config, speaker=Speaker(prior))
    assert torch.equal(whole.rotation, parts.rotation)
    torch.testing.assert_close(whole.expression, parts.expression, atol=3e-3, rtol=0.0)


@pytest.mark.parametrize("hertz", [50.0, 60.0])
def test_the_hum_of_the_mains_is_no_speech(hertz, face_model):
    time = np.arange(3 * 16000) / 16000
    hum = sum(np.sin(2 * np.pi * hertz * k * time) / k for k in range(1, 12))
    motion = listen(Sound((0.05 * hum).astype(np.float32), 16000), face_model, SpeechConfig(blinks_per_minute=0.0))
    assert "No speech" in motion.notes[0]
    gap = opening_of(face_model, motion.expression)
    assert gap.max() - gap.min() < 0.02


def test_speech_over_a_hum_is_heard(hello):
    hum = 0.05 * np.sin(2 * np.pi * 50.0 * np.arange(len(hello.samples)) / 16000)
    clean, loud = analyse(hello).active, analyse(hello._replace(samples=hello.samples + hum.astype(np.float32))).active
    assert (clean == loud).mean() > 0.9


def test_one_short_sound_gives_one_frame(face_model):
    assert len(listen(Sound(np.full(10, 0.1, np.float32), 16000), face_model)) == 1


@pytest.mark.parametrize(
    "arguments",
    [{"language": ""}, {"language": "3"}, {"seed": -1}, {"config": SpeechConfig(fps=0.0)}],
)
def test_bad_options_are_refused(arguments, hello, face_model):
    with pytest.raises(OptionError):
        listen(hello, face_model, **arguments)


# head and eyes


def test_head_motion_is_natural():
    frames = 25 * 300
    rotation, translation = head_motion(steady(80 * 300), frames, 25.0, np.random.default_rng(0))
    degrees = np.degrees(rotation_to_euler(rotation).numpy())
    pitch, yaw, roll = degrees.std(0)
    assert 1.5 < pitch < 3.2 and 1.5 < yaw < 3.5 and 1.4 < roll < 3.2
    assert np.abs(degrees).max() < 12.0
    assert np.abs(np.diff(degrees, axis=0)).max() * 25 < 40.0  # degrees a second
    assert 0.005 < translation.std(0).max() < 0.08  # decimetres


def test_nods_follow_accents(hello_features):
    moments, strength = accents(hello_features)
    assert 4 <= len(moments) <= 16
    assert np.diff(moments).min() >= 0.44
    assert 0.0 < strength.min() and strength.max() <= 1.0
    loud = np.interp(moments, hello_features.times, hello_features.loudness)
    assert loud.min() > hello_features.loudness.mean()


def test_blink_rate_and_gaps():
    silence = steady(80 * 1200, active=False)
    times = blink_times(silence, 1200.0, 16.0, np.random.default_rng(0))
    assert 12.0 < len(times) / 20.0 < 20.0
    gaps = np.diff(times)
    assert gaps.min() > MIN_GAP - 1e-6 and gaps.std() > 1.0


def test_blinks_prefer_the_ends_of_phrases():
    on = (np.arange(80 * 600) % 320) < 240  # three seconds of speech, one of silence
    features = steady(80 * 600)._replace(active=on)
    phase = np.array(blink_times(features, 600.0, 16.0, np.random.default_rng(0))) % 4.0
    assert ((phase > 3.0) & (phase < 3.3)).mean() > 0.2  # 0.075 by chance


@pytest.mark.parametrize("fps", [10.0, 25.0, 30.0, 60.0])
def test_blinks_shut_fully_and_open_slower_than_they_close(fps):
    curve = blink_curve([1.0], int(2 * fps), fps)
    shut = round(fps)
    assert curve[shut] == 1.0 and (curve == 1.0).sum() == 1
    assert curve[: shut - int(0.11 * fps) - 1].max() == 0.0 and curve[shut + int(0.21 * fps) + 1 :].max() == 0.0
    assert curve[shut + 1 :].sum() >= curve[:shut].sum()
    if fps == 25.0:
        assert 5 <= (curve > 0).sum() <= 7


def test_analysis_feeds_all_of_it_from_any_sound(syllables):
    features = analyse(syllables)
    assert len(accents(features)[0]) >= 4
