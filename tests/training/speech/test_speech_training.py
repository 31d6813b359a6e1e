"""Training of the audio prior on a made-up speaker whose lips follow the sound by a known law."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter1d
from transformers import WhisperConfig, WhisperForAudioClassification

from mggtalk.cli.checks import check_options
from mggtalk.cli.parser import build_parser
from mggtalk.cli.train_speech import train_speech
from mggtalk.cli.voice import judged
from mggtalk.config import AudioPriorConfig
from mggtalk.errors import OptionError, WeightsMissingError
from mggtalk.face.face_model import FaceModel
from mggtalk.media.sound import Sound, load_sound
from mggtalk.speech.audio_prior import AudioPrior, Voice, mouth_region
from mggtalk.speech.features import record
from mggtalk.speech.hearing import understand
from mggtalk.speech.speech_encoder import SpeechEncoder
from mggtalk.speech.visemes import LEAD
from mggtalk.speech.voice_file import load_voice, save_voice
from mggtalk.training.speech.augment import stretch, vary
from mggtalk.training.speech.clips import SpeechClip, hear
from mggtalk.training.speech.config import SpeechAugmentConfig, SyncConfig
from mggtalk.training.speech.listening import fit_ears
from mggtalk.training.speech.scores import predict_lips, score, table
from mggtalk.training.speech.speaker import VoiceConfig, fit_voice, in_time
from mggtalk.training.speech.sync import best_lag, lip_gaps, synchronise
from mggtalk.training.speech.train import train_prior, with_variants

ROOT = Path(__file__).parents[3]
SIZE = AudioPriorConfig(closing=0.0)
LAG = 3
OPEN = 2  # the channel of AA


@pytest.fixture(scope="module")
def hello() -> Sound:
    return load_sound(ROOT / "examples" / "hello.flac")


@pytest.fixture(scope="module")
def clip(hello: Sound, face_model: FaceModel) -> SpeechClip:
    """Somebody whose lips open with the vowels' likelihoods, with the sound three frames late."""
    speech = understand(record(hello))
    assert speech.track is not None
    frames = round(25 * hello.seconds)
    rest = torch.zeros(64)
    blank = SpeechClip(
        name="made",
        speaker="nobody",
        fps=25.0,
        expression=torch.zeros(frames, 64),
        identity=torch.zeros(face_model.identity_basis.shape[0]),
        rotation=torch.eye(3).expand(frames, 3, 3),
        translation=torch.tensor([0.0, 0.0, 10.0]).expand(frames, 3),
        rest=rest,
        sources=rest[None],
        sound=hello,
        phones=speech.track.phones,
        trust=speech.trust,
        heard=(),
        lag=float(LAG),
    )
    heard = hear(blank, (), face_model)
    channels = gaussian_filter1d(heard.heard[0].inputs.channels, 2.0, axis=0)
    place = np.clip(np.round((blank.moments() + LEAD) * 50.0).astype(int), 0, len(channels) - 1)
    vowels = torch.from_numpy(channels[place, OPEN] + channels[place, OPEN + 2] + channels[place, OPEN + 3])
    opening = face_model.from_blendshapes(0.6 * torch.eye(52)[25])  # jawOpen
    return hear(replace(blank, expression=vowels[:, None] * opening), (), face_model)


@pytest.fixture(scope="module")
def prior(clip: SpeechClip, face_model: FaceModel) -> AudioPrior:
    return train_prior([clip], face_model, SIZE)


def test_the_law_is_learned(prior: AudioPrior, clip: SpeechClip, face_model: FaceModel) -> None:
    rules = score(clip, predict_lips(clip, None)[0], face_model)
    learned = score(clip, predict_lips(clip, prior)[0], face_model)
    assert learned.correlation > max(rules.correlation + 0.1, 0.8)
    assert learned.lmd < 0.7 * rules.lmd
    assert learned.offset == 0
    assert table([clip], prior, face_model)[-1].startswith("| mean")


def test_all_speakers_teach_alike_and_amplitude_is_restored(clip: SpeechClip, face_model: FaceModel) -> None:
    """Whoever moves little teaches when lips move as well as the others; how far is that of a lively speaker."""
    people = [
        replace(clip, name=f"{size}", speaker=f"{size}", expression=size * clip.expression) for size in (0.5, 1.0, 2.0)
    ]
    learned = train_prior(people, face_model, SIZE)
    spreads = [score(one, predict_lips(one, learned)[0], face_model).spread for one in people]
    assert spreads[0] > 1.5 > spreads[1] > 0.8 > spreads[2] > 0.4
    again = train_prior(people[::-1], face_model, SIZE)
    torch.testing.assert_close(again.linear.weight, learned.linear.weight, atol=1e-4, rtol=1e-3)


def test_the_law_is_learned_from_an_encoder(clip: SpeechClip, face_model: FaceModel, tmp_path: Path) -> None:
    torch.manual_seed(0)
    whisper = WhisperConfig(
        d_model=32, encoder_layers=1, encoder_attention_heads=2, encoder_ffn_dim=32, max_source_positions=200
    )
    WhisperForAudioClassification(whisper).save_pretrained(tmp_path)
    ears = fit_ears(SpeechEncoder(tmp_path, 1), [clip.sound], 24)
    size = replace(SIZE, encoder=str(tmp_path), layer=1, hidden=32, places=200, sounds=24, taps=5)
    heard = hear(clip, (), face_model, ears)
    inputs = heard.heard[0].inputs
    strongest = gaussian_filter1d(inputs.channels[:, 0], 2.0)
    strongest = inputs.gate * (strongest - strongest.min())
    place = np.clip(np.round((clip.moments() + LEAD) * 50.0).astype(int), 0, len(strongest) - 1)
    opening = face_model.from_blendshapes(0.6 * torch.eye(52)[25])  # jawOpen
    heard = replace(heard, expression=5.0 * torch.from_numpy(strongest[place])[:, None] * opening)
    learned = train_prior([heard], face_model, size, ears)
    rules, own = (score(heard, predict_lips(heard, lips)[0], face_model) for lips in (None, learned))
    assert own.correlation > max(rules.correlation + 0.2, 0.6) and own.lmd < 0.7 * rules.lmd
    again = learned.ears()
    assert again is not None and torch.equal(again.basis, ears.basis)
    voice = fit_voice(learned, heard, face_model, VoiceConfig(steps=2))
    assert predict_lips(heard, learned, voice)[0].isfinite().all()


