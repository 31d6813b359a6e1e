"""Folds of the skin in a portrait: the line between closed lips, the rims of open ones, the lids over open eyes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from mggtalk.avatar.folds import CORNERS, LEFT_LIDS, LIPS, RIGHT_LIDS, SHUT, WIDTH, Folds, gaps_of
from mggtalk.face.topology import LEFT_EYE_UPPER, LIPS_INNER_LOWER, LIPS_INNER_UPPER, RIGHT_EYE_UPPER
from mggtalk.nets.maps import to_colour_map

BREADTH, AT_CORNERS = 0.018, 0.032
"""Decimetres from the line to where a point has nothing of it, in the middle of the lips and at their corners."""

BEYOND = 0.08
"""Decimetres that the line goes on beyond the corners of the model's lips."""

LIP = 0.02
"""Decimetres from the line to where a lip shows its own colour."""

THIN = 2.0
"""Place along the lips, counted from a corner, from where they are thick enough to tell their colour."""

CLOSED = (0.04, 0.06)
"""Gaps of the portrait's lips, decimetres, up to which there is nothing between them but the line or a sliver of what
is behind, and from which they are open."""

WHITE = 0.1
"""By how much the least channel of teeth is above that of a lip."""

MIXED = (1.5, 2.5)
"""Pixels from the inside of an open mouth up to which a point of the lip is a mixture, and from which it is lip alone:
a pixel of the portrait is blurred over about two."""

SEAM = (0.67, 0.55, 0.56)
"""RGB of the line between closed lips over that of the lip: the median of twelve people with closed mouths."""

LASHES = (0.008, 0.02)
"""Decimetres above the rim of the upper lid where lashes end for good, and where the lid is all lid."""

LID = (0.045, 0.07)
"""Decimetres above the rim where the lid begins to be the skin below the brow, and where it is."""


UNROLLED = 0.75
"""Least brightness of a smooth lid over that of the skin below the eye."""

FRAME = (0.3, 0.5)
"""Brightness over that of the skin above, up to which what is above the lashes is a frame of glasses, and from which it
is skin."""


class MapView(NamedTuple):
    """View in which folds are looked for."""

    colour: Tensor  # [3, H, W] the portrait on the position map
    mask: Tensor  # [H, W] bool, its N points
    skin: Tensor  # [N] bool: no eye and no inside of a mouth
    mouth: Tensor  # [N] bool: the inside of an open mouth
    pixels: Tensor  # [V, 2] tracked landmarks on the map, x and y
    vertices: Tensor  # [V, 3] the portrait's mesh, decimetres
    pixel_size: float  # decimetres

    @property
    def centres(self) -> Tensor:
        """Middles of the points' pixels ``[N, 2]``, x and y."""
        return self.mask.nonzero().flip(-1) + 0.5


def find_folds(view: MapView) -> Folds:
    """All folds of a portrait."""
    folds = lip_line(view).and_(lip_rims(view))
    for rim, place in ((RIGHT_EYE_UPPER, RIGHT_LIDS), (LEFT_EYE_UPPER, LEFT_LIDS)):
        folds = folds.and_(lid(view, rim, place))
    return folds


