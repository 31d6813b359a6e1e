"""Speech encoders from folders: tiny ones with random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    BertConfig,
    HubertConfig,
    HubertModel,
    Wav2Vec2Config,
    Wav2Vec2Model,
    WavLMConfig,
    WavLMModel,
    WhisperConfig,
    WhisperForAudioClassification,
)

from mggtalk.config import AudioPriorConfig, SpeechConfig
from mggtalk.errors import WeightsMissingError
from mggtalk.face.face_model import FaceModel
from mggtalk.media.sound import Sound
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.speech.audio_prior import AudioPrior, mouth_region
from mggtalk.speech.features import record
from mggtalk.speech.listen import LEARNED_NOTE, Speaker, listen
from mggtalk.speech.speech_encoder import CLOCK, FIRST, HOP, RATE, Ears, Hearing, SpeechEncoder, encoder_folder
from mggtalk.training.speech.listening import SPREAD, fit_ears

WIDTH = 16
RAW = {"conv_dim": (WIDTH,) * 7, "hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 2} | {
    "intermediate_size": 24,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
}
WHISPER = WhisperConfig(
    d_model=WIDTH, encoder_layers=2, encoder_attention_heads=2, encoder_ffn_dim=24, max_source_positions=200
)
MODELS = {
    "whisper": lambda: WhisperForAudioClassification(WHISPER),
    "wav2vec2": lambda: Wav2Vec2Model(Wav2Vec2Config(**RAW)),
    "hubert": lambda: HubertModel(HubertConfig(**RAW)),
    "wavlm": lambda: WavLMModel(WavLMConfig(**RAW)),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder of each kind."""
    root = tmp_path_factory.mktemp("encoders")
    for name, build in MODELS.items():
        torch.manual_seed(5)
        build().save_pretrained(root / name)
    return {name: root / name for name in MODELS}


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    """Eleven seconds."""
    return 0.1 * np.random.default_rng(0).standard_normal(11 * RATE + 77).astype(np.float32)


def plain(folder: Path, layer: int = 2) -> Ears:
    """Ears that change nothing."""
    encoder = SpeechEncoder(folder, layer)
    return Ears(encoder, torch.eye(WIDTH), torch.zeros(encoder.places, WIDTH))


def heard(ears: Ears, samples: np.ndarray, block: int = 10**9) -> np.ndarray:
    hearing = Hearing(ears)
    for start in range(0, len(samples), block):
        hearing.feed(samples[start : start + block])
    return hearing.finish()[:]


@pytest.mark.parametrize("kind", MODELS)
def test_a_sound_is_heard_when_it_sounds(kind: str, folders: dict[str, Path], noise: np.ndarray) -> None:
    ears = plain(folders[kind], layer=1)
    before = heard(ears, noise).astype(float)
    assert before.shape == (len(noise) // HOP + 1, WIDTH)
    for seconds in (0.5, 6.1, 10.5):
        changed = noise.copy()
        middle = round(seconds * RATE)
        changed[middle - 80 : middle + 80] *= -1.0
        change = np.linalg.norm(heard(ears, changed) - before, axis=1)
        share = change**2 / (change**2).sum()
        assert np.abs((share * np.arange(len(share))).sum() - CLOCK * seconds) < 3.0
        assert share[round(CLOCK * seconds) - 6 : round(CLOCK * seconds) + 7].sum() > 0.8


def test_blocks_do_not_matter(folders: dict[str, Path], noise: np.ndarray) -> None:
    ears = plain(folders["whisper"])
    np.testing.assert_array_equal(heard(ears, noise), heard(ears, noise, 3333))
    assert len(heard(ears, noise[:10])) == 1


def test_loudness_does_not_matter(folders: dict[str, Path], noise: np.ndarray) -> None:
    ears = plain(folders["hubert"])
    np.testing.assert_allclose(heard(ears, noise), heard(ears, 4.0 * noise), atol=5e-3)


def test_windows_fade_into_each_other(folders: dict[str, Path], noise: np.ndarray) -> None:
    sounds = heard(plain(folders["whisper"]), noise).astype(float)
    change = np.abs(np.diff(sounds, axis=0)).mean(1)
    overlaps = np.concatenate([np.arange(125, 175) + 150 * number for number in range(3)])  # of windows of 4 s
    inside = np.setdiff1d(np.arange(len(change)), overlaps)
    assert change[overlaps].max() < 1.2 * change[inside].max()


@pytest.mark.parametrize("kind", ("whisper", "hubert"))
def test_wanted_directions_alone_are_computed(kind: str, folders: dict[str, Path], noise: np.ndarray) -> None:
    encoder = SpeechEncoder(folders[kind], 2)
    basis = torch.randn(WIDTH, 3, generator=torch.Generator().manual_seed(0))
    window = noise[: encoder.window + 2 * FIRST]
    torch.testing.assert_close(encoder.into(basis)(window), encoder(window) @ basis, atol=1e-4, rtol=1e-4)
    assert encoder(window).shape == (encoder.places, WIDTH)  # the encoder itself stays whole


def test_deeper_layers_are_left_out(folders: dict[str, Path], noise: np.ndarray) -> None:
    first, second = (heard(plain(folders["wavlm"], layer), noise[:RATE]) for layer in (1, 2))
    assert np.abs(first - second).max() > 0.01
    with pytest.raises(WeightsMissingError, match="has 2 layers, asked for is layer 3"):
        SpeechEncoder(folders["wavlm"], 3)


def test_other_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissingError, match="cannot be read"):
        SpeechEncoder(tmp_path, 1)
    BertConfig().save_pretrained(tmp_path)
    with pytest.raises(WeightsMissingError, match="is a 'bert'"):
        SpeechEncoder(tmp_path, 1)


