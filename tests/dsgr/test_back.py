"""The back of the head: behind the silhouette, inside the outline, in the crown's colour."""

from __future__ import annotations

import torch

from mggtalk.avatar.neighbours import Neighbours
from mggtalk.dsgr.back import FLATTENING, OVERLAP, SHADE, STRIDE, back_cloud, dome, points_between


def scene(size: int = 32) -> dict[str, torch.Tensor]:
    """A round head in a crop of 32 units: brown hair above, pale face below, green background."""
    places = (torch.arange(size) + 0.5) * 32 / size
    y, x = torch.meshgrid(places, places, indexing="ij")
    radius = ((x - 16).square() + (y - 16).square()).sqrt()
    head = (radius < 12).float()
    depth = 10.0 - (1 - (radius / 12).square()).clamp(min=0).sqrt()
    hair = y < 12
    brown, pale = torch.tensor((0.3, 0.2, 0.1))[:, None, None], torch.tensor((0.9, 0.7, 0.6))[:, None, None]
    colour = torch.where(hair, brown, pale)
    colour = torch.where(head > 0, colour, torch.tensor((0.0, 1.0, 0.0))[:, None, None])
    return {"depth": depth, "colour": colour, "head": head, "crown": hair, "above": y < 24}


def test_back_lies_behind_the_silhouette_inside_the_outline() -> None:
    parts = scene()
    depth, colour, keep = back_cloud(**parts, silhouette=10.0)
    side = len(range(0, 32, STRIDE))
    assert depth.shape == keep.shape == (side, side) and colour.shape == (3, side, side)
    assert keep.any() and not (keep & ~(parts["head"][::STRIDE, ::STRIDE] > 0)).any()
    assert not keep[24 // STRIDE :].any()  # rows 24 and below are not above the rim
    front = parts["depth"][::STRIDE, ::STRIDE]
    assert (depth - front)[keep].min() > 0.09  # never before the front
    assert (depth[keep] >= 10.0 - OVERLAP).all()
    middle = 10.0 + FLATTENING  # the front is one decimetre before the silhouette there
    assert abs(float(depth[16 // STRIDE, 16 // STRIDE]) - middle) < 0.03


def test_back_has_the_colour_of_the_crown() -> None:
    _, colour, keep = back_cloud(**scene(), silhouette=10.0)
    hair = SHADE * torch.tensor((0.3, 0.2, 0.1))
    assert torch.allclose(colour[:, keep], hair[:, None].expand(-1, int(keep.sum())), atol=1e-4)


def test_without_a_crown_the_head_itself_gives_the_colour() -> None:
    parts = scene()
    parts["crown"] = torch.zeros_like(parts["crown"])
    _, colour, keep = back_cloud(**parts, silhouette=10.0)
    assert (colour[1, keep] < 0.7).all()  # never the background's green


def test_a_point_behind_the_silhouette_makes_no_back() -> None:
    parts = scene()
    parts["depth"] = torch.full((32, 32), 10.2)
    assert not back_cloud(**parts, silhouette=10.0)[2].any()


def test_the_dome_over_an_ellipse_is_half_an_ellipsoid() -> None:
    y, x = torch.meshgrid(torch.arange(60) + 0.5 - 30, torch.arange(60) + 0.5 - 30, indexing="ij")
    level = 1 - (x / 20).square() - (y / 28).square()
    made = dome(level > 0)
    assert (made - level.clamp(min=0).sqrt()).abs()[level > 0.15].max() < 0.05
    assert float(made.max()) == 1.0 and (made[level <= 0] == 0).all()
    assert (dome(torch.zeros(4, 4, dtype=torch.bool)) == 0).all()


def test_a_nose_in_front_makes_no_dent_in_the_back() -> None:
    parts = scene(96)
    plain, _, _ = back_cloud(**parts, silhouette=10.0)
    parts["depth"] = parts["depth"].clone()
    parts["depth"][45:51, 45:51] -= 0.5
    nosed, _, _ = back_cloud(**parts, silhouette=10.0)
    assert (nosed - plain).abs().max() < 0.02


def test_a_lock_of_hair_apart_from_the_head_has_no_back() -> None:
    parts = scene()
    parts["head"] = torch.nn.functional.pad(parts["head"], (0, 20, 0, 0))
    parts["head"][8:20, 36:48] = 1.0
    wide = {
        name: torch.nn.functional.pad(value, (0, 20, 0, 0), value=True)
        for name, value in parts.items()
        if value.dtype == torch.bool
    }
    depth = torch.nn.functional.pad(parts["depth"], (0, 20, 0, 0), value=9.5)
    colour = torch.nn.functional.pad(parts["colour"], (0, 20, 0, 0))
    _, _, keep = back_cloud(depth, colour, parts["head"], **wide, silhouette=10.0)
    assert keep[:, :16].any() and not keep[:, 16:].any()


def test_steep_steps_of_the_back_are_closed_evenly() -> None:
    points = torch.tensor([[0.0, 0.0, 0.0], [0.1, 0.0, 1.0], [0.0, 0.1, 0.0], [0.1, 0.1, 0.15]])  # two rows of two
    beside = Neighbours.of(torch.ones(2, 2, dtype=torch.bool))
    first, second, share = points_between(points, (beside.right, beside.down), 0.2)
    assert first.tolist() == [0] * 5 + [1] * 4 and second.tolist() == [1] * 5 + [3] * 4
    assert torch.allclose(share[:5], torch.arange(1.0, 6.0) / 6) and torch.allclose(
        share[5:], torch.arange(1.0, 5.0) / 5
    )