def lip_line(view: MapView) -> Folds:
    """The dark line between closed lips, and what it goes on as beyond their corners; none where they are apart."""
    line = (view.pixels[list(LIPS_INNER_UPPER)] + view.pixels[list(LIPS_INNER_LOWER)]).float() / 2  # [11, 2]
    beyond = BEYOND / view.pixel_size
    line = torch.cat(
        [line[:1] + _onward(line[3], line[0], beyond), line, line[-1:] + _onward(line[-4], line[-1], beyond)]
    )  # [13, 2]
    place, across = _along_line(line, view.centres)  # [N] from 0 to 12, [N] pixels
    gaps = gaps_of(view.vertices)
    nearest = (place - 1.0).clamp(1.0, LIPS - 2.0)  # [N] corners part where the lips beside them do
    gap = gaps[nearest.round().long()]  # [N]
    closed = ((CLOSED[1] - gap) / (CLOSED[1] - CLOSED[0])).clamp(0.0, 1.0)
    outside = ((place - 6.0).abs() - 5.0).clamp(min=0.0)  # [N] from 0 at the corners to 1
    outward = ((place - 6.0) / 5.0).abs().clamp(max=1.0).pow(4)
    breadth = (BREADTH + (AT_CORNERS - BREADTH) * outward + gap / 2) / view.pixel_size  # [N]
    weight = (2.0 * (1.0 - across.abs() / breadth)).clamp(0.0, 1.0) * closed * (1.0 - outside.square()) * view.skin
    chosen = (weight > 0).nonzero().squeeze(-1)  # [S]
    weight, place, across, breadth, outside, gap = (
        part[chosen] for part in (weight, place, across, breadth, outside, gap)
    )
    side = torch.where(across < 0, -1.0, 1.0)
    aside = side * torch.maximum(across.abs(), (LIP + gap / 2) / view.pixel_size)
    lip = _beside_line(view.colour, line, place.clamp(1.0 + THIN, LIPS - THIN), aside)
    cheek = _beside_line(view.colour, line, place, side * (breadth + 1.0))
    share = ((0.4 - outside) / 0.4).clamp(0.0, 1.0)[:, None]  # [S, 1] lips end a little beside the corner
    skin = cheek + share * (lip - cheek)
    # What goes on beyond the corners is no gap of the lips: a pout has none, however closed it is.
    place = torch.where(outside > 0, float(WIDTH), nearest[chosen])
    # In the middle the line is the shadow of an upper lip that is open as well; on the lower lip it is not, nor is a
    # sliver of teeth.
    own = view.colour[:, view.mask].T[chosen]  # [S, 3]
    white = ((own.amin(-1) - skin.amin(-1)) / WHITE).clamp(0.0, 1.0)
    weight = weight * torch.maximum(torch.maximum(outward[chosen], white), (across > 0).float())
    seen = weight > 0
    return Folds(chosen[seen], weight[seen], skin[seen], place[seen], gaps)


def lip_rims(view: MapView) -> Folds:
    """The rims of an open mouth: the lower lip's is lip as it goes down, the upper lip's the line where lips shut."""
    line = (view.pixels[list(LIPS_INNER_UPPER)] + view.pixels[list(LIPS_INNER_LOWER)]).float() / 2  # [11, 2]
    inside = np.zeros(view.mask.shape, bool)
    inside[view.mask.numpy()] = view.mouth.numpy()
    away = ndimage.distance_transform_edt(~inside) if inside.any() else np.full(inside.shape, np.inf)  # [H, W] pixels
    distance = torch.from_numpy(away.astype(np.float32))[view.mask]  # [N]
    place, across = _along_line(line, view.centres)  # [N]
    place = place.clamp(CORNERS[1] + 1.0, CORNERS[2] - 1.0)  # corners part where the lips beside them do
    gaps = gaps_of(view.vertices)
    apart = ((gaps[place.round().long()] - CLOSED[0]) / (CLOSED[1] - CLOSED[0])).clamp(0.0, 1.0)
    weight = ((MIXED[1] - distance) / (MIXED[1] - MIXED[0])).clamp(0.0, 1.0) * apart * view.skin
    chosen = (weight > 0).nonzero().squeeze(-1)  # [S]
    weight, place, lower = weight[chosen], place[chosen], across[chosen] > 0
    further = MIXED[1] + LIP / view.pixel_size - distance[chosen]
    points = view.centres[chosen] + torch.stack(
        [torch.zeros_like(further), torch.where(lower, further, -further)], dim=-1
    )
    lip = to_colour_map(view.colour, points, view.colour.shape[-1])
    own = view.colour[:, view.mask].T[chosen]  # [S, 3]
    colour = torch.where(lower[:, None], lip, torch.minimum(own, lip * torch.tensor(SEAM)))
    white = ((own.amin(-1) - lip.amin(-1)) / WHITE).clamp(0.0, 1.0)  # what else there is, is shadow, which a lip has
    weight = weight * torch.where(lower, white, 1.0)
    seen = weight > 0
    return Folds(chosen[seen], weight[seen], colour[seen], torch.where(lower, place, place + SHUT)[seen], gaps)


