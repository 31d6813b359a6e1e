import json

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from mggtalk.errors import MediaError, MotionFileError
from mggtalk.geometry import euler_to_rotation
from mggtalk.motion.motion_file import load_motion, save_motion
from mggtalk.scene import Motion


@pytest.fixture
def short_motion() -> Motion:
    generator = torch.Generator().manual_seed(0)
    return Motion(
        expression=torch.randn(4, 64, generator=generator),
        rotation=euler_to_rotation(torch.randn(4, 3, generator=generator) * 0.2),
        translation=torch.tensor((0.1, -0.2, 9.0)).repeat(4, 1),
        fps=29.97,
        face_model="landmark-test",
        focal_ratio=2.5,
        notes=("The face was lost in 1 of 4 frames.", "Größe"),
    )


@pytest.fixture
def arrays(short_motion) -> dict:
    """What a good .npz holds, to be spoilt."""
    return {
        "version": 1,
        "expression": short_motion.expression.numpy(),
        "rotation": short_motion.rotation.numpy(),
        "translation": short_motion.translation.numpy(),
        "fps": 25.0,
        "face_model": "landmark-test",
        "focal_ratio": 2.5,
    }


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".NPZ"])
@pytest.mark.parametrize("tracked", [False, True])
def test_round_trip(short_motion, tmp_path, suffix, tracked):
    if tracked:
        points = torch.rand(4, 478, 3) * 512
        found = torch.tensor([True, False, True, True])
        rest = torch.linspace(-1.0, 1.0, 64)
        short_motion = short_motion.with_(landmarks=points, found=found, rest=rest, frame_size=(640, 480))
    path = tmp_path / f"motion{suffix}"
    save_motion(short_motion, path)
    back = load_motion(path, face_model="landmark-test")
    for name in ("expression", "rotation", "translation"):
        assert torch.equal(getattr(back, name), getattr(short_motion, name))
        assert getattr(back, name).dtype == torch.float32
    assert (back.fps, back.face_model, back.focal_ratio) == (29.97, "landmark-test", 2.5)
    assert back.notes == short_motion.notes
    if tracked:
        assert torch.equal(back.found, short_motion.found)
        assert torch.equal(back.rest, rest) and back.frame_size == (640, 480)
        torch.testing.assert_close(back.landmarks, points, atol=0.26, rtol=0)  # half precision
    else:
        assert back.landmarks is None and back.found is None and back.rest is None and back.frame_size is None
    assert [file.name for file in tmp_path.iterdir()] == [path.name], "nothing else may be left"


def test_npz_needs_no_pickles(short_motion, tmp_path):
    save_motion(short_motion, tmp_path / "motion.npz")
    with np.load(tmp_path / "motion.npz", allow_pickle=False) as archive:
        assert set(archive.files) == {
            "version", "expression", "rotation", "translation", "fps", "face_model", "focal_ratio", "notes", "made"
        }  # fmt: skip
        assert all(archive[name].dtype != object for name in archive.files)


