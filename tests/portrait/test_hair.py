"""Long hair beside the jaw is told from cheeks and short hair, and comes to the plane of the torso."""

from __future__ import annotations

import numpy as np
import torch

from mggtalk.face.masks import head_masks
from mggtalk.geometry import camera_to_head, head_to_camera
from mggtalk.inpaint.follow import PIVOT_DEPTH
from mggtalk.portrait.hair import HANGING, hang_hair, part_hair
from tests.face.test_masks import SIZE, bust, landmarks

SKIN, HAIR = (0.8, 0.6, 0.5), (0.2, 0.15, 0.1)


def test_hair_that_hangs_is_parted_from_the_cheek() -> None:
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    beside = (abs(x - 100) > 31) & (abs(x - 100) < 50) & (y > 40)
    matte = np.maximum(bust(), beside * 1.0)
    image = torch.from_numpy(np.where(beside[..., None], HAIR, SKIN)).float().permute(2, 0, 1)  # [3, S, S]
    masks = head_masks(matte, landmarks())
    parted = part_hair(image, masks, landmarks())
    assert parted.hanging.sum() > 0.5 * (beside & (abs(x - 100) > 38) & (y > 70) & (y < 90)).sum()
    assert not (parted.hanging.astype(bool) & ~beside).any(), "cheeks are no hair"
    assert parted.parted.max() > 0.9 and (parted.parted <= parted.person + 1e-6).all()
    assert (parted.torso >= parted.parted * parted.person - 1e-6).all(), "the torso has it as well"
    assert np.array_equal(parted.head, masks.head)


def test_short_hair_stays_as_it_is() -> None:
    image = torch.full((3, SIZE, SIZE), 0.5)
    masks = head_masks(bust(), landmarks())
    parted = part_hair(image, masks, landmarks())
    assert not parted.parted.any() and not parted.hanging.any()
    assert np.array_equal(parted.torso, masks.torso)


def test_hair_hangs_to_the_plane_of_the_torso() -> None:
    rotation, translation = torch.eye(3), torch.tensor([0.0, 0.0, 12.0])
    in_camera = torch.stack([torch.full((4, 4), 0.3), torch.full((4, 4), 0.4), torch.full((4, 4), 11.9)])  # [3, 4, 4]
    cloud = camera_to_head(in_camera.flatten(1).T, rotation, translation).T.view(3, 4, 4)
    hair = torch.ones(4, 4)
    hair[:, 0] = 0.0
    rim = torch.tensor([-HANGING, -0.5 * HANGING, 0.0, 0.2])[:, None].expand(4, 4)
    hung = hang_hair(cloud, hair, rim, rotation, translation)
    depth = head_to_camera(hung.flatten(1).T, rotation, translation)[:, 2].view(4, 4)
    assert torch.allclose(depth[:, 0], torch.tensor(11.9)) and torch.allclose(depth[0], torch.tensor(11.9))
    assert torch.allclose(depth[2:, 1:], torch.tensor(12.0 + PIVOT_DEPTH))
    assert (depth[1, 1:] > 12.1).all() and (depth[1, 1:] < 12.6).all()
    seen = head_to_camera(hung.flatten(1).T, rotation, translation)
    assert torch.allclose(seen[:, 0] / seen[:, 2], torch.tensor(0.3 / 11.9)), "along its ray"