def lid(view: MapView, rim: tuple[int, ...], place: int) -> Folds:
    """The lid over one eye: what is darker there than the skin above it is lashes and shadow.

    Args:
        view: The portrait.
        rim: Vertices of the upper lid from corner to corner.
        place: Which gap opens it.
    """
    line = view.pixels[list(rim)].float()  # [9, 2]
    along, across = _along_line(line, view.centres)  # [N]
    above = -across * view.pixel_size  # decimetres
    ends = len(rim) - 1.0
    inside = (torch.minimum(along, ends - along)).clamp(0.0, 1.0)  # nothing at the corners
    rising = (above - LASHES[0]) / (LASHES[1] - LASHES[0])
    falling = (LID[1] - above) / (LID[1] - LID[0])
    weight = torch.minimum(rising, falling).clamp(0.0, 1.0) * inside * view.skin  # [N]
    chosen = (weight > 0).nonzero().squeeze(-1)  # [S]
    own = view.colour[:, view.mask].T[chosen]  # [S, 3]
    up = torch.full_like(weight[chosen], -LID[1] / view.pixel_size)
    skin = _beside_line(view.colour, line, along[chosen], up)
    # Over a deep-set eye there may be brow and shadow alone: a lid that unrolls is nearly as bright as the skin below.
    opening = gaps_of(view.vertices)[place]  # decimetres
    under = _beside_line(view.colour, line, along[chosen], -up + opening / view.pixel_size)
    skin = torch.maximum(skin, UNROLLED * under)
    brightness = own.mean(-1) / skin.mean(-1).clamp(min=1e-3)
    no_frame = ((brightness - FRAME[0]) / (FRAME[1] - FRAME[0])).clamp(0.0, 1.0)
    weight = weight[chosen] * torch.where(above[chosen] > LASHES[1], no_frame, 1.0)
    places = torch.full_like(up, float(place))
    return Folds(chosen, weight, torch.maximum(own, skin), places, gaps_of(view.vertices))


def _along_line(line: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Measure where points stand along a line, and how far beside it.

    Args:
        line: ``[P, 2]`` pixels.
        points: ``[N, 2]``.

    Returns:
        ``[N]`` in [0, P - 1], and the distance ``[N]`` in pixels, negative above the line (y down).
    """
    start, step = line[:-1], line[1:] - line[:-1]  # [P - 1, 2]
    share = ((points[:, None] - start) * step).sum(-1) / step.square().sum(-1).clamp(min=1e-6)  # [N, P - 1]
    share = share.clamp(0.0, 1.0)
    away = points[:, None] - start - share[..., None] * step  # [N, P - 1, 2]
    distance, nearest = away.norm(dim=-1).min(dim=1)  # [N]
    above = away[torch.arange(len(points)), nearest, 1] < 0
    return nearest + share.gather(1, nearest[:, None])[:, 0], torch.where(above, -distance, distance)


def _beside_line(colour: Tensor, line: Tensor, place: Tensor, below: Tensor) -> Tensor:
    """Colours of a map ``[3, H, H]`` below places ``[S]`` of a line ``[P, 2]``, by pixels ``[S]``: ``[S, 3]``."""
    low = place.long().clamp(max=len(line) - 2)
    points = line[low] + (place - low)[:, None] * (line[low + 1] - line[low])  # [S, 2]
    return to_colour_map(colour, points + torch.stack([torch.zeros_like(below), below], dim=-1), colour.shape[-1])


def _onward(before: Tensor, last: Tensor, length: float) -> Tensor:
    """The step ``[2]`` of a length that goes on from a point in the direction of a line."""
    return F.normalize(last - before, dim=0) * length