def test_encoders_are_found_by_path_and_in_the_cache(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    assert encoder_folder(str(folders["hubert"])) == folders["hubert"]
    assert encoder_folder("hubert") is None
    monkeypatch.setenv("MGGTALK_CACHE", str(folders["hubert"].parent))
    assert encoder_folder("hubert") == folders["hubert"]


def test_ears_keep_the_strongest_directions(folders: dict[str, Path], hello: Sound) -> None:
    encoder = SpeechEncoder(folders["whisper"], 2)
    ears = fit_ears(encoder, [hello], 6)
    sounds = heard(ears, hello.samples).astype(float)
    assert np.abs(sounds.mean(0)).max() < 0.01
    assert np.sqrt((sounds**2).mean()) == pytest.approx(SPREAD, rel=0.1)
    assert (np.diff(sounds.var(0)) < 0).all()
    unlike = np.corrcoef(sounds.T) - np.eye(6)
    assert np.abs(unlike).max() < 0.15


def test_the_place_in_the_window_is_taken_away(folders: dict[str, Path], noise: np.ndarray) -> None:
    encoder = SpeechEncoder(folders["whisper"], 2)
    many = np.tile(noise, 3)
    ears = fit_ears(encoder, [Sound(many, RATE)], 6)
    placed = Ears(encoder, ears.basis, ears.offset.mean(0, keepdim=True).expand_as(ears.offset))
    first, second = (
        np.stack([heard(which, many[start:][: 4 * RATE]).astype(float)[25:175] for start in (0, 40 * HOP)])
        for which in (ears, placed)
    )
    unlike = [np.abs(sounds[0, 40:] - sounds[1, :-40]).mean() / sounds.std() for sounds in (first, second)]
    assert unlike[0] < unlike[1]


@pytest.fixture(scope="module")
def encoded(folders: dict[str, Path], hello: Sound, face_model: FaceModel) -> AudioPrior:
    """A prior with random weights that hears with an encoder."""
    config = AudioPriorConfig(encoder=str(folders["whisper"]), hidden=WIDTH, places=200, sounds=6, taps=5)
    torch.manual_seed(0)
    prior = AudioPrior(config).eval().requires_grad_(False)
    ears = fit_ears(SpeechEncoder(folders["whisper"], 2), [hello], 6)
    prior.region.copy_(mouth_region(face_model, config.region))
    prior.basis.copy_(ears.basis)
    prior.offset.copy_(ears.offset)
    torch.nn.init.normal_(prior.linear.weight, std=2.0)
    return prior


def test_blocks_of_speech_leave_no_seam(
    encoded: AudioPrior, hello: Sound, face_model: FaceModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = SpeechConfig(fps=29.97)
    sound = hello._replace(samples=np.tile(hello.samples, 2))
    recording = record(sound, encoded.ears())
    whole = listen(recording, face_model, config, speaker=Speaker(encoded))
    monkeypatch.setattr("mggtalk.speech.listen.BLOCK_SECONDS", 3)
    monkeypatch.setattr("mggtalk.speech.features.PIECE", 8000)
    parts = listen(record(sound, encoded.ears()), face_model, config, speaker=Speaker(encoded))
    torch.testing.assert_close(whole.expression, parts.expression, atol=3e-3, rtol=0.0)
    assert whole.notes[0].startswith(LEARNED_NOTE) and "hears with" in whole.notes[0]
    assert recording.sounds is not None
    deaf = listen(recording._replace(sounds=0.0 * recording.sounds[:]), face_model, config, speaker=Speaker(encoded))
    assert (deaf.expression - whole.expression).abs().max() > 0.05


def test_without_its_encoder_the_other_prior_speaks(encoded: AudioPrior, pipeline: MGGTalkPipeline) -> None:
    pipe = MGGTalkPipeline.from_pretrained(prior=True)
    assert pipe.lip_prior() == (pipe.audio_prior, None)
    pipe.encoded_prior = encoded
    prior, ears = pipe.lip_prior()
    assert prior is encoded and ears is not None
    lost = AudioPrior(AudioPriorConfig(encoder="lost", hidden=WIDTH, places=200, sounds=6))
    lost.load_state_dict(AudioPrior(lost.config).state_dict())
    torch.nn.init.ones_(lost.linear.weight)
    pipe.encoded_prior = lost.eval()
    assert pipe.lip_prior() == (pipe.audio_prior, None)
    with pytest.raises(WeightsMissingError, match="'lost' is not here"):
        lost.ears()
