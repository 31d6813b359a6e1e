import csv
import math

import numpy as np
import pytest
import torch

from mggtalk.errors import MotionFileError
from mggtalk.face.blendshapes import INDEX, NAMES
from mggtalk.geometry import euler_to_rotation, rotation_to_euler
from mggtalk.motion.arkit import load_arkit_csv, save_arkit_csv


def write(path, rows, header):
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])
    return path


def live_link(path, frames=130, style=str.title, rate=60, **columns):
    """A table as the phone app writes it: frames count anew each second."""
    names = [name[0].upper() + name[1:] if style is str.title else name for name in NAMES[1:]]
    header = ["Timecode", "BlendShapeCount", *names, "TongueOut", "HeadYaw", "HeadPitch", "HeadRoll", "LeftEyeYaw"]
    rows = []
    for index in range(frames):
        second, frame = divmod(index + 20, rate)
        row = dict.fromkeys(header, 0.0) | {"Timecode": f"10:59:{second:02d}:{frame:02d}.118", "BlendShapeCount": 61}
        rows.append(list((row | {name: values[index] for name, values in columns.items()}).values()))
    return write(path, rows, header)


def test_live_link_table(face_model, tmp_path):
    jaw = np.linspace(0.0, 0.6, 130)
    yaw = np.linspace(0.0, 0.2, 130)
    path = live_link(tmp_path / "take.csv", JawOpen=jaw, HeadYaw=yaw)
    motion = load_arkit_csv(path, face_model)
    assert len(motion) == 130 and motion.fps == pytest.approx(60.0)
    assert motion.face_model == face_model.version and motion.notes == ()
    weights = torch.zeros(130, 52)
    weights[:, INDEX["jawOpen"]] = torch.from_numpy(jaw)
    torch.testing.assert_close(motion.expression, face_model.from_blendshapes(weights))
    angles = rotation_to_euler(motion.rotation)
    np.testing.assert_allclose(angles[:, 1], yaw, atol=1e-5)
    assert motion.rotation[-1][0, 2] > 0  # the face's z axis turned to the viewer's right


def test_signs_turn_angles_round(face_model, tmp_path):
    path = live_link(tmp_path / "take.csv", HeadPitch=np.full(130, 0.1), HeadRoll=np.full(130, 0.05))
    motion = load_arkit_csv(path, face_model, signs=(-1.0, 1.0, 1.0))
    torch.testing.assert_close(motion.rotation[0], euler_to_rotation(torch.tensor((-0.1, 0.0, 0.05))))


def test_names_are_compared_without_case(face_model, tmp_path):
    upper = live_link(tmp_path / "a.csv", JawOpen=np.full(130, 0.4))
    lower = live_link(tmp_path / "b.csv", style=str.lower, jawOpen=np.full(130, 0.4))
    assert torch.equal(load_arkit_csv(upper, face_model).expression, load_arkit_csv(lower, face_model).expression)


def test_missing_and_unknown_columns_are_told(face_model, tmp_path):
    header = ["frame", *NAMES[1:45], "Earwiggle"]
    path = write(tmp_path / "part.csv", [[0] + [0.1] * 44 + [1.0]] * 3, header)
    motion = load_arkit_csv(path, face_model, fps=30.0)
    assert len(motion.notes) == 2
    assert (
        "mouthUpperUpLeft" in motion.notes[0] and "HeadYaw" in motion.notes[0] and "browInnerUp" not in motion.notes[0]
    )
    assert "Earwiggle" in motion.notes[1]
    torch.testing.assert_close(motion.rotation, torch.eye(3).expand(3, 3, 3))


def test_round_trip_of_speech(hello_motion, face_model, tmp_path):
    motion = hello_motion
    save_arkit_csv(motion, face_model, tmp_path / "talk.csv")
    back = load_arkit_csv(tmp_path / "talk.csv", face_model)
    assert len(back) == len(motion) and back.fps == pytest.approx(25.0, abs=1e-3) and back.notes == ()
    torch.testing.assert_close(back.rotation, motion.rotation, atol=1e-5, rtol=0)
    torch.testing.assert_close(back.translation, motion.translation, atol=1e-5, rtol=0)
    shape = torch.zeros(len(motion), face_model.identity_basis.shape[0])
    before, after = (face_model.vertices(shape, m.expression) for m in (motion, back))
    assert (after - before).norm(dim=-1).max() < 0.06  # decimetres; lips move by 0.17
    gaps = torch.stack([vertices[:, 13, 1] - vertices[:, 14, 1] for vertices in (before, after)])
    assert torch.corrcoef(gaps)[0, 1] > 0.95


def test_exported_names_are_live_links(hello_motion, face_model, tmp_path):
    save_arkit_csv(hello_motion, face_model, tmp_path / "talk.csv")
    header = (tmp_path / "talk.csv").read_text().splitlines()[0].split(",")
    assert header[:4] == ["Timecode", "BlendshapeCount", "BrowDownLeft", "BrowDownRight"]
    assert "EyeBlinkLeft" in header and "_neutral" not in header


def test_frame_rate_can_be_given(face_model, tmp_path):
    path = live_link(tmp_path / "take.csv", frames=5)
    assert load_arkit_csv(path, face_model, fps=24.0).fps == 24.0
    with pytest.raises(MotionFileError, match="too short"):
        load_arkit_csv(path, face_model)
    with pytest.raises(MotionFileError, match="nan"):
        load_arkit_csv(path, face_model, fps=math.nan)


@pytest.mark.parametrize("rate", [24, 25, 30, 60])
def test_rate_from_one_turn_of_the_second(rate, face_model, tmp_path):
    path = live_link(tmp_path / "take.csv", frames=rate + 5, rate=rate)
    assert load_arkit_csv(path, face_model).fps == pytest.approx(rate)


def test_bad_tables(face_model, tmp_path):
    names = list(NAMES[1:])
    good = [0.1] * len(names)

    def refused(message, text=None, rows=None, header=names):
        path = tmp_path / "bad.csv"
        if text is None:
            write(path, rows, header)
        else:
            path.write_bytes(text)
        with pytest.raises(MotionFileError, match=message) as caught:
            load_arkit_csv(path, face_model, fps=30.0)
        assert "\n" not in str(caught.value)

    refused("0 columns", text=b"a,b,c\n1,2,3\n")
    refused("no rows", text=",".join(names).encode() + b"\n")
    refused("no CSV text", text=b"\xff\xfe\x00\x01" * 10)
    refused("no number", rows=[[*good[:-1], "much"]])
    refused("not finite", rows=[[*good[:-1], "nan"]])
    refused("cells in line 3", rows=[good, good[:-1]])
    refused("degrees", rows=[[*good, 35.0]], header=[*names, "HeadYaw"])
    refused("behind", rows=[[*good, -3.0]], header=[*names, "HeadZ"])


def test_motion_of_another_face_model_is_not_exported(hello_motion, face_model, tmp_path):
    motion = hello_motion.with_(face_model="other")
    with pytest.raises(MotionFileError, match="'other'"):
        save_arkit_csv(motion, face_model, tmp_path / "talk.csv")
    assert list(tmp_path.iterdir()) == []
