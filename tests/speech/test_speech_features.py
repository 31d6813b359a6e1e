import numpy as np
import pytest

from mggtalk.errors import MediaError
from mggtalk.media.sound import Sound
from mggtalk.speech.features import (
    analyse,
    hertz_to_mel,
    loudness_and_activity,
    measure,
    record,
)


def tone(hertz, seconds=1.0, amplitude=0.5):
    return (amplitude * np.sin(2 * np.pi * hertz * np.arange(int(seconds * 16000)) / 16000)).astype(np.float32)


def test_mel_scale_by_hand():
    assert hertz_to_mel(1000.0) == pytest.approx(15.0)
    assert hertz_to_mel(200.0) == pytest.approx(3.0)
    assert hertz_to_mel(6400.0) == pytest.approx(42.0)


def test_loudness_is_relative_to_the_recording(hello):
    loud = analyse(hello)
    quiet = analyse(hello._replace(samples=hello.samples * np.float32(0.05)))
    np.testing.assert_allclose(loud.loudness, quiet.loudness, atol=0.02)
    np.testing.assert_allclose(loud.openness, quiet.openness, atol=0.02)


def test_activity_of_switched_syllables(syllables):
    features = analyse(syllables)
    times = features.times
    inside = (times > 1.2) & ((times % 0.6 > 0.05) & (times % 0.6 < 0.25))
    outside = (times < 1.15) | ((times > 1.2) & (times % 0.6 > 0.38) & (times % 0.6 < 0.55))
    assert features.active[inside].mean() > 0.98
    assert not features.active[outside].any()


def test_single_clicks_are_no_speech():
    level = np.full(400, -60.0)
    level[100:300] = -20.0
    level[350] = -20.0
    _, active = loudness_and_activity(level)
    assert active[110:290].all()
    assert not active[330:].any() and not active[:90].any()


def test_spectral_shape_tells_hiss_from_hum():
    rng = np.random.default_rng(0)
    hiss = np.diff(rng.standard_normal(16001)).astype(np.float32) * 0.1
    assert analyse(Sound(hiss, 16000)).frication.mean() > 0.7
    assert analyse(Sound(tone(300), 16000)).frication.mean() < 0.05
    low, high = (analyse(Sound(tone(hertz), 16000)).centroid.mean() for hertz in (500, 2000))
    assert high > low + 0.3


def test_silence_and_short_sounds_are_analysed():
    for samples in (1, 100, 5000):
        features = analyse(Sound(np.zeros(samples, np.float32), 16000))
        assert not features.active.any()
        assert all(np.isfinite(curve).all() for curve in features)


@pytest.mark.parametrize("samples", [300, 64000, 132862])
def test_blocks_do_not_matter(samples, hello):
    whole = record(hello._replace(samples=hello.samples[:samples]))
    parts = measure(hello.samples[start : min(start + 17777, samples)] for start in range(0, samples, 17777))
    assert len(whole.cepstra) == samples // 160 + 1 and len(whole.features.loudness) == samples // 200 + 1
    assert (whole.samples, whole.peak) == (parts.samples, parts.peak)
    np.testing.assert_allclose(whole.cepstra[:], parts.cepstra[:], atol=1e-4)
    for one, other in zip(whole.features, parts.features):
        np.testing.assert_allclose(one, other, atol=1e-3)


def test_pieces_meet_without_a_seam(hello, monkeypatch):
    whole = record(hello)
    monkeypatch.setattr("mggtalk.speech.features.PIECE", 1600)
    parts = record(hello)
    np.testing.assert_allclose(whole.cepstra[:], parts.cepstra[:], atol=1e-3)
    np.testing.assert_allclose(whole.features.loudness, parts.features.loudness, atol=1e-3)
    np.testing.assert_array_equal(whole.features.active, parts.features.active)


def test_other_rates_are_refused():
    with pytest.raises(MediaError, match="44100"):
        analyse(Sound(np.zeros(100, np.float32), 44100))
    with pytest.raises(MediaError, match="0 samples"):
        analyse(Sound(np.zeros(0, np.float32), 16000))