def test_offsets_are_found_and_hopeless_clips_named(clip: SpeechClip, face_model: FaceModel) -> None:
    late = hear(replace(clip, lag=0.0), (), face_model)
    twin = replace(late, name="twin", speaker="somebody")
    still = replace(late, name="still", expression=clip.expression * 0.0)
    strange = replace(late, name="strange", expression=clip.expression.flip(0), speaker="else")
    kept, left_out = synchronise([late, twin, still, strange], face_model, SyncConfig())
    assert [(item.name, item.lag) for item in kept] == [("made", LAG), ("twin", LAG)]
    assert "do not move" in left_out["still"] and "do not go together" in left_out["strange"]


def test_a_lag_is_signed_as_the_sound_is_late() -> None:
    truth = np.sin(np.arange(100) * 0.3)
    assert best_lag(truth, {lag: np.sin((np.arange(100) + lag - 2) * 0.3) for lag in range(-5, 6)}).lag == 2


def test_a_voice_fits_its_speaker(prior: AudioPrior, clip: SpeechClip, face_model: FaceModel, tmp_path: Path) -> None:
    shouting = replace(clip, expression=1.6 * clip.expression)
    voice = fit_voice(prior, shouting, face_model, VoiceConfig(steps=40))
    before = score(shouting, predict_lips(shouting, prior)[0], face_model)
    after = score(shouting, predict_lips(shouting, prior, voice)[0], face_model)
    assert after.lmd < 0.85 * before.lmd
    save_voice(voice, tmp_path / "voice.safetensors", prior.config)
    again = load_voice(tmp_path / "voice.safetensors", prior.config)
    assert all(torch.equal(a, b) for a, b in zip(voice, again))
    with pytest.raises(WeightsMissingError, match="hears with likely phones, in use is one with other"):
        load_voice(tmp_path / "voice.safetensors", replace(prior.config, encoder="other"))
    assert sum(value.numel() for value in Voice.average(AudioPriorConfig())) < 400
    with pytest.raises(OptionError, match="s to learn from"):
        fit_voice(prior, clip, face_model, share=0.01)


def test_a_voice_is_learned_at_the_clips_offset(prior: AudioPrior, clip: SpeechClip, face_model: FaceModel) -> None:
    assert in_time(replace(clip, lag=0.0, heard=()), prior, face_model).lag == LAG
    with pytest.raises(OptionError, match="do not go together"):
        in_time(replace(clip, expression=clip.expression.flip(0)), prior, face_model)
    lines = judged(replace(clip, expression=1.6 * clip.expression), prior, face_model)
    rules, average, own = (float(line.split("|")[3]) for line in lines[2:])
    assert own < average < rules


def test_variants_keep_the_lips(clip: SpeechClip, face_model: FaceModel) -> None:
    config = SpeechAugmentConfig(variants=1, speed=0.2, noise=(40.0, 41.0), semitones=1.0)
    (varied,) = with_variants([clip], face_model, config, seed=4)
    first, second = varied.heard
    assert second.speed != 1.0 and len(second.rules) == len(first.rules) == len(clip.expression)
    gaps = [lip_gaps(face_model, clip.identity, heard.rules) for heard in (first, second)]
    assert np.corrcoef(*gaps)[0, 1] > 0.8


def test_stretching_keeps_the_pitch() -> None:
    time = np.arange(16000) / 16000
    tone = np.sin(2 * np.pi * 200.0 * time).astype(np.float32)
    longer = stretch(tone, 1.25)
    assert len(longer) == pytest.approx(20000, rel=0.05)
    spectrum = np.abs(np.fft.rfft(longer[2000:18000]))
    assert spectrum.argmax() == pytest.approx(200, abs=2)


def test_varying_changes_the_length_by_the_speed(hello: Sound) -> None:
    sound, speed = vary(hello, np.random.default_rng(5), SpeechAugmentConfig(speed=0.3))
    assert len(sound.samples) * speed == pytest.approx(len(hello.samples), rel=0.03)


def test_the_command_asks_for_what_it_needs(tmp_path: Path) -> None:
    given = ("train", "--recipe", "speech", "--out", str(tmp_path))
    for more, words in (
        ((), "--clips"),
        (("--steps", "9"), "takes no steps"),
        (("--set", "steps=9"), "no setting 'steps'"),
    ):
        with pytest.raises(OptionError, match=words):
            check_options(build_parser().parse_args([*given, *more]))
    options = argparse.Namespace(
        clips=None, csv=None, tracks=None, weights=None, out=tmp_path, set=(), encoder=None, speech=None
    )
    options.clips, options.encoder = tmp_path, "nowhere"
    with pytest.raises(OptionError, match="no speech encoder 'nowhere'"):
        train_speech(options, lambda *_: None)


def test_the_region_is_saved_with_the_weights(prior: AudioPrior, face_model: FaceModel) -> None:
    torch.testing.assert_close(prior.region, mouth_region(face_model, SIZE.region))
