"""Marks of avatars, motions, splats and pages."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from mggtalk.avatar.avatar import Avatar
from mggtalk.media.data_marks import read_data_mark
from mggtalk.media.verify import verify
from mggtalk.motion.motion_file import load_motion, save_motion
from mggtalk.scene import Motion


def test_files_of_this_package_say_that_they_are_ai_made(avatar: Avatar, motion: Motion, tmp_path: Path) -> None:
    avatar.with_(consent="She agreed.").save(tmp_path / "a.safetensors")
    save_motion(motion, tmp_path / "m.npz")
    save_motion(motion, tmp_path / "m.safetensors")
    avatar.back.save_ply(str(tmp_path / "b.ply"))
    for name in ("a.safetensors", "m.npz", "m.safetensors", "b.ply"):
        found = verify(tmp_path / name)
        assert found.found and found.mark is not None and found.mark.startswith("AI-made with MGGTalk"), name
    assert "She agreed." in (verify(tmp_path / "a.safetensors").mark or "")
    assert len(load_motion(tmp_path / "m.npz")) == len(motion), "the mark does not disturb"


@pytest.mark.parametrize(
    "data",
    [
        b"ply\nformat ascii 1.0\nend_header\n",
        b"<!doctype html><title>x</title>",
        struct.pack("<Q", 2) + b"{}",
        b'{"format": "other"}',
        b"PK\x03\x04rubbish",
        b"\x00" * 40,
    ],
)
def test_others_carry_no_mark(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(data)
    assert not read_data_mark(tmp_path / "x")
