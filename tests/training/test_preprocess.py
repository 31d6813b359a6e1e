"""From videos to a corpus, with everything real but small."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mggtalk.cli.parser import main
from mggtalk.errors import MediaError, OptionError
from mggtalk.face.masks import face_axes
from mggtalk.geometry import rotation_to_euler
from mggtalk.media import open_video
from mggtalk.scene import FaceTrack
from mggtalk.training.data import preprocess as module
from mggtalk.training.data.corpus import Clip, open_corpus
from mggtalk.training.data.preprocess import PreprocessConfig, list_strides, load_track, mirror_track, preprocess
from mggtalk.training.data.shard import Shard


@pytest.fixture(scope="module")
def clip(stored: Path) -> Clip:
    return open_corpus(stored, mirrored=False)[0]


def test_clips_are_stored_and_refusals_listed(stored: Path, clip: Clip) -> None:
    assert [c.name for c in open_corpus(stored)] == ["face", "face~mirrored"]
    assert sorted(path.name for path in stored.iterdir()) == ["face.tar", "refused.json"]
    refused = json.loads((stored / "refused.json").read_text(encoding="utf-8"))["refused"]
    assert list(refused) == ["nothing.mp4"] and "face" in refused["nothing.mp4"]
    assert len(clip) == 6 and clip.fps == 12.5 and clip.side == 256  # each second of 11 frames, square
    assert clip.sources[0] == 0 and len(clip.sources) == 2


def test_frames_masks_and_landmarks_belong_together(clip: Clip, videos: Path) -> None:
    assert clip.motion.landmarks is not None
    frames = list(open_video(videos / "face.mp4"))
    for index in (0, 5):
        landmarks = clip.motion.landmarks[index].numpy()
        axes = face_axes(landmarks)
        x, y = (int(value) for value in axes.centre)
        picture, head, person = clip.frame(index), clip.head(index), clip.person(index)
        assert picture.shape == (3, 256, 256) and head.shape == person.shape == (1, 256, 256)
        assert head[0, y, x] > 0.9 and person[0, y, x] > 0.9 and (head <= person + 0.01).all()
        assert head[0, 250].max() < 0.1 < person[0, 250].max()  # shoulders are person, not head
        # the square was cut from the wide frame at one place
        wide = torch.from_numpy(frames[2 * index]).permute(2, 0, 1) / 255
        errors = [float((wide[:, :, left : left + 256] - picture).abs().mean()) for left in range(65)]
        assert min(errors) < 0.01
        if index == 0:
            place = int(np.argmin(errors))
        assert abs(int(np.argmin(errors)) - place) <= 1


def test_avatar_is_that_of_its_frame(clip: Clip) -> None:
    for source in clip.sources:
        avatar = clip.avatar(source)
        assert avatar.plates.background.shape == (3, 512, 512)  # as the pipeline prepares portraits
        assert torch.allclose(avatar.translation, clip.motion.translation[source], atol=0.4)
        turn = rotation_to_euler(avatar.rotation) - rotation_to_euler(clip.motion.rotation[source])
        assert turn.abs().max() < 0.1
    assert not torch.equal(clip.avatar(clip.sources[0]).points, clip.avatar(clip.sources[1]).points)


def test_mirrored_clip_is_the_mirror_image(clip: Clip) -> None:
    other = clip.mirror_image()
    assert other is not None and other.mirror_image() is None and other.name == "face~mirrored"
    assert torch.equal(other.frame(1), clip.frame(1).flip(-1)) and torch.equal(other.head(1), clip.head(1).flip(-1))
    signs = torch.tensor([1.0, -1.0, -1.0])  # yaw and roll change sign
    angles, expected = (rotation_to_euler(c.motion.rotation) for c in (other, clip))
    assert torch.allclose(angles, expected * signs, atol=0.03)
    assert torch.allclose(other.motion.translation[:, 0], -clip.motion.translation[:, 0], atol=0.05)
    first, second = clip.avatar(0), other.avatar(0)
    assert abs(len(first.points) - len(second.points)) < 0.05 * len(first.points)
    assert torch.allclose(second.head_image, first.head_image.flip(-1), atol=0.25)


def test_mirrored_track_mirrors_twice_to_itself() -> None:
    generator = np.random.default_rng(0)
    track = FaceTrack(
        generator.random((2, 478, 3)).astype(np.float32), generator.random((2, 52)), np.ones(2, bool), 25.0, 100, 80
    )
    twice = mirror_track(mirror_track(track))
    assert np.allclose(twice.landmarks, track.landmarks, atol=1e-4)
    assert np.array_equal(twice.blendshapes, track.blendshapes)
    assert not np.array_equal(mirror_track(track).blendshapes, track.blendshapes)


def test_second_run_does_nothing_again(stored: Path, videos: Path, small_config, monkeypatch) -> None:
    monkeypatch.setattr(module, "_attempt", lambda *_, **__: pytest.fail("worked on a clip again"))
    steps: list[tuple[str, int, int]] = []
    done = preprocess(list(videos.glob("*.mp4")), stored, small_config, on_progress=lambda *step: steps.append(step))
    assert done.stored == ("face",) and list(done.refused) == ["nothing.mp4"]
    assert steps == [("preprocess", 2, 2)]


def test_run_that_breaks_off_goes_on_with_the_next_clip(videos: Path, tmp_path: Path, monkeypatch) -> None:
    class Killed(BaseException):
        pass

    worked: list[str] = []

    def attempt(path: Path, out: Path, **_: object) -> str | None:
        worked.append(path.name)
        if len(worked) == 2:
            raise Killed
        (out / f"{path.stem}.tar").touch()
        return None

    monkeypatch.setattr(module, "_attempt", attempt)
    clips = [videos / f"{name}.mp4" for name in "abc"]
    with pytest.raises(Killed):
        preprocess(clips, tmp_path)
    assert preprocess(clips, tmp_path).stored == ("a", "b", "c")
    assert worked == ["a.mp4", "b.mp4", "b.mp4", "c.mp4"]


def test_shards_are_disjoint_and_complete(videos: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(module, "_attempt", lambda path, **_: f"{path.stem} is bad")
    clips = [videos / f"{index}.mp4" for index in range(7)]
    refused = [preprocess(clips, tmp_path, shard=Shard(index, 3)).refused for index in range(3)]
    assert sorted(name for part in refused for name in part) == [f"{index}.mp4" for index in range(7)]
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"refused-{index}-of-3.json" for index in range(3)]


def test_refusals_are_forgotten_when_the_options_change(videos: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(module, "_attempt", lambda _, config, **__: f"stride {config.every}")
    for every in (8, 8, 4):
        refused = preprocess([videos / "face.mp4"], tmp_path, PreprocessConfig(every=every)).refused
        assert refused == {"face.mp4": f"stride {every}"}
    (tmp_path / "refused.json").write_text("{}")
    with pytest.raises(OptionError, match="damaged"):
        preprocess([videos / "face.mp4"], tmp_path)


def test_known_tracks_are_used_and_wrong_ones_are_not(videos: Path, tmp_path: Path, small_config, pipeline) -> None:
    with open_video(videos / "face.mp4") as reader:
        track = pipeline.tracker.video(reader, reader.fps)

    def save(track: FaceTrack, folder: Path) -> Path:
        folder.mkdir()
        np.savez(folder / "face.npz", **{name: getattr(track, name) for name in track.__dataclass_fields__})
        return folder

    config = replace(small_config, sources=1, mirror=False)
    known = save(replace(track, landmarks=track.landmarks + np.float32(2.0)), tmp_path / "known")
    wrong = save(list_strides(track, 2), tmp_path / "wrong")
    landmarks = {}
    for tracks in (known, wrong):
        out = tmp_path / f"out-{tracks.name}"
        assert preprocess([videos / "face.mp4"], out, config, tracks=tracks).stored == ("face",)
        landmarks[tracks.name] = open_corpus(out)[0].motion.landmarks
    shift = (landmarks["known"] - landmarks["wrong"])[..., 1]
    assert torch.allclose(shift, torch.full_like(shift, 2.0), atol=0.01)
    (tmp_path / "text.npz").write_text("no track")
    with pytest.raises(MediaError, match=r"text\.npz"):
        load_track(tmp_path / "text.npz")


def test_bad_options(videos: Path, tmp_path: Path, small_config, capsys) -> None:
    clips = [videos / "face.mp4"]
    with pytest.raises(OptionError, match="stride is 0"):
        preprocess(clips, tmp_path, replace(small_config, every=0))
    with pytest.raises(OptionError, match="tracks"):
        preprocess(clips, tmp_path, tracks=tmp_path / "missing")
    with pytest.raises(OptionError, match="same stem"):
        preprocess([*clips, videos / "face.mov"], tmp_path)
    for text in ("2/2", "0", "a/b", "-1/3"):
        with pytest.raises(OptionError, match="shard"):
            Shard.parse(text)
    command = ["preprocess", "--clips", str(videos), "--out", str(tmp_path / "out")]
    assert main([*command, "--shard", "4/4"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_command_reports_what_is_stored_and_refused(stored: Path, videos: Path, capsys) -> None:
    assert main(["preprocess", "--clips", str(videos), "--out", str(stored)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("note: nothing.mp4 is refused") and lines[1].endswith("1 clips stored, 1 refused")


def test_a_picture_is_a_clip_of_one_frame(astronaut: np.ndarray, tmp_path: Path, capsys) -> None:
    pictures, out = tmp_path / "pictures", tmp_path / "corpus"
    pictures.mkdir()
    Image.fromarray(astronaut).save(pictures / "smile.png")
    command = ["preprocess", "--clips", str(pictures), "--out", str(out), "--ablate"]
    assert main([*command, "everything"]) == 2
    assert "everything" in capsys.readouterr().err and not out.exists()
    assert main([*command, "symmetry"]) == 0
    clip = open_corpus(out)[0]
    assert clip.name == "smile" and len(clip) == 1 and clip.sources == (0,) and clip.side == 512
    avatar = clip.avatar(0)
    assert not len(avatar.mirrored) and len(avatar.points) > 10_000
    assert torch.allclose(avatar.source.translation, clip.motion.translation[0], atol=0.05)
