"""Photo layers: which photo a frame shows, and how that changes from frame to frame."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from mggtalk.avatar.adapter import FEATURES
from mggtalk.avatar.photo_layers import PhotoLayers
from mggtalk.geometry import euler_to_rotation
from mggtalk.scene import MotionFrame

POINTS, VERTICES, FURTHER = 6, 4, 2


def frame(yaw: float = 0.0, first: float = 0.0) -> MotionFrame:
    expression = torch.zeros(64)
    expression[0] = first
    return MotionFrame(expression, euler_to_rotation(torch.tensor([0.0, yaw, 0.0])), torch.zeros(3))


@pytest.fixture
def layers() -> PhotoLayers:
    """The first photo looks ahead; the second smiles (component 0), and is the mouth's; the third is turned."""
    generator = torch.Generator().manual_seed(0)
    axes = torch.zeros(3, 2, FEATURES)
    axes[:, 0, 0] = torch.tensor([0.0, 0.0, 4.0])  # expression: the mouth looks at it
    axes[:, 1, 64 + 2] = 20.0  # sine of the yaw
    codes = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 6.0]]).expand(3, 3, 2).clone()
    codes[:2, 1, 0] = 0.5
    regions = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]).repeat(1, 2)  # [3, N]
    return PhotoLayers(
        axes=axes,
        codes=codes,
        doubt=torch.zeros(3, 3),
        regions=regions,
        vertex_regions=torch.eye(3, VERTICES),
        seen=torch.ones(FURTHER, POINTS),
        colour=torch.rand(FURTHER, POINTS, 9, generator=generator),
        vertices=torch.rand(FURTHER, VERTICES, 3, generator=generator),
        sheet=torch.rand(FURTHER, 5, 7, generator=generator),
    )


def avatar(coarse: bool) -> SimpleNamespace:
    """Its points lie in one row of the position map."""
    colour = torch.full((POINTS, 3), 0.5)
    return SimpleNamespace(
        colour=colour,
        colour_step=torch.zeros(POINTS, 3),
        coarse_colour=colour if coarse else colour + 1.0,
        position_map=lambda points: points.T[:, None],
        from_map=lambda grid: grid[:, 0].T,
    )


def test_shares_are_of_the_nearest_photo_region_by_region(layers: PhotoLayers) -> None:
    ahead, smiling, turned = (layers.shares(f) for f in (frame(), frame(first=1.0), frame(yaw=0.305)))
    for shares in (ahead, smiling, turned):
        assert torch.allclose(shares.sum(1), torch.ones(3))
    assert ahead[2].argmax() == 0 and ahead[2, 0] > 0.99
    assert smiling[2].argmax() == 1 and smiling[2, 1] > 0.99, "the mouth takes the smile"
    assert smiling[0].argmax() == 0, "the rest of the face does not"
    assert (turned.argmax(1) == 2).all()


def test_a_small_step_changes_the_shares_a_little(layers: PhotoLayers) -> None:
    way = torch.linspace(0.0, 1.0, 101)
    shares = torch.stack([layers.shares(frame(first=float(step))) for step in way])  # [101, 3, 3]
    assert float(shares.diff(dim=0).abs().max()) < 0.06


@pytest.mark.parametrize("coarse", [False, True])
def test_a_photo_alone_gives_its_colours_where_it_sees(layers: PhotoLayers, coarse: bool) -> None:
    seen = torch.ones(FURTHER, POINTS)
    seen[0, 3] = 0.0
    touches = layers._replace(seen=seen).touches(avatar(coarse))
    alone = torch.zeros(3, 3)
    alone[:, 1] = 1.0
    touch = touches.touch(alone)
    shown = 0.5 + touch.colour
    wanted = layers.colour[0, :, 6:] if coarse else layers.colour[0, :, :3]
    expected = torch.where(seen[0, :, None] > 0, wanted, torch.tensor(0.5))
    assert torch.allclose(shown, expected, atol=1e-6)
    child = torch.tensor(0.0) if coarse else (layers.colour[0, :, 3:6] - layers.colour[0, :, :3]) * seen[0, :, None]
    assert torch.allclose(touch.colour_step, child.expand(POINTS, 3), atol=1e-6)
    assert torch.allclose(touch.sheet, layers.sheet[0])


def test_light_is_mixed_and_fine_detail_is_of_one_photo(layers: PhotoLayers) -> None:
    dark, light = torch.full((POINTS, 9), 0.3), torch.full((POINTS, 9), 0.7)
    stripes = 0.1 * torch.tensor([1.0, -1.0]).repeat(POINTS // 2)[:, None]  # [N, 1]
    touches = layers._replace(colour=torch.stack([dark + stripes, light])).touches(avatar(coarse=False))
    for share, mean, contrast in ((0.5, 0.5, 0.05), (0.8, 0.38, 0.1)):
        shown = 0.5 + touches.touch(torch.tensor([[0.0, share, 1.0 - share]]).expand(3, 3)).colour
        assert float(shown.mean()) == pytest.approx(mean, abs=1e-5)
        assert float((shown[0] - shown[1])[0]) / 2 == pytest.approx(contrast, abs=5e-3)


def test_the_first_photo_adds_nothing(layers: PhotoLayers) -> None:
    shares = torch.zeros(3, 3)
    shares[:, 0] = 1.0
    touch = layers.touches(avatar(coarse=False)).touch(shares)
    assert all(not part.any() for part in (touch.vertices, touch.points, touch.colour, touch.colour_step, touch.sheet))


def test_a_photo_that_is_doubted_gives_way(layers: PhotoLayers) -> None:
    doubt = torch.zeros(3, 3)
    doubt[2, 1] = 13.0
    shares = layers._replace(doubt=doubt).shares(frame(first=1.0))
    assert shares[2, 1] < 0.5 < layers.shares(frame(first=1.0))[2, 1]
    assert torch.equal(shares[:2], layers.shares(frame(first=1.0))[:2])
