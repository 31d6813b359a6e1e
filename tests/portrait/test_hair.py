"""Long hair beside the face is told from cheeks and short hair, and is the torso's as well."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mggtalk.face.masks import below_rim, head_masks
from mggtalk.portrait.hair import BEYOND, SLOPE, connected, measure_places, part_hair
from tests.face.test_masks import SIZE, bust, landmarks, turned_landmarks

SKIN, HAIR = (0.8, 0.6, 0.5), (0.2, 0.15, 0.1)


def test_hair_that_hangs_is_parted_from_the_cheek() -> None:
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    beside = (abs(x - 100) > 31) & (abs(x - 100) < 50) & (y > 40)
    matte = np.maximum(bust(), beside * 1.0)
    image = torch.from_numpy(np.where(beside[..., None], HAIR, SKIN)).float().permute(2, 0, 1)  # [3, S, S]
    masks = head_masks(matte, landmarks())
    parted = part_hair(image, masks, landmarks())
    assert parted.hanging.sum() > 0.5 * (beside & (abs(x - 100) > 38) & (y > 70) & (y < 90)).sum()
    cheeks = ~beside & (measure_places(landmarks(), below_rim(landmarks(), SIZE)).away.numpy() < BEYOND)
    assert not (parted.hanging.astype(bool) & cheeks).any(), "cheeks are no hair"
    hair = parted.parted * (masks.parted == 0.0)  # the neck's edge is parted as well
    assert hair.max() > 0.9 and (hair <= parted.person + 1e-6).all()
    assert (parted.torso >= hair * parted.person - 1e-6).all(), "the torso has it as well"
    assert np.array_equal(parted.head, masks.head)


def test_short_hair_stays_as_it_is() -> None:
    image = torch.full((3, SIZE, SIZE), 0.5)
    masks = head_masks(bust(), landmarks())
    parted = part_hair(image, masks, landmarks())
    assert np.array_equal(parted.parted, masks.parted) and not parted.hanging.any()
    assert np.array_equal(parted.torso, masks.torso)


@pytest.mark.parametrize(("lowest", "hangs"), [(92.0, False), (150.0, True)])
def test_short_hair_behind_the_ear_of_a_turned_head_does_not_hang(lowest: float, hangs: bool) -> None:
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    behind = (x > 131) & (x < 165 - 0.3 * np.maximum(y - 70, 0) * (not hangs)) & (y > 30) & (y < lowest)
    dark = behind | ((x > 118) & (y > 95))  # the neck is in shadow
    matte = np.maximum(bust(), behind * 1.0)
    image = torch.from_numpy(np.where(dark[..., None], HAIR, SKIN)).float().permute(2, 0, 1)  # [3, S, S]
    parted = part_hair(image, head_masks(matte, turned_landmarks()), turned_landmarks())
    assert bool(parted.hanging.any()) == hangs and bool(parted.behind.any()) == hangs


def test_a_dark_collar_is_no_hair() -> None:
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    place = measure_places(landmarks(), below_rim(landmarks(), SIZE))
    collar = (abs(x - 100) > 31) & (abs(x - 100) < 60) & (place.level.numpy() > -0.1)  # of a head that is bowed
    image = torch.from_numpy(np.where(collar[..., None], HAIR, SKIN)).float().permute(2, 0, 1)  # [3, S, S]
    masks = head_masks(np.maximum(bust(), collar * 1.0), landmarks())
    parted = part_hair(image, masks, landmarks())
    assert np.array_equal(parted.parted, masks.parted)
    assert not parted.behind.any() and not parted.hanging.any()


def test_hair_goes_on_behind_the_cheek_but_not_before_the_neck() -> None:
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    beside = (abs(x - 100) > 31) & (abs(x - 100) < 60) & (y > 40)
    image = torch.from_numpy(np.where(beside[..., None], HAIR, SKIN)).float().permute(2, 0, 1)  # [3, S, S]
    masks = head_masks(np.maximum(bust(), beside * 1.0), landmarks())
    parted = part_hair(image, masks, landmarks())
    place = measure_places(landmarks(), below_rim(landmarks(), SIZE))
    cheek = place.inside.numpy() & (abs(place.level.numpy() + 0.2) < 0.1) & (abs(x - 100) > 25)
    assert parted.behind[cheek].min() > 0.5 and parted.torso[cheek].min() > 0.5
    middle = abs(x - 100) < 5
    assert parted.behind[middle].max() < 0.1, "not behind the nose"
    assert parted.behind[place.level.numpy() > SLOPE[1]].max() < 0.1
    outer = (parted.beside > 0.5) & (abs(x - 100) > 55)
    assert outer.any() and parted.parted[outer].max() < 0.1, "what is not at the cheek goes on one side alone"


def test_what_is_connected_grows() -> None:
    parts, around = torch.zeros(2, 5, 5, dtype=torch.bool)
    parts[0, 0], around[0, 1], around[4, 4] = True, True, True
    assert connected(parts, around).nonzero().tolist() == [[0, 0], [0, 1]]


@pytest.mark.parametrize(("reach", "hangs"), [(0.1, False), (0.26, True)])
def test_a_bob_hangs_and_no_slit_is_left_beside_it(reach: float, hangs: bool) -> None:
    """The tips of a bob would stay behind, and the wall would show between its outside and the cheek."""
    place = measure_places(landmarks(), below_rim(landmarks(), SIZE))
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    bob = (abs(x - 100) > 31) & (abs(x - 100) < 60) & (y > 40) & (place.level.numpy() < reach)
    lock = abs(abs(x - 100) - 44) < 4  # a lock of another colour, which ends higher
    bob &= ~lock | (place.level.numpy() < 0.1)
    image = torch.from_numpy(np.where((bob & ~lock)[..., None], HAIR, SKIN)).float().permute(2, 0, 1)  # [3, S, S]
    only = np.where(abs(x - 100) < 31, bust(), 0.0)  # nothing below its tips but the neck
    parted = part_hair(image, head_masks(np.maximum(only, bob * 1.0), landmarks()), landmarks())
    assert bool(parted.hanging.any()) == hangs
    row = bob & (abs(place.level.numpy() + 0.1) < 0.05) & (abs(x - 100) < 55)
    if hangs:
        assert parted.torso[row].min() > 0.5
