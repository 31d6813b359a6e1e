from __future__ import annotations

import numpy as np
import pytest
import soundfile

from mggtalk.config import MediaConfig
from mggtalk.errors import MediaError, MediaTooLongError
from mggtalk.media import Sound, check_speech, has_sound, load_sound


def tone(rate: int, seconds: float = 1.0, hertz: float = 440.0, loudness: float = 0.5) -> np.ndarray:
    return (loudness * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("rate, channels", [(48000, 2), (16000, 1), (22050, 1)])
def test_formats_rates_and_channels(tmp_path, suffix, rate, channels):
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, np.stack([tone(rate)] * channels, axis=1), rate)
    sound = load_sound(path)
    assert sound.rate == 16000 and sound.samples.dtype == np.float32 and sound.samples.ndim == 1
    assert abs(sound.seconds - 1.0) < 0.03  # Vorbis keeps its last block's padding
    assert np.abs(sound.samples - tone(16000, 1.1)[: len(sound.samples)])[800:15000].max() < 0.02
    assert has_sound(path)


def test_stereo_is_averaged(tmp_path):
    left, right = tone(16000, hertz=300), tone(16000, hertz=1000)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1), 16000, subtype="FLOAT")
    assert np.abs(load_sound(tmp_path / "a.wav").samples - (left + right) / 2).max() < 1e-6


@pytest.mark.parametrize("right, expected", [(-1.0, 1.0), (-0.8, 1.0), (0.0, 0.5), (1.0, 1.0), (-0.2, 0.4)])
def test_channels_that_cancel_are_not_silence(tmp_path, right, expected):
    """One of them is taken, also after silence; channels that differ otherwise are averaged."""
    voice = np.concatenate([np.zeros(300_000, np.float32), tone(16000)])  # more than what is read at a time
    soundfile.write(tmp_path / "a.wav", np.stack([voice, right * voice], axis=1), 16000, subtype="FLOAT")
    assert np.abs(load_sound(tmp_path / "a.wav").samples - expected * voice).max() < 1e-5


@pytest.mark.parametrize("name", ["a.caf", "a.au", "a.ac3", "a.eac3", "a.wv", "a.tta", "a.aiff"])
def test_what_phones_and_studios_record(make, name):
    sound = load_sound(make(name, "-f", "lavfi", "-i", "sine=440:r=16000:d=1", "-ac", "2", "-ar", "48000"))
    assert abs(sound.seconds - 1.0) < 0.05 and 0.08 < sound.peak < 0.1


def test_resampling_lets_no_high_tone_through(tmp_path):
    soundfile.write(tmp_path / "high.wav", tone(48000, hertz=11000), 48000, subtype="FLOAT")
    inside = load_sound(tmp_path / "high.wav").samples[2000:-2000]
    assert np.abs(inside).max() < 0.5 * 10 ** (-60 / 20)  # 11 kHz would come back as 5 kHz


@pytest.mark.parametrize("name, codec", [("a.mp4", "aac"), ("a.mkv", "pcm_s16le"), ("a.webm", "libopus")])
def test_sound_of_videos(make, tmp_path, name, codec):
    soundfile.write(tmp_path / "tone.wav", np.stack([tone(48000)] * 2, axis=1), 48000)
    picture = ("-f", "lavfi", "-i", "testsrc=s=64x64:r=10:d=1")
    coding = ("-c:v", "libvpx", "-deadline", "realtime") if name.endswith("webm") else ("-preset", "ultrafast")
    path = make(name, *picture, "-i", str(tmp_path / "tone.wav"), *coding, "-c:a", codec)
    sound = load_sound(path, rate=22050)
    assert sound.rate == 22050 and abs(sound.seconds - 1.0) < 0.05
    inside = sound.samples[4000:18000]
    assert abs(np.abs(inside).max() - 0.5) < 0.03  # the mean of equal channels is as loud as each
    assert np.abs(inside - tone(22050)[4000:18000]).max() < 0.05  # and in time with the pictures


def test_samples_that_are_no_numbers(tmp_path):
    for value in (np.nan, np.inf):
        samples = tone(48000)
        samples[5000] = value
        soundfile.write(tmp_path / "a.wav", samples, 48000, subtype="FLOAT")
        with pytest.raises(MediaError, match="NaN"):
            load_sound(tmp_path / "a.wav")


def test_empty_and_silent(tmp_path):
    soundfile.write(tmp_path / "none.wav", np.zeros(0, np.float32), 16000)
    with pytest.raises(MediaError, match="no samples"):
        load_sound(tmp_path / "none.wav")
    soundfile.write(tmp_path / "silent.wav", np.zeros(16000, np.float32), 16000)
    silent = load_sound(tmp_path / "silent.wav")
    with pytest.raises(MediaError, match=r"is silent \(peak 0.0000\) over its 1.0 s"):
        check_speech(silent)
    check_speech(Sound(tone(16000, loudness=0.01), 16000))


def test_over_loud_recordings_are_scaled(tmp_path):
    soundfile.write(tmp_path / "loud.wav", tone(16000, loudness=20000.0), 16000, subtype="FLOAT")
    sound = load_sound(tmp_path / "loud.wav")
    assert abs(sound.peak - 1.0) < 1e-6
    assert np.abs(sound.samples - tone(16000, loudness=1.0)).max() < 1e-2


def test_too_long(tmp_path, make):
    soundfile.write(tmp_path / "a.wav", tone(8000, seconds=3), 8000)
    aac = make("a.m4a", "-i", str(tmp_path / "a.wav"), "-c:a", "aac")
    for path in (tmp_path / "a.wav", aac):
        with pytest.raises(MediaTooLongError, match=r"is 3\.\d s long"):
            load_sound(path, config=MediaConfig(max_sound_seconds=2.5))


def test_files_without_sound(tmp_path, clip):
    with pytest.raises(MediaError, match="has no sound"):
        load_sound(clip("mute.mp4", seconds=0.2))
    for name in ("text.wav", "text.raw", "text.mp3"):
        (tmp_path / name).write_text("this is no recording\n" * 50)
        with pytest.raises(MediaError) as caught:
            load_sound(tmp_path / name)
        assert "\n" not in str(caught.value)
    (tmp_path / "list.wav").write_text("#EXTM3U\n#EXTINF:1,\nother.wav\n")
    with pytest.raises(MediaError, match="playlist"):
        load_sound(tmp_path / "list.wav")


def test_truncated_recordings(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(16000), 16000)
    data = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(data[: len(data) // 2])
    assert abs(load_sound(tmp_path / "a.wav").seconds - 0.5) < 0.01  # what is there is a recording
    (tmp_path / "a.wav").write_bytes(data[:30])
    with pytest.raises(MediaError):
        load_sound(tmp_path / "a.wav")
