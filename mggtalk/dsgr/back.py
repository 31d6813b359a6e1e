"""The back of the head: what neither the portrait nor its mirror image shows.

A head that is turned shows its side, and behind the silhouette of the portrait there is nothing. A dome over the
outline, from the crown to the nape, closes it: round, without the nose and the eye sockets of the front, and as deep as
the front is high. Its height is the root of a membrane's under even pressure, ::

    laplacian(u) = -1 inside, u = 0 on the outline,     height = sqrt(u / max u)

which is half an ellipsoid over an ellipse and smooth over any other outline. It takes its colour from the crown (hair,
bald skin), never from the face.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy import ndimage, sparse
from scipy.sparse import linalg
from scipy.spatial import cKDTree
from torch import Tensor
from torch.nn import functional as F

from mggtalk.nets.maps import erode, fill

INSET = 4
"""Pixels that the back stays inside the outline: its splats are large, and must not widen the head."""

CLEARANCE = 0.1
"""Decimetres that the back stays behind the front."""

ROUND = 16
"""Half width in pixels below which a part of the head has no back of its own: ears, locks of hair."""

STRIDE = 3
"""Only every third row and column makes a point: the back is one soft colour, and its edges alone are seen."""

SHADE = 0.85
"""Brightness of the back over that of the crown: less light falls on it."""

FLATTENING = 0.85
"""Depth of the back half over the depth of the front half."""

COVERED = 0.06
"""Radians between the lines from the middle of the skull to two points of which one may cover the other."""

OVERLAP = 0.5
"""Reach of the dome's rim under the front, over the front's height: the front is thin where it turns away, and what is
seen of it at a grazing angle goes when the head turns (:mod:`mggtalk.avatar.turning`)."""

MOST_BETWEEN = 12
"""Points, at most, that are put between two neighbours of the back."""

HIGHEST = 0.95
"""Part of the front's points that are no higher than what counts as its height: the nose is."""


