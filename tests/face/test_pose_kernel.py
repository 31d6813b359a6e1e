"""Gauss-Newton steps on head poses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from mggtalk.config import TrackerConfig
from mggtalk.face import roi
from mggtalk.face.face_model import FaceModel
from mggtalk.face.pose_kernel import refine_poses
from mggtalk.face.tracker import FaceTracker
from mggtalk.face.warm import warm_up_tracking
from mggtalk.geometry import euler_to_rotation, head_to_camera

FRAMES, VERTICES = 3, 60
WEIGHTS = Path(__file__).resolve().parents[2] / "weights" / "face_model.safetensors"


def test_the_pose_of_a_known_shape_is_found() -> None:
    generator = torch.Generator().manual_seed(0)
    shape = 0.7 * torch.randn(FRAMES, VERTICES, 3, generator=generator)
    rotation = euler_to_rotation(0.3 * torch.randn(FRAMES, 3, generator=generator))
    translation = torch.tensor([0.2, -0.1, 8.0]) + 0.3 * torch.randn(FRAMES, 3, generator=generator)
    points = head_to_camera(shape, rotation, translation)  # [T, V, 3]
    rays = points[..., :2] / points[..., 2:]
    depths = points[..., 2] / translation[:, 2:] - 1.0 + 0.05  # the tracker's zero of depth does not matter
    weights = torch.rand(VERTICES, generator=generator)
    weights /= weights.sum()
    start = euler_to_rotation(0.1 * torch.randn(FRAMES, 3, generator=generator)) @ rotation
    poses = start.double().numpy(), (translation + 0.3).double().numpy()
    seen = [tensor.contiguous().numpy() for tensor in (shape, rays, depths, weights)]
    kept = poses[0][2].copy(), poses[1][2].copy()
    refine_poses(0, 2, *seen, 0.3, 8, *poses)
    np.testing.assert_allclose(poses[0][:2], rotation[:2], atol=1e-4)
    np.testing.assert_allclose(poses[1][:2], translation[:2], atol=2e-3)
    products = poses[0] @ poses[0].transpose(0, 2, 1)  # [T, 3, 3]
    np.testing.assert_allclose(products, np.broadcast_to(np.eye(3), products.shape), atol=1e-5)
    assert np.array_equal(poses[0][2], kept[0]) and np.array_equal(poses[1][2], kept[1])


def test_the_depth_decides_what_the_outline_leaves_open() -> None:
    """A flat face that is turned to either side looks the same from far away; only its depth tells."""
    generator = torch.Generator().manual_seed(1)
    shape = torch.randn(1, VERTICES, 3, generator=generator) * torch.tensor([1.0, 1.0, 0.0])
    weights = np.full(VERTICES, 1 / VERTICES, np.float32)
    for side in (-0.4, 0.4):
        rotation = euler_to_rotation(torch.tensor([[0.0, side, 0.0]]))
        points = head_to_camera(shape, rotation, torch.tensor([[0.0, 0.0, 400.0]]))
        rays, depths = points[..., :2] / points[..., 2:], points[..., 2] / 400.0 - 1.0
        poses = np.eye(3)[None].copy(), np.array([[0.0, 0.0, 400.0]])
        seen = [tensor.contiguous().numpy() for tensor in (shape, rays, depths)]
        refine_poses(0, 1, *seen, weights, 1.0, 12, *poses)
        np.testing.assert_allclose(poses[0], rotation, atol=1e-2)


def test_warming_up_compiles_what_tracking_needs() -> None:
    warm_up_tracking(FaceModel.from_file(WEIGHTS))
    for compiled in (refine_poses, roi._sample, roi._average):
        assert len(compiled.signatures) == 1, "tracking would compile it anew for other types"
    signatures = [compiled.signatures for compiled in (refine_poses, roi._sample, roi._average)]
    FaceTracker(TrackerConfig()).detect(np.zeros((300, 200, 3), np.uint8))
    assert signatures == [compiled.signatures for compiled in (refine_poses, roi._sample, roi._average)]
