"""What is next to the jaw leaves the head as it turns, if it is no skin."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt

from mggtalk.face.masks import HeadMasks, face_axes, head_masks
from mggtalk.face.regions import face_mask
from mggtalk.portrait.jaw_edge import INSIDE, find_fringe
from tests.face.test_masks import SIZE, bust, landmarks

SKIN, DARK = np.array((0.8, 0.6, 0.5)), np.array((0.1, 0.1, 0.12))
FACE = face_mask(landmarks(), SIZE, SIZE)


def fringe_of(colours: np.ndarray) -> tuple[np.ndarray, HeadMasks]:
    """Fringe ``[S, S]`` of a person in these colours ``[S, S, 3]``, and the masks without it."""
    masks = head_masks(bust(), landmarks())
    picture = torch.from_numpy(colours.transpose(2, 0, 1).astype(np.float32))  # [3, S, S]
    return find_fringe(picture, masks, landmarks()).fringe, masks


def test_a_collar_next_to_the_jaw_is_shed_and_the_face_is_not() -> None:
    fringe, masks = fringe_of(np.where(FACE[..., None], SKIN, DARK))
    away = distance_transform_edt(~FACE) / face_axes(landmarks()).height
    rim = ~FACE & (masks.depth > -0.03) & (masks.depth < 0.0) & (masks.torso > 0.9) & (away < 0.04)
    assert rim.sum() > 20 and fringe[rim].min() > 0.5
    assert fringe[away > 0.08].max() == 0, "hair behind the ear of a turned head stays"
    inside = distance_transform_edt(FACE) > 2 * INSIDE * face_axes(landmarks()).height
    assert fringe[inside].max() == 0 and fringe[masks.depth < -0.2].max() == 0  # nor ears and hair above
    masks = masks._replace(fringe=fringe)
    assert (masks.shed >= masks.parted).all() and masks.shed[rim].min() > 0.5


def test_skin_in_shadow_and_a_beard_that_reaches_beyond_the_jaw_stay() -> None:
    shadow = np.where(FACE[..., None], SKIN, 0.5 * SKIN)
    assert fringe_of(shadow)[0].max() < 0.01
    lower = np.arange(SIZE)[:, None] > landmarks()[152, 1] - 0.3 * face_axes(landmarks()).height
    assert fringe_of(np.where(lower[..., None], DARK, SKIN))[0].max() < 0.01


def test_without_a_face_nothing_is_shed() -> None:
    masks = head_masks(bust(), landmarks())
    nowhere = landmarks() - 10.0 * SIZE
    assert find_fringe(torch.zeros(3, SIZE, SIZE), masks, nowhere) is masks
