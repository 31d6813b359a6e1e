"""What the parts hand to each other."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from mggtalk.scene import Camera, FaceTrack, Gaussians, Motion, MotionFrame


def short_motion() -> Motion:
    """Three frames."""
    return Motion(
        expression=torch.arange(6.0).view(3, 2),
        rotation=torch.eye(3).repeat(3, 1, 1),
        translation=torch.tensor([[0.0, 0.0, 10.0]]).repeat(3, 1),
        fps=30.0,
        face_model="test",
        focal_ratio=2.5,
    )


def test_motion_is_a_sequence_of_frames() -> None:
    motion = short_motion()
    assert len(motion) == 3 and motion.seconds == pytest.approx(0.1)
    frames = list(motion)
    assert len(frames) == 3 and all(isinstance(frame, MotionFrame) for frame in frames)
    assert frames[1].expression.tolist() == [2.0, 3.0]
    assert motion[-1].expression.tolist() == [4.0, 5.0]
    assert frames[0].rotation.shape == (3, 3) and frames[0].translation.shape == (3,)


def test_motion_changes_by_copy() -> None:
    motion = short_motion()
    faster = motion.with_(fps=60.0)
    assert (motion.fps, faster.fps) == (30.0, 60.0)
    assert faster.expression is motion.expression
    with pytest.raises(dataclasses.FrozenInstanceError):
        motion.fps = 1.0
    with pytest.raises(TypeError):
        motion.with_(speed=2.0)


def test_camera_of_a_square_picture() -> None:
    camera = Camera.from_pose(torch.eye(3), torch.tensor((0.0, 0.0, 8.0)), 256, 2.5)
    assert (camera.focal, camera.centre, camera.width, camera.height) == (640.0, (128.0, 128.0), 256, 256)
    assert camera.intrinsics().tolist() == [[640.0, 0.0, 128.0], [0.0, 640.0, 128.0], [0.0, 0.0, 1.0]]
    assert camera.view[3].tolist() == [0.0, 0.0, 0.0, 1.0]


def test_gaussians_go_to_a_device_together() -> None:
    gaussians = Gaussians(*(torch.ones(2, *shape) for shape in ((3,), (4,), (3,), (), (4, 3))))
    moved = gaussians.to("cpu")
    assert isinstance(moved, Gaussians) and all(torch.equal(a, b) for a, b in zip(moved, gaussians))


def test_track_has_the_length_of_its_landmarks() -> None:
    landmarks = np.zeros((5, 478, 3), np.float32)
    track = FaceTrack(landmarks, np.zeros((5, 52), np.float32), np.ones(5, bool), 25.0, 64, 48)
    assert len(track) == 5
