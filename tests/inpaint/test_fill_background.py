"""Backgrounds continued behind a person."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mggtalk.inpaint.fill_background import fill_background
from mggtalk.nets.maps import fill

SIZE = 128


def hole() -> np.ndarray:
    """A standing ellipse that reaches the lower border."""
    y, x = np.mgrid[0:SIZE, 0:SIZE] + 0.5
    return np.hypot((x - 64) / 22, (y - 100) / 60) < 1


@pytest.mark.parametrize("angle", [0.0, 0.5 * np.pi])
def test_stripes_go_on_behind_the_person(angle: float) -> None:
    y, x = np.mgrid[0:SIZE, 0:SIZE] + 0.5
    wave = np.sign(np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / 16))
    stripes = torch.from_numpy((0.5 + 0.3 * wave).astype(np.float32)).expand(3, -1, -1)
    gone = torch.from_numpy(hole())
    made = fill_background(torch.where(gone, torch.tensor(1.0), stripes), hole())
    blurred = fill(stripes[None], (~gone)[None, None].float())[0]
    error, before = ((picture - stripes)[:, gone].abs().mean() for picture in (made, blurred))
    assert error < 0.3 * before
    assert torch.equal(made[:, ~gone], stripes[:, ~gone])


def test_a_wall_keeps_its_gradient() -> None:
    ramp = torch.linspace(0.2, 0.8, SIZE).expand(3, SIZE, -1)
    gone = torch.from_numpy(hole())
    made = fill_background(torch.where(gone, torch.tensor(0.0), ramp), hole())
    assert (made - ramp).abs().max() < 0.05


def test_the_same_picture_gives_the_same_background() -> None:
    picture = torch.rand(3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    assert torch.equal(fill_background(picture, hole()), fill_background(picture, hole()))


@pytest.mark.parametrize("side", [64, 75])
def test_a_hole_that_leaves_too_little_to_copy_is_filled_smoothly(side: int) -> None:
    picture = torch.rand(3, side, side, generator=torch.Generator().manual_seed(0))
    gone = np.ones((side, side), bool)
    gone[:, :2] = False
    made = fill_background(picture, gone)
    assert torch.isfinite(made).all() and torch.equal(made[:, :, :2], picture[:, :, :2])
