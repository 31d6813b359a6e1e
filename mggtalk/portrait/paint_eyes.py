"""Eyeballs behind lids that are shut in the portrait: a guess, seen when a driver opens them.

They look straight ahead and move with the pose alone, like the back of the head. Place and size are the face model's;
the colours are nobody's in particular, in the light of the portrait's skin: what is called white is darker than the
cheek, and as red as the light.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mggtalk.face.topology import (
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    LEFT_IRIS,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
    RIGHT_IRIS,
)
from mggtalk.nets.maps import step
from mggtalk.portrait.novelty import SHUT, open_eyes
from mggtalk.portrait.view import PortraitView
from mggtalk.render.harmonics import harmonics_from_colour
from mggtalk.scene import Gaussians
from mggtalk.sgp.parameters import concatenate

SETBACK = 0.02
"""Decimetres that an eyeball stays behind its lids."""

RADIUS = 0.125
"""Of an eyeball, decimetres."""

SPACING, SPREAD = 0.012, 0.62
"""Decimetres between Gaussians, and their standard deviation over that."""

OPENING = 0.3
"""Half height of what is painted, over the width of the eye."""

SCLERA, IRIS, PUPIL = (0.78, 0.83, 0.87), (0.33, 0.31, 0.31), (0.12, 0.10, 0.10)
"""RGB over that of the skin. In the widest open eyes of 27 clips it is, between the rim of the iris and the corner,
(.67, .71, .75) in the median, shade of lids and corners included, which takes a seventh; of the iris (.41, .44, .46)
and (.30, .26, .26) in the median and the lower quartile: most eyes are dark."""

SHADOW = 0.55
"""Brightness under the upper lid, over that in the middle of the eye."""


def paint_eyes(view: PortraitView) -> Gaussians | None:
    """Paint both eyeballs; None where the portrait shows an open eye."""
    if open_eyes(view.pixels[None])[0] >= SHUT:
        return None
    skin = view.colours_at(view.vertices[[50, 280, 151, 199]]).mean(0)  # [3]
    relaxed = view.face_model.vertices(view.fit.identity, torch.zeros_like(view.expression))
    rims = ((RIGHT_EYE_UPPER, RIGHT_EYE_LOWER, RIGHT_IRIS), (LEFT_EYE_UPPER, LEFT_EYE_LOWER, LEFT_IRIS))
    return concatenate([_eyeball(view.vertices, relaxed, *rim, skin) for rim in rims])


def _eyeball(
    shut: Tensor,
    relaxed: Tensor,
    upper: tuple[int, ...],
    lower: tuple[int, ...],
    iris: tuple[int, ...],
    skin: Tensor,
) -> Gaussians:
    """One eyeball.

    Args:
        shut: Mesh of the portrait ``[V, 3]``, head frame.
        relaxed: The same with open eyes.
        upper: Vertices of the upper lid from corner to corner.
        lower: Of the lower lid.
        iris: Centre of the iris and four places on its rim.
        skin: RGB of the skin ``[3]``.
    """
    outer, inner = relaxed[upper[0]], relaxed[upper[-1]]
    width = (outer - inner)[:2].norm()
    middle = (outer + inner) / 2
    bulge = shut[[upper[4], lower[4]], 2].mean() - (shut[upper[0], 2] + shut[upper[-1], 2]) / 2
    across = torch.arange(-0.5 * float(width), 0.5 * float(width), SPACING)
    down = torch.arange(-OPENING * float(width), OPENING * float(width), SPACING)
    y, x = torch.meshgrid(down, across, indexing="ij")
    u = (2.0 * x / width).flatten()  # [Q] from corner to corner
    slope = (outer - inner) / (outer[0] - inner[0])
    base = middle[2] + shut[[upper[0], upper[-1]], 2].mean() - relaxed[[upper[0], upper[-1]], 2].mean()
    points = torch.stack(
        [
            middle[0] + x.flatten(),
            middle[1] + y.flatten() + slope[1] * x.flatten(),
            base
            - SETBACK
            + slope[2] * x.flatten()
            + bulge * (1.0 - u.square())
            - y.flatten().square() / (2.0 * RADIUS),
        ],
        dim=-1,
    )  # [Q, 3]
    centre = relaxed[iris[0], :2]
    radius = (relaxed[list(iris[1:]), :2] - centre).norm(dim=-1).mean()
    away = (points[:, :2] - centre).norm(dim=-1) / radius  # [Q]
    lid = relaxed[upper[4], 1] - points[:, 1]  # [Q] decimetres below the upper lid
    shade = SHADOW + (1.0 - SHADOW) * step(lid, -0.01, 0.06) * step(1.0 - u.abs(), -0.2, 0.5)
    ring = 1.0 - 0.45 * step(away, 0.6, 1.0)
    colour = torch.tensor(SCLERA) + (1.0 - step(away, 0.9, 1.1))[:, None] * (
        torch.tensor(IRIS) * ring[:, None] - torch.tensor(SCLERA)
    )
    colour = colour + (1.0 - step(away, 0.32, 0.5))[:, None] * (torch.tensor(PUPIL) - colour)
    glint = (points[:, :2] - centre - radius * torch.tensor((0.3, 0.35))).norm(dim=-1) / radius  # [Q]
    colour = colour * shade[:, None] + 0.75 * (1.0 - step(glint, 0.1, 0.3))[:, None]
    count = len(points)
    return Gaussians(
        means=points,
        quaternions=torch.tensor((1.0, 0.0, 0.0, 0.0)).expand(count, 4).clone(),
        scales=torch.tensor((1.0, 1.0, 0.15)).expand(count, 3) * (SPREAD * SPACING),
        opacities=torch.full((count,), 0.95),
        harmonics=harmonics_from_colour((skin * colour).clamp(0.0, 1.0)),
    )
