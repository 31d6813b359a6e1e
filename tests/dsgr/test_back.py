"""The back of the head: behind the silhouette, inside the outline, in the crown's colour."""

from __future__ import annotations

import torch

from mggtalk.dsgr.back import FLATTENING, SHADE, back_cloud


def scene() -> dict[str, torch.Tensor]:
    """A round head in a 32-pixel crop: brown hair above, pale face below, green background."""
    y, x = torch.meshgrid(torch.arange(32) + 0.5, torch.arange(32) + 0.5, indexing="ij")
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
    assert depth.shape == keep.shape == (16, 16) and colour.shape == (3, 16, 16)
    assert keep.any() and not (keep & ~(parts["head"][::2, ::2] > 0)).any()
    assert not keep[12:].any()  # rows 24 and below are not above the rim
    assert (depth[keep] >= 10.0).all()
    middle = 10.0 + FLATTENING  # the front is one decimetre before the silhouette there
    assert abs(float(depth[8, 8]) - middle) < 0.03


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