def back_cloud(
    depth: Tensor, colour: Tensor, head: Tensor, crown: Tensor, above: Tensor, silhouette: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Depth and colour of the back of the head, on every s-th pixel of the crop, s the :data:`STRIDE`.

    Args:
        depth: Camera depth of the front ``[H, W]``, decimetres.
        colour: RGB ``[3, H, W]``.
        head: Soft head weight ``[H, W]``.
        crown: ``[H, W]`` bool, pixels whose colour the back may have: above the eyes and not in the face.
        above: ``[H, W]`` bool, pixels above the nape (no neck).
        silhouette: Camera depth where the surface turns away, decimetres.

    Returns:
        Depth ``[H/s, W/s]``, colour ``[3, H/s, W/s]`` and mask ``[H/s, W/s]`` (bool).
    """
    step = slice(None, None, STRIDE)
    inside = erode(head[None, None], INSET)[0, 0]  # [H, W] eroded
    keep = largest_part(open_region(((inside > 0.6) & above)[step, step], ROUND / STRIDE))  # no ears, no locks
    heights = (silhouette - depth[step, step])[keep]
    height = float(heights.quantile(HIGHEST)) if len(heights) else 0.0
    if height <= 0.0:
        keep = torch.zeros_like(keep)
    rounded = dome(keep)  # [H/s, W/s]
    behind = silhouette + max(height, 0.0) * (FLATTENING * rounded - OVERLAP * (1.0 - rounded))
    behind = torch.maximum(behind, depth[step, step] + CLEARANCE)
    solid = erode(head[None, None], 2)  # [1, 1, H, W]: no background colour
    source = solid * crown
    if float(source.sum()) < 1.0:  # nothing but face: bald and cropped
        source = solid
    spread = SHADE * fill(colour[None], source.clamp(0, 1).pow(4))[0]  # [3, H, W]
    return behind, spread[:, step, step], keep


def keep_under(points: Tensor, surface: Tensor, centre: Tensor) -> Tensor:
    """Bring points of the back that stand out of a surface, such as the mirrored half's, under it.

    Args:
        points: ``[B, 3]`` head frame.
        surface: ``[M, 3]``, may be empty.
        centre: Middle of the skull ``[3]``.

    Returns:
        ``[B, 3]``, each on its own line to the centre, :data:`CLEARANCE` under the lowest surface around that line.
    """
    if not len(surface):
        return points
    out, over = points - centre, surface - centre
    length, level = out.norm(dim=1, keepdim=True), over.norm(dim=1)  # [B, 1], [M]
    tree = cKDTree(F.normalize(over, dim=1).numpy())
    level = torch.cat([level, level.new_full((1,), torch.inf)])  # [M + 1] the last is that of no neighbour
    _, near = tree.query(F.normalize(out, dim=1).numpy(), k=[*range(1, 9)], distance_upper_bound=COVERED)  # [B, 8]
    lowest = level[torch.from_numpy(near)].amin(1, keepdim=True)  # [B, 1]
    return centre + out * ((lowest - CLEARANCE).clamp(min=0.0) / length.clamp(min=1e-6)).clamp(max=1.0)


def points_between(points: Tensor, others: Sequence[Tensor], longest: float) -> tuple[Tensor, Tensor, Tensor]:
    """Find points that close what is left open between neighbours: at the rim, a dome over a map is steep.

    Args:
        points: ``[B, 3]``.
        others: Indices ``[B]`` of the points beside them on their map, in one direction each.
        longest: Distance to be left between two of them.

    Returns:
        Indices ``[Q]`` of the first and of the second end of each, and how near it is to the second.
    """
    ends = []
    for other in others:
        first = torch.arange(len(points))
        count = ((points[other] - points).norm(dim=1) / longest).long().clamp(max=MOST_BETWEEN)  # [B]
        first = first.repeat_interleave(count)  # [Q]
        place = torch.arange(len(first)) - (count.cumsum(0) - count).repeat_interleave(count)  # [Q] 0 .. count - 1
        ends.append((first, other[first], (place + 1.0) / (count[first] + 1.0)))
    return tuple(torch.cat(parts) for parts in zip(*ends))  # type: ignore[return-value]


def open_region(inside: Tensor, radius: float) -> Tensor:
    """Keep of a region ``[H, W]`` (bool) what discs of a radius inside it cover, as if it went on beyond the map."""
    if not bool(inside.any()) or bool(inside.all()):
        return inside
    core = ndimage.distance_transform_edt(inside.numpy()) > radius
    if not core.any():
        return inside
    return inside & torch.from_numpy(ndimage.distance_transform_edt(~core) <= radius + 1)


def largest_part(inside: Tensor) -> Tensor:
    """The largest connected part of a region ``[H, W]`` (bool)."""
    labels, count = ndimage.label(inside.numpy())
    if count < 2:
        return inside
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return torch.from_numpy(labels == sizes.argmax())


def dome(inside: Tensor) -> Tensor:
    """A smooth dome over a region.

    Args:
        inside: ``[H, W]`` bool.

    Returns:
        ``[H, W]`` float32, 0 outside and toward the border, 1 at the top.
    """
    height, width = inside.shape
    region = np.pad(inside.numpy(), 1)
    index = np.full(region.shape, -1)  # [H + 2, W + 2]
    count = int(region.sum())
    top = np.zeros((height, width), np.float32)
    if not count:
        return torch.from_numpy(top)
    index[region] = np.arange(count)
    entries = [(index[region], index[region], np.full(count, 4.0))]
    for axis, shift in ((0, 1), (0, -1), (1, 1), (1, -1)):
        neighbour = np.roll(index, shift, axis)[region]  # [P] -1 where the membrane is held down
        free = neighbour >= 0
        entries.append((index[region][free], neighbour[free], np.full(int(free.sum()), -1.0)))
    rows, columns, values = (np.concatenate(parts) for parts in zip(*entries, strict=True))
    matrix = sparse.csc_array((values, (rows, columns)), shape=(count, count))
    membrane = linalg.spsolve(matrix, np.ones(count))
    top[inside.numpy()] = np.sqrt(membrane / membrane.max())
    return torch.from_numpy(top)