class Bomb:
    """Would write a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_pickles_are_refused_and_not_run(arrays, tmp_path):
    arrays["expression"] = np.array([Bomb(tmp_path / "boom")], dtype=object)
    np.savez(tmp_path / "evil.npz", **arrays)
    with pytest.raises(MotionFileError, match="pickled"):
        load_motion(tmp_path / "evil.npz")
    assert not (tmp_path / "boom").exists()


SPOILT = {
    "no expression": ({"expression": None}, "no expression"),
    "no rate": ({"fps": None}, "no fps"),
    "no version": ({"version": None}, "no version"),
    "later version": ({"version": 99}, "version 99"),
    "other K": ({"expression": np.zeros((4, 50), np.float32)}, "50 expression"),
    "no frames": ({"expression": np.zeros((0, 64), np.float32)}, r"\[0, 64\]"),
    "flat expression": ({"expression": np.zeros(64, np.float32)}, r"\[64\]"),
    "integer expression": ({"expression": np.zeros((4, 64), np.int32)}, "int32"),
    "fewer poses": ({"rotation": np.eye(3, dtype=np.float32)[None]}, r"\[1, 3, 3\]"),
    "translation of two": ({"translation": np.ones((4, 2), np.float32)}, r"\[4, 2\]"),
    "not finite": ({"expression": np.full((4, 64), np.nan, np.float32)}, "expression that are no finite"),
    "infinite place": ({"translation": np.full((4, 3), np.inf, np.float32)}, "translation that are no finite"),
    "scaled rotation": ({"rotation": np.tile(2 * np.eye(3, dtype=np.float32), (4, 1, 1))}, "no rotations"),
    "mirror": ({"rotation": np.tile(np.diag([-1, 1, 1]).astype(np.float32), (4, 1, 1))}, "no rotations"),
    "behind the camera": ({"translation": np.zeros((4, 3), np.float32)}, "behind"),
    "rate of zero": ({"fps": 0.0}, "0 frames"),
    "rate of NaN": ({"fps": float("nan")}, "nan frames"),
    "rate of two": ({"fps": np.ones(2)}, "fps"),
    "focal ratio": ({"focal_ratio": -1.0}, "focal ratio of -1"),
    "numeric model": ({"face_model": 7}, "face_model"),
    "landmarks of a frame": ({"landmarks": np.zeros((1, 478, 3), np.float16)}, r"\[1, 478, 3\]"),
    "flat landmarks": ({"landmarks": np.zeros((4, 478), np.float16)}, r"\[4, 478\]"),
    "found as numbers": ({"found": np.ones(4)}, "found of type float64"),
    "found too short": ({"found": np.ones(3, bool)}, r"\[3\]"),
    "rest of another model": ({"rest": np.zeros(50, np.float32)}, r"rest of shape \[50\]"),
    "size of three": ({"frame_size": np.array((4, 4, 3))}, r"frame_size of shape \[3\]"),
    "size of nothing": ({"frame_size": np.array((0, 4))}, "0x4"),
    "notes as numbers": ({"notes": np.ones(3)}, "notes"),
}


@pytest.mark.parametrize("changes, message", SPOILT.values(), ids=SPOILT.keys())
def test_spoilt_files_are_refused_in_one_line(arrays, changes, message, tmp_path):
    values = {name: value for name, value in {**arrays, **changes}.items() if value is not None}
    np.savez(tmp_path / "spoilt.npz", **values)
    with pytest.raises(MotionFileError, match=message) as caught:
        load_motion(tmp_path / "spoilt.npz")
    assert "\n" not in str(caught.value) and "spoilt.npz" in str(caught.value)


def test_truncated_and_foreign_files(short_motion, tmp_path):
    for suffix in (".npz", ".safetensors"):
        path = tmp_path / f"motion{suffix}"
        save_motion(short_motion, path)
        whole = path.read_bytes()
        for length in (10, len(whole) // 2, len(whole) - 30):
            path.write_bytes(whole[:length])
            with pytest.raises(MotionFileError):
                load_motion(path)
        path.write_text("hello, this is text")
        with pytest.raises(MotionFileError):
            load_motion(path)
    with pytest.raises(MediaError, match="There is no file"):
        load_motion(tmp_path / "nowhere.npz")
    (tmp_path / "motion.txt").write_text("x")
    with pytest.raises(MotionFileError, match=".txt"):
        load_motion(tmp_path / "motion.txt")


def test_flipped_bytes_are_noticed(short_motion, tmp_path):
    path = tmp_path / "motion.npz"
    save_motion(short_motion, path)
    data = bytearray(path.read_bytes())
    data[400] ^= 0xFF
    path.write_bytes(bytes(data))
    with pytest.raises(MotionFileError):
        load_motion(path)


def test_archive_that_unpacks_to_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr("mggtalk.motion.motion_arrays.MAX_BYTES", 1 << 20)
    np.savez_compressed(tmp_path / "bomb.npz", expression=np.zeros(1 << 20))
    assert (tmp_path / "bomb.npz").stat().st_size < 1 << 14
    with pytest.raises(MotionFileError, match="unpacks to"):
        load_motion(tmp_path / "bomb.npz")


def test_broken_safetensors_metadata(short_motion, tmp_path):
    tensors = {name: getattr(short_motion, name).numpy() for name in ("expression", "rotation", "translation")}
    good = {"version": "1", "fps": "25", "face_model": "m", "focal_ratio": "2.5", "notes": "[]"}
    save_file(tensors, tmp_path / "m.safetensors", metadata=good)
    assert load_motion(tmp_path / "m.safetensors").fps == 25.0
    for changes in ({"fps": "fast"}, {"notes": "{"}, {"notes": json.dumps([[1], [2, 3]])}, {"version": "7"}):
        save_file(tensors, tmp_path / "m.safetensors", metadata={**good, **changes})
        with pytest.raises(MotionFileError):
            load_motion(tmp_path / "m.safetensors")


def test_wrong_face_model(short_motion, tmp_path):
    save_motion(short_motion, tmp_path / "motion.npz")
    with pytest.raises(MotionFileError, match="landmark-test.*landmark-new"):
        load_motion(tmp_path / "motion.npz", face_model="landmark-new")


def test_bad_motion_is_not_saved(short_motion, tmp_path):
    path = tmp_path / "motion.npz"
    path.write_bytes(b"precious")
    with pytest.raises(MotionFileError):
        save_motion(short_motion.with_(expression=torch.full((4, 64), torch.nan)), path)
    assert path.read_bytes() == b"precious"
    with pytest.raises(MediaError, match="ends in '.pkl'"):
        save_motion(short_motion, tmp_path / "motion.pkl")
    assert [file.name for file in tmp_path.iterdir()] == ["motion.npz"]
