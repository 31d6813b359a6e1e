"""Cloth right under the chin is no part of the head; skin and beard are."""

from __future__ import annotations

import numpy as np
import pytest

from mggtalk.face.masks import below_rim, head_masks
from mggtalk.portrait.collar import leave_collar
from tests.face.test_masks import SIZE, bust, landmarks

SKIN, CLOTH, BEARD = (200, 150, 125), (130, 150, 220), (60, 45, 40)


def paint(colour: tuple[int, int, int], begins: float) -> np.ndarray:
    """Paint a person of skin with a colour from some face heights below the rim on: uint8 ``[S, S, 3]``."""
    below = below_rim(landmarks(), SIZE)[..., None] > begins
    return np.where(below, colour, SKIN).astype(np.uint8)


def test_cloth_under_the_chin_leaves_the_head() -> None:
    masks = head_masks(bust(), landmarks())
    left = leave_collar(paint(CLOTH, 0.0), masks, landmarks())
    depth = below_rim(landmarks(), SIZE)
    column = masks.neck > 0.99 * masks.person.max()
    cut = column & (depth > 0.05) & (depth < 0.08)
    assert masks.head[cut].min() > 0.05 and left.head[cut].max() < 0.02
    assert np.array_equal(left.head[depth < 0.0], masks.head[depth < 0.0]), "the chin stays"
    assert left.follow[cut].mean() < masks.follow[cut].mean() - 0.02
    assert (left.torso == masks.torso).all()


@pytest.mark.parametrize(("colour", "begins"), [(SKIN, 0.0), (BEARD, -0.3), ((140, 105, 88), 0.0)])
def test_skin_its_shade_and_a_beard_stay(colour: tuple[int, int, int], begins: float) -> None:
    masks = head_masks(bust(), landmarks())
    left = leave_collar(paint(colour, begins), masks, landmarks())
    np.testing.assert_allclose(left.head, masks.head, atol=1e-3)
    np.testing.assert_allclose(left.follow, masks.follow, atol=1e-3)
