"""Torso and background behind the head."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from mggtalk.face.masks import HeadMasks
from mggtalk.inpaint.plates import RIM, SHADED, background_plate, make_plates

SIZE = 96
SKIN = torch.tensor((1.0, 0.0, 0.0))


def drawing() -> tuple[torch.Tensor, HeadMasks]:
    """A red head on a blue torso before a green wall."""
    y, x = np.mgrid[0:SIZE, 0:SIZE] + 0.5
    head = (np.hypot(x - 48, y - 36) < 20).astype(np.float32)
    torso = ((np.abs(x - 48) < 10) & (y > 44) | (np.abs(x - 48) < 36) & (y > 68)).astype(np.float32)
    person = np.maximum(head, torso)
    image = np.zeros((3, SIZE, SIZE), np.float32)
    image[1] = 1 - person
    image[2] = torso * (1 - head)
    image[0] = head
    follow = np.clip(1 - (y - 56) / 40, 0, 1).astype(np.float32)
    return torch.from_numpy(image), HeadMasks(person, head, torso, follow, *[0 * head] * 10)


def test_background_has_no_person_left_in_it() -> None:
    image, masks = drawing()
    background = background_plate(image, torch.from_numpy(masks.person))
    assert torch.allclose(background, torch.tensor((0.0, 1.0, 0.0))[:, None, None].expand_as(background), atol=1e-5)


def test_background_stays_as_it_is_beside_the_person() -> None:
    image, masks = drawing()
    noisy = image + 0.1 * torch.randn(3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    background = background_plate(noisy, torch.from_numpy(masks.person))
    reach = max(2, round(RIM * SIZE))  # a rim around the person goes with it
    grown = ndimage.binary_dilation(masks.person > 0, np.ones((2 * reach + 1, 2 * reach + 1)))
    outside = torch.from_numpy(~grown)
    assert torch.equal(background[:, outside], noisy[:, outside])
    assert not torch.equal(background, noisy)


def test_a_person_who_fills_the_picture_still_has_a_background() -> None:
    image, _ = drawing()
    background = background_plate(image, torch.ones(SIZE, SIZE))
    assert torch.isfinite(background).all() and background.min() >= -1e-5 and background.max() <= 1 + 1e-5


def test_torso_is_premultiplied_and_continues_under_the_head() -> None:
    image, masks = drawing()
    plates = make_plates(image, masks, torch.from_numpy(masks.person), SKIN)
    alpha = plates.torso[3]
    assert torch.equal(alpha, torch.from_numpy(masks.torso))
    assert (plates.torso[:3] <= alpha + 1e-5).all()
    assert torch.count_nonzero(plates.torso[:3, alpha == 0]) == 0
    neck_under_the_jaw = plates.torso[:3, 48:54, 44:52]
    assert torch.allclose(neck_under_the_jaw[2], torch.ones(6, 8), atol=0.05)  # blue as the torso, not red as the head
    assert neck_under_the_jaw[0].max() < 0.05


def test_a_bare_neck_goes_on_in_the_shadow_of_the_jaw_and_its_collar_does_not() -> None:
    image, masks = drawing()
    y, x = np.mgrid[0:SIZE, 0:SIZE] + 0.5
    masks = masks._replace(neck=((np.abs(x - 48) < 10) & (y > 20)).astype(np.float32))
    neck, below = torch.from_numpy((np.abs(x - 48) < 6) & (y > 50)), image[2] > 0
    image[:, below] = 1.0  # a collar
    image[:, neck & below] = 0.8 * SKIN[:, None]
    behind = make_plates(image, masks, torch.from_numpy(masks.person), SKIN).torso[:3, 45, 45:51]  # [3, 6]
    assert torch.allclose(behind, (SHADED * 0.8 * SKIN)[:, None].expand_as(behind), atol=0.1)


def test_behind_the_jaw_a_neck_with_hair_beside_it_is_skin_without_streaks_of_what_hangs_below() -> None:
    image, masks = drawing()
    y, x = np.mgrid[0:SIZE, 0:SIZE] + 0.5
    column = torch.from_numpy((np.abs(x - 48) < 10) & (y > 44))
    hanging = (np.abs(np.abs(x - 48) - 16) < 5) & (y > 30)
    person = np.maximum(masks.person, hanging)
    torso = np.maximum(masks.torso, hanging).astype(np.float32)
    neck = column.numpy() * (y > 20)
    masks = masks._replace(
        person=person.astype(np.float32), torso=torso, hanging=hanging.astype(np.float32), neck=neck.astype(np.float32)
    )
    bare = torch.from_numpy(masks.head == 0)
    image[:, column & bare] = 0.8 * SKIN[:, None]
    image[:, column & bare & torch.from_numpy(np.abs(x - 46) < 2)] = 1.0  # a pale ribbon hangs down
    image[:, torch.from_numpy(hanging) & bare] = 0.0  # black hair
    behind = make_plates(image, masks, torch.from_numpy(masks.person), SKIN).torso[:3, 45, 41:55]  # [3, 14]
    assert torch.allclose(behind, (SHADED * 0.8 * SKIN)[:, None].expand_as(behind), atol=0.12)


def test_unhidden_torso_keeps_its_pixels() -> None:
    image, masks = drawing()
    texture = image * (0.7 + 0.3 * torch.rand(1, SIZE, SIZE, generator=torch.Generator().manual_seed(1)))
    plates = make_plates(texture, masks, torch.from_numpy(masks.person), SKIN)
    bare = torch.from_numpy((masks.torso > 0.99) & (masks.head == 0))
    assert torch.allclose(plates.torso[:3, bare], texture[:, bare], atol=1e-5)


def test_what_is_loose_is_there_and_can_leave() -> None:
    image, masks = drawing()
    lobe = np.zeros_like(masks.head)
    lobe[50:70, 60:72] = 0.8  # beside the neck and over a shoulder
    plates = make_plates(image, masks._replace(loose=lobe), torch.from_numpy(masks.person), SKIN)
    assert torch.equal(plates.torso[3], torch.from_numpy(np.maximum(masks.torso, lobe)))
    left = plates.torso[3] * (1.0 - plates.loose[0])
    assert torch.allclose(left, torch.from_numpy(masks.torso), atol=1e-6)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_plates_of_an_empty_and_of_a_full_matte_are_finite(share: float) -> None:
    image, _ = drawing()
    full = np.full((SIZE, SIZE), share, np.float32)
    for plate in make_plates(image, HeadMasks(*[full] * 6, *[0 * full] * 8), torch.from_numpy(full), SKIN):
        assert torch.isfinite(plate).all()


def test_a_veil_that_the_sharper_matte_left_out_stays_out_of_the_background() -> None:
    image, masks = drawing()
    row, column = 4, SIZE // 2
    image[:, row - 2 : row + 3, column - 2 : column + 3] = 0.0  # a dark lock above the head
    veil = torch.from_numpy(masks.person).clone()
    veil[row - 3 : row + 4, column - 3 : column + 4] = 0.5
    clean = make_plates(image, masks, veil, SKIN).background[:, row, column]
    kept = make_plates(image, masks, torch.from_numpy(masks.person), SKIN).background[:, row, column]
    assert kept.max() < 0.01 and clean.max() > 0.5


def test_the_background_goes_on_under_the_shoulders():
    image, masks = drawing()
    background = make_plates(image, masks, torch.from_numpy(masks.person), SKIN).background
    assert background[1, torch.from_numpy(masks.torso > 0.999)].min() > 0.9, (
        "the green wall, not the dark of a division"
    )
