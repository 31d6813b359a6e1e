"""Cloth is no part of the head, wherever it is seen; skin and beard are."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from mggtalk.face.masks import HeadMasks, below_rim, face_axes, head_masks
from mggtalk.face.regions import face_mask
from mggtalk.portrait.cloth import find_cloth, leave_cloth
from tests.face.test_masks import SIZE, bust, landmarks

SKIN, CLOTH, BEARD = (200, 150, 125), (130, 150, 220), (60, 45, 40)


def paint(colour: tuple[int, int, int], begins: float) -> np.ndarray:
    """Paint a person of skin with a colour from some face heights below the rim on: uint8 ``[S, S, 3]``."""
    below = below_rim(landmarks(), SIZE)[..., None] > begins
    return np.where(below, colour, SKIN).astype(np.uint8)


def split(matte: np.ndarray) -> HeadMasks:
    """Masks of a person with short hair."""
    return head_masks(matte, landmarks())._replace(hanging=np.zeros_like(matte))


def test_cloth_under_the_chin_leaves_the_head() -> None:
    masks = split(bust())
    left = leave_cloth(paint(CLOTH, 0.0), masks, landmarks())
    depth = below_rim(landmarks(), SIZE)
    column = masks.neck > 0.99 * masks.person.max()
    cut = column & (depth > 0.05) & (depth < 0.08)
    assert masks.head[cut].min() > 0.05 and left.head[cut].max() < 0.02
    np.testing.assert_allclose(left.head[depth < -0.1], masks.head[depth < -0.1], atol=0.01)  # the chin stays
    assert left.follow[cut].mean() < masks.follow[cut].mean() - 0.02


def test_a_shoulder_beside_the_face_is_the_torsos() -> None:
    """A bowed head lies before a shoulder, which would fly with it."""
    masks = split(np.ones((SIZE, SIZE), np.float32))
    shoulder = np.arange(SIZE)[:, None] > 0.35 * SIZE
    beside = (np.arange(SIZE)[:, None] > 0.4 * SIZE) & (masks.depth < -0.05) & (masks.depth > -0.5) & ~near_face(0.15)
    picture = np.where((near_face(0.1) | ~shoulder)[..., None], SKIN, CLOTH).astype(np.uint8)
    left = leave_cloth(picture, masks, landmarks())
    assert beside.sum() > 50 and masks.head[beside].max() > 0.5
    assert left.head[beside].max() < 0.05 and left.torso[beside].min() > 0.95
    inside = near_face(0.05) & (masks.depth < -0.05)
    np.testing.assert_allclose(left.head[inside], masks.head[inside], atol=0.05)


def near_face(reach: float) -> np.ndarray:
    """The face and so many face heights around it: bool ``[S, S]``."""
    away = distance_transform_edt(~face_mask(landmarks(), SIZE, SIZE))
    return away < reach * face_axes(landmarks()).height


def test_without_a_torso_there_is_no_cloth() -> None:
    above = split(bust() * (np.arange(SIZE)[:, None] < 0.5 * SIZE))
    assert find_cloth(paint(SKIN, 0.0), above, landmarks()) is None


@pytest.mark.parametrize(("colour", "begins"), [(SKIN, 0.0), (BEARD, -0.3), ((140, 105, 88), 0.0)])
def test_skin_its_shade_and_a_beard_stay(colour: tuple[int, int, int], begins: float) -> None:
    masks = split(bust())
    left = leave_cloth(paint(colour, begins), masks, landmarks())
    np.testing.assert_allclose(left.head, masks.head, atol=1e-3)
    np.testing.assert_allclose(left.follow, masks.follow, atol=1e-3)
