"""Avatar files that were damaged, changed or made up."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from mggtalk.avatar.avatar import Avatar
from mggtalk.avatar.avatar_file import FORMAT, _checksum
from mggtalk.errors import MediaError
from mggtalk.pipeline import MGGTalkPipeline


@pytest.fixture(scope="module")
def saved(avatar: Avatar, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return avatar.with_(consent="She agreed.").save(tmp_path_factory.mktemp("avatars") / "head.safetensors")


def changed(saved: Path, path: Path, honest: bool = True, **changes: Any) -> Path:
    """A copy with some tensors replaced or, for None, left out; with the checksum of its own content."""
    with safe_open(str(saved), framework="pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    for name, value in changes.items():
        name = name.replace("__", ".")
        tensors[name] = value(tensors[name]) if value else None
    tensors = {name: value for name, value in tensors.items() if value is not None}
    if honest:
        metadata["checksum"] = _checksum(tensors)
    save_file(tensors, path, metadata=metadata)
    return path


def test_a_file_is_marked_and_says_who_agreed(saved: Path) -> None:
    with safe_open(str(saved), framework="pt") as file:
        assert "AI-made with MGGTalk" in file.metadata()["made"]
    loaded = Avatar.load(saved)
    assert loaded.consent == "She agreed." and loaded.portrait is not None and loaded.portrait.dtype == torch.uint8


def test_the_portrait_is_left_out_by_choice(avatar: Avatar, saved: Path, tmp_path: Path) -> None:
    large = avatar.with_(fine=torch.zeros(600, 600, 3, dtype=torch.uint8))
    without = large.save(tmp_path / "without.safetensors", portrait=False)
    assert Avatar.load(without).portrait is None and Avatar.load(without).fine is None
    fine = Avatar.load(large.save(tmp_path / "with.safetensors")).fine
    assert fine is not None and fine.shape == (600, 600, 3) and fine.dtype == torch.uint8
    assert without.stat().st_size < saved.stat().st_size - 500_000


def test_changes_of_the_bytes_are_noticed(saved: Path, tmp_path: Path) -> None:
    path = changed(saved, tmp_path / "a.safetensors", honest=False, colour=lambda value: value + 0.01)
    with pytest.raises(MediaError, match="checksum"):
        Avatar.load(path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"points": lambda value: value[:-1]}, "does not fit: its"),
        ({"points": lambda value: value * float("nan")}, "points has numbers that are not finite"),
        ({"binding__vertices": lambda value: value + 10_000}, "indices from"),
        ({"folds__points": lambda value: value - 1_000_000}, "indices from"),
        ({"neighbours__left": lambda value: value.float()}, "not int64"),
        ({"mask": lambda value: torch.zeros_like(value)}, "mask does not show"),
        ({"plates__torso": None}, "not whole"),
        ({"rotation": None}, "not whole"),
    ],
)
def test_files_that_would_mislead_the_kernels_are_refused(
    saved: Path, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    path = changed(saved, tmp_path / "a.safetensors", **changes)
    with pytest.raises(MediaError, match=words) as refusal:
        Avatar.load(path)
    assert "\n" not in str(refusal.value)


def test_claims_of_terabytes_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    header = {
        "__metadata__": {"format": FORMAT},
        "points": {"dtype": "F32", "shape": [1 << 38, 3], "data_offsets": [0, 12 << 38]},
    }
    text = json.dumps(header).encode()
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(100))
    with pytest.raises(MediaError, match="cannot be read as an avatar"):
        Avatar.load(tmp_path / "a.safetensors")
    (tmp_path / "b.safetensors").write_bytes(struct.pack("<Q", 1 << 60) + bytes(100))
    with pytest.raises(MediaError, match="cannot be read as an avatar"):
        Avatar.load(tmp_path / "b.safetensors")


def test_an_avatar_of_another_face_model_is_refused(pipeline: MGGTalkPipeline, saved: Path, tmp_path: Path) -> None:
    assert pipeline.load_avatar(saved).consent == "She agreed."
    fewer = {name: lambda value: value[:-4] for name in ("expression", "turning.opening")}
    path = changed(saved, tmp_path / "a.safetensors", **fewer)
    with pytest.raises(MediaError, match="60 expression components"):
        pipeline.load_avatar(path)
