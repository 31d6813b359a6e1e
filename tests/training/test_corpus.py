"""Writing clips and reading them back."""

from __future__ import annotations

import json
import pickle
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from mggtalk.errors import MediaError, OptionError
from mggtalk.training.data.corpus import ClipWriter, open_clip, open_corpus


def test_clip_gives_back_what_was_written(make_motion, make_clip) -> None:
    motion = make_motion([0.0, 0.1, 0.2])
    clip = make_clip(motion)
    generator = np.random.default_rng(0)
    for index in range(3):
        colours = torch.from_numpy(generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)).permute(2, 0, 1) / 255
        mask = torch.from_numpy(generator.random((4, 4))).float()[None]
        assert clip.frame(index).shape == (3, 8, 8) and (clip.frame(index) - colours).abs().mean() < 0.05
        assert torch.allclose(clip.head(index), mask, atol=0.002)
        assert torch.allclose(clip.person(index), 1 - mask, atol=0.002)
    assert len(clip) == 3 and clip.fps == 12.5 and clip.stride == 2 and clip.side == 256 and clip.sources == (0,)
    for name in ("expression", "rotation", "translation", "rest", "landmarks", "found"):
        assert torch.equal(getattr(clip.motion, name), getattr(motion, name)), name
    assert clip.motion.frame_size == motion.frame_size and clip.motion.face_model == motion.face_model
    assert clip.mirror_image() is None


def test_members_of_one_frame_share_the_name_before_the_first_dot(make_motion, make_clip) -> None:
    clip = make_clip(make_motion([0.0, 0.1]))
    with tarfile.open(clip.path) as archive:
        names = [name for name in archive.getnames() if name.startswith("000001.")]
    assert names == ["000001.jpg", "000001.head.png", "000001.person.png"]


def test_clip_can_be_shared_by_threads_and_sent_to_processes(make_motion, make_clip) -> None:
    clip = make_clip(make_motion([0.01 * step for step in range(20)]))
    expected = [clip.frame(index) for index in range(20)]
    sent = pickle.loads(pickle.dumps(clip))
    with ThreadPoolExecutor(8) as pool:
        for index, frame in zip(list(range(20)) * 5, pool.map(sent.frame, list(range(20)) * 5)):
            assert torch.equal(frame, expected[index])


def test_corpus_lists_complete_clips(make_motion, make_clip, tmp_path: Path) -> None:
    for name in ("b", "a"):
        make_clip(make_motion([0.0, 0.1]), name)
    (tmp_path / "c.tar.x.partial").write_bytes(b"half")
    clips = open_corpus(tmp_path)
    assert [clip.name for clip in clips] == ["a", "b"]
    with pytest.raises(MediaError, match="other-model"):
        open_corpus(tmp_path, face_model="other-model")


def test_clip_appears_when_it_is_complete(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), ClipWriter(tmp_path / "clip.tar") as writer:
        writer.add("000000.jpg", b"picture")
        assert len(list(tmp_path.glob("clip.tar.*.partial"))) == 1
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_two_runs_at_one_clip_do_not_mix(make_motion, tmp_path: Path) -> None:
    (tmp_path / "clip.tar.killed.partial").write_bytes(b"left behind")
    motion = make_motion([0.0])
    with ClipWriter(tmp_path / "clip.tar") as first:
        first.add("long", bytes(5000))
        with ClipWriter(tmp_path / "clip.tar") as second:
            second.add_facts("clip", motion, 2, 256, (0,), "clip.mp4")
            second.add_motion(motion)
        first.add_facts("clip", motion, 2, 256, (0,), "clip.mp4")
    clip = open_clip(tmp_path / "clip.tar")
    assert len(clip.motion) == 1 and "long" not in clip.members
    assert list(tmp_path.iterdir()) == [clip.path]


def test_damage_is_named(make_motion, make_clip, tmp_path: Path) -> None:
    clip = make_clip(make_motion([0.0, 0.1]))
    with pytest.raises(MediaError, match=r"no 000002\.jpg"):
        clip.frame(2)
    with pytest.raises(OptionError, match="frame 1"):
        clip.avatar(1)
    with pytest.raises(MediaError, match="sources/000000"):
        clip.avatar(0)
    whole = clip.path.read_bytes()
    clip.path.write_bytes(whole[: clip.members["000001.jpg"][0] + 10])
    with pytest.raises(MediaError, match="cut off"):
        clip.frame(1)
    (tmp_path / "text.tar").write_text("no tar " * 300)
    with pytest.raises(MediaError, match=r"text\.tar"):
        open_clip(tmp_path / "text.tar")
    with ClipWriter(tmp_path / "new.tar") as writer:
        writer.add("clip.json", json.dumps({"format": 99}).encode())
    with pytest.raises(MediaError, match="format 99"):
        open_clip(tmp_path / "new.tar")


@pytest.mark.parametrize("folder", ["missing", "."])
def test_folder_without_clips_is_refused(tmp_path: Path, folder: str) -> None:
    with pytest.raises(OptionError, match="no clips"):
        open_corpus(tmp_path / folder)
