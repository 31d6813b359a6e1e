"""Strands of hair that the matte misses."""

from __future__ import annotations

import numpy as np
import torch

from mggtalk.face.masks import HeadMasks
from mggtalk.inpaint.plates import Plates, find_hole, make_plates
from mggtalk.inpaint.strands import find_strands, islands

SIZE = 128
WALL, SKIN = 0.8, torch.tensor((0.8, 0.6, 0.5))
STRAND = (slice(30, 62), 94)  # rows, column


def drawing(noise: float = 0.003) -> tuple[torch.Tensor, np.ndarray]:
    """A gray head before a light wall, with a dark strand beside it; its matte, which misses that."""
    y, x = np.mgrid[0:SIZE, 0:SIZE] + 0.5
    head = (np.hypot(x - 64, y - 60) < 25).astype(np.float32)
    image = np.where(head > 0, 0.4, WALL) + noise * np.random.default_rng(0).standard_normal((3, SIZE, SIZE))
    image[:, *STRAND] = 0.3
    return torch.from_numpy(image.astype(np.float32)), head


def plates_of(image: torch.Tensor, head: np.ndarray) -> Plates:
    nothing = 0 * head
    masks = HeadMasks(head, head, nothing, 1 + nothing, *[nothing] * 10)
    return make_plates(image, masks, torch.from_numpy(head), SKIN)


def found_in(image: torch.Tensor, head: np.ndarray) -> np.ndarray:
    return find_strands(
        image, find_hole(torch.from_numpy(head)).numpy(), torch.full_like(image, 0.4), 1 + 0 * head
    ).found


def test_a_strand_leaves_the_background() -> None:
    image, head = drawing()
    assert found_in(image, head)[STRAND].all()
    background = plates_of(image, head).background
    assert (background - WALL).abs().max() < 0.03


def test_it_goes_with_the_head_and_the_portrait_stays() -> None:
    image, head = drawing()
    plates = plates_of(image, head)
    seen = plates.torso[:3] + (1 - plates.torso[3]) * plates.background
    assert (seen - image)[:, *STRAND].abs().max() < 1e-3
    assert plates.torso[3][STRAND].min() > 0.5  # (0.8 - 0.3) / 0.8 at least
    assert plates.loose[0][STRAND].min() > 0.99  # and leaves as the head turns


def test_a_line_that_goes_on_is_the_backgrounds() -> None:
    image, head = drawing()
    image[:, :, 94] = 0.3
    assert not found_in(image, head).any()


def test_a_light_line_beside_a_dark_head_is_the_backgrounds() -> None:
    image, head = drawing()
    image[:, *STRAND] = 1.0
    assert not found_in(image, head).any()


def test_a_busy_background_stays() -> None:
    image, head = drawing(noise=0.1)
    assert not found_in(image, head).any()
    assert torch.count_nonzero(plates_of(image, head).torso[3]) == 0


def test_a_person_who_fills_the_picture_has_no_strands() -> None:
    image, head = drawing()
    assert not found_in(image, np.ones_like(head)).any()


def test_small_parts_between_strands_are_islands() -> None:
    known = np.zeros((SIZE, SIZE), bool)
    known[:40], known[100:102, 50:52] = True, True
    assert islands(known).sum() == 4
