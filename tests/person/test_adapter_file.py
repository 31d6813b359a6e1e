"""Adapter files: what is written is read, and nothing else is believed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from mggtalk.avatar.adapter import Adapter
from mggtalk.avatar.adapter_file import AdapterFile, Facts, read_adapter, write_adapter
from mggtalk.avatar.mouth_sheet import COLUMNS, ROWS
from mggtalk.config import CONSENT, AudioPriorConfig, check_consent
from mggtalk.errors import MediaError, OptionError
from mggtalk.speech.audio_prior import Voice
from mggtalk.speech.voice_file import OwnVoice

FACTS = Facts(CONSENT, "a face model", trained=False, seconds=12.0, steps=7)
SHEET = (ROWS, COLUMNS)


@pytest.fixture
def content(something: Adapter, picture: np.ndarray) -> AdapterFile:
    return AdapterFile(something, picture, None, FACTS)


def test_round_trip(content: AdapterFile, picture: np.ndarray, tmp_path: Path) -> None:
    path = write_adapter(tmp_path / "a.safetensors", content._replace(background=picture))
    assert path.stat().st_size < 5e6 and [entry.name for entry in tmp_path.iterdir()] == ["a.safetensors"]
    read = read_adapter(path, 256, 478, SHEET)
    for name, value in content.adapter.tensors().items():
        assert torch.equal(read.adapter.tensors()[name], value), name
    assert np.array_equal(read.portrait, picture) and read.facts == FACTS
    assert read.background is not None and np.abs(read.background.astype(int) - picture).mean() < 6
    with open(path, "rb") as file:
        head = file.read(4000).decode(errors="ignore")
    assert "AI-made with MGGTalk" in head and CONSENT in head


def test_a_voice_is_read_as_it_was_and_no_other_is(content: AdapterFile, tmp_path: Path) -> None:
    voice = Voice(torch.randn(12, 12), torch.randn(12))
    path = write_adapter(tmp_path / "a.safetensors", content._replace(voice=OwnVoice(voice, "ears")))
    read = read_adapter(path, 256, 478, SHEET).voice
    assert read is not None and read.encoder == "ears"
    assert all(torch.equal(value, given) for value, given in zip(read.voice, voice))
    assert read.fits(AudioPriorConfig(encoder="ears")) and not read.fits(AudioPriorConfig())
    write_adapter(path, content._replace(voice=OwnVoice(voice._replace(mix=torch.zeros(12, 3)), "")))
    with pytest.raises(MediaError, match="a voice that is none"):
        read_adapter(path, 256, 478, SHEET)


def test_too_large_file_is_not_written(content: AdapterFile, tmp_path: Path) -> None:
    large = content.adapter._replace(colour=torch.zeros(6, 1024, 512))
    with pytest.raises(OptionError, match="MB, more than 5"):
        write_adapter(tmp_path / "a.safetensors", content._replace(adapter=large))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("statement", [None, "", "I agree", "The person in this clip"])
def test_consent_has_to_be_said(statement: str | None, content: AdapterFile, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="agreed to it only"):
        check_consent(statement)
    with pytest.raises(OptionError, match="agreed to it only"):
        write_adapter(tmp_path / "a.safetensors", content._replace(facts=FACTS._replace(consent=statement or "")))
    assert not list(tmp_path.iterdir())


def test_consent_may_be_typed_carelessly() -> None:
    assert check_consent(f"  {CONSENT.lower()}. ") == CONSENT


DAMAGES = {
    "wrong side": ("colour", lambda value: value[:, :128], "its colours are"),
    "not finite": ("mouth.maps", lambda value: value * torch.nan, "not finite"),
    "wrong rank": ("eyes.maps", lambda value: value[0], "wrong rank"),
    "wrong count": ("head.vertices", lambda value: value[:1], "head: its vertices are"),
    "other mesh": ("mouth.vertices", lambda value: value[:, :77], "mouth: its vertices are"),
    "no sheet": ("mouth.sheet", lambda value: value[:0], "no sheet"),
    "bounds outside": ("mouth.bounds", lambda value: value + 200, "its bounds are"),
    "no picture": ("portrait", lambda value: value[:100], "portrait in .* cannot be read"),
    "missing": ("eyes.axes", lambda value: None, "lacks 'eyes.axes'"),
    "no portrait": ("portrait", lambda value: None, "has no portrait"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_files_are_refused_in_one_line(damage: str, content: AdapterFile, tmp_path: Path) -> None:
    name, change, message = DAMAGES[damage]
    path = write_adapter(tmp_path / "a.safetensors", content)
    tensors = load_file(path)
    changed = change(tensors.pop(name))
    if changed is not None:
        tensors[name] = changed.contiguous()
    save_file(tensors, path, metadata={"format": "mggtalk-adapter-1", "facts": _facts(FACTS)})
    with pytest.raises(MediaError, match=message) as caught:
        read_adapter(path, 256, 478, SHEET)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({}, "is not an adapter"),
        ({"format": "mggtalk-adapter-1"}, "does not say what it is"),
        ({"format": "mggtalk-adapter-1", "facts": "[]"}, "does not say what it is"),
        ({"format": "mggtalk-adapter-1", "facts": "nobody"}, "does not say that the person agreed"),
    ],
)
def test_foreign_metadata_is_refused(
    metadata: dict[str, str], message: str, content: AdapterFile, tmp_path: Path
) -> None:
    path = write_adapter(tmp_path / "a.safetensors", content)
    if metadata.get("facts") == "nobody":
        metadata = metadata | {"facts": _facts(FACTS._replace(consent="nobody asked"))}
    save_file(load_file(path), path, metadata=metadata or None)
    with pytest.raises(MediaError, match=message):
        read_adapter(path, 256, 478, SHEET)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 no", b"\xff" * 64, b"x" * 6_000_000])
def test_other_files_are_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(data)
    with pytest.raises(MediaError):
        read_adapter(path, 256, 478, SHEET)


def _facts(facts: Facts) -> str:
    import json

    return json.dumps(facts._asdict())
