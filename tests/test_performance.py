import math
from pathlib import Path

import pytest
import skimage.data
import torch

from mggtalk.config import check_yaw
from mggtalk.errors import OptionError
from mggtalk.geometry import euler_to_rotation, rotation_to_euler
from mggtalk.motion.arkit import save_arkit_csv
from mggtalk.motion.motion_file import load_motion
from mggtalk.performance import Performance, around, from_motion_file, with_head_of
from mggtalk.pipeline import MGGTalkPipeline
from mggtalk.scene import Motion


def motion_of(yaw, fps, expression=0.0, focal_ratio=2.5):
    """A motion with the given yaw angles in degrees, moving to the right by 0.1 a frame."""
    frames = len(yaw)
    angles = torch.zeros(frames, 3)
    angles[:, 1] = torch.tensor(yaw).deg2rad()
    translation = torch.tensor([0.0, 0.0, 11.0]).repeat(frames, 1)
    translation[:, 0] = 0.1 * torch.arange(frames)
    return Motion(
        torch.full((frames, 64), expression), euler_to_rotation(angles), translation, fps, "none", focal_ratio
    )


def yaw_of(motion):
    return rotation_to_euler(motion.rotation)[:, 1].rad2deg()


def test_head_poses_are_interpolated_to_the_frame_times():
    mixed = with_head_of(motion_of([0.0] * 5, 20.0, expression=0.7), motion_of([0.0, 10.0, 20.0], 10.0))
    torch.testing.assert_close(yaw_of(mixed), torch.tensor([0.0, 5.0, 10.0, 15.0, 20.0]), atol=0.02, rtol=0)
    torch.testing.assert_close(mixed.translation[:, 0], torch.tensor([0.0, 0.05, 0.1, 0.15, 0.2]))
    assert mixed.fps == 20.0 and (mixed.expression == 0.7).all()


def test_a_short_head_motion_goes_back_and_forth():
    mixed = with_head_of(motion_of([0.0] * 6, 10.0), motion_of([0.0, 10.0, 20.0], 10.0))
    torch.testing.assert_close(yaw_of(mixed), torch.tensor([0.0, 10.0, 20.0, 10.0, 0.0, 10.0]), atol=1e-3, rtol=0)


def test_one_pose_holds_for_the_whole_motion():
    mixed = with_head_of(motion_of([0.0] * 4, 25.0), motion_of([12.0], 25.0))
    torch.testing.assert_close(yaw_of(mixed), torch.full((4,), 12.0), atol=1e-3, rtol=0)


def test_head_motion_of_another_camera_is_refused():
    with pytest.raises(OptionError, match="focal ratio 3"):
        with_head_of(motion_of([0.0], 25.0), motion_of([0.0], 25.0, focal_ratio=3.0))


def test_around_swings_between_the_angles_with_the_drivers_expressions_and_sound():
    pipe = MGGTalkPipeline.from_pretrained()
    avatar = pipe.prepare(skimage.data.astronaut()[:320, 64:384])
    still = around(pipe, avatar, (-20.0, 30.0))
    assert len(still.motion) == 100 and still.sound is None
    angles = yaw_of(still.motion)
    assert math.isclose(float(angles.min()), -20.0, abs_tol=0.2)
    assert math.isclose(float(angles.max()), 30.0, abs_tol=0.2)
    torch.testing.assert_close(still.motion.expression[50], avatar.expression)

    driver = motion_of([0.0] * 100, 25.0).with_(landmarks=torch.zeros(100, 478, 3), frame_size=(64, 64))
    driver.expression[60:] = 1.0
    driven = around(pipe, avatar, (-20.0, 30.0), Performance(driver, "voice.wav"))
    assert driven.sound == "voice.wav"
    torch.testing.assert_close(driven.motion.rotation, still.motion.rotation)
    change = driven.motion.expression[80] - driven.motion.expression[0]
    torch.testing.assert_close(change, torch.ones(64))
    assert driven.motion.landmarks is None, "poses of the path, not the driver's, are to be seen"


@pytest.mark.parametrize("yaw", [(30.0, -30.0), (0.0, 0.0), (-100.0, 0.0), (0.0, math.nan), (-math.inf, 0.0)])
def test_yaw_ranges_that_make_no_path_are_refused(yaw):
    with pytest.raises(OptionError, match="yaw range"):
        check_yaw(*yaw)
    assert check_yaw(-45.0, 45.0) == (-45.0, 45.0)


def test_a_motion_comes_from_our_files_and_from_arkit_tables(tmp_path):
    pipe = MGGTalkPipeline.from_pretrained()
    ours = Path(__file__).parent.parent / "examples" / "chatter.npz"
    motion = load_motion(ours)
    table = tmp_path / "chatter.csv"
    save_arkit_csv(motion, pipe.face_model, table)
    assert torch.equal(from_motion_file(pipe, ours).motion.expression, motion.expression)
    read = from_motion_file(pipe, table).motion
    assert len(read) == len(motion) and read.fps == pytest.approx(motion.fps, rel=1e-3)
    torch.testing.assert_close(yaw_of(read), yaw_of(motion), atol=0.1, rtol=0)
    identity = torch.zeros(pipe.face_model.identity_basis.shape[0])

    def gaps(expression):
        vertices = pipe.face_model.vertices(identity, expression)
        return vertices[:, 13, 1] - vertices[:, 14, 1]

    # 52 weights say less than 64 coefficients, but the mouth opens and closes as before.
    assert torch.corrcoef(torch.stack([gaps(read.expression), gaps(motion.expression)]))[0, 1] > 0.95
