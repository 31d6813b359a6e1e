"""The depth of hair goes on over all of it, and ends softly beside it."""

from __future__ import annotations

import torch

from mggtalk.dsgr.reconstruct import CropCamera
from mggtalk.portrait.hair_depth import spread

SIZE, MAP = 96, 32
CAMERA = CropCamera(x0=16.0, y0=8.0, side=48.0, map_size=MAP, focal=240.0, centre=(48.0, 48.0))  # rows 8 to 56


def test_the_depth_of_the_head_goes_on_below_it() -> None:
    hair = torch.zeros(SIZE, SIZE)
    hair[20:, 20:36] = 1.0
    x = (torch.arange(MAP) + 0.5) / MAP * CAMERA.side + CAMERA.x0  # portrait pixels
    nearer = (0.02 * x).expand(MAP, MAP)
    known = ((x > 20) & (x < 36)).expand(MAP, MAP) & (x[:, None] > 30)
    depth = spread(nearer, known, CAMERA, hair, 1.5)
    assert depth.shape == (SIZE, SIZE)
    for row in (40, 50, 90):  # on the position map, and below it
        assert torch.allclose(depth[row, 28], torch.tensor(0.02 * 28.5), atol=0.03), row
    assert depth[50, 24] < depth[50, 32], "each place has its own"
    assert depth[:, 44:].max() < 0.01 and depth[:14].max() < 0.01
    assert (depth[50, 34:42].diff() < 0).all(), "softly"


def test_without_hair_all_is_on_the_plane() -> None:
    nearer, known = torch.rand(MAP, MAP), torch.zeros(MAP, MAP, dtype=torch.bool)
    assert not spread(nearer, known, CAMERA, torch.ones(SIZE, SIZE), 1.5).any()
