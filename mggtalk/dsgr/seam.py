"""The seam on the far side of a turned head: before it the portrait's own points stay, behind it their twins begin.

Both halves are unrolled about the vertical axis of the head: rows are heights, columns angles from the middle of the
face to the back. A seam runs from the crown to the jaw, one column in each row. It costs what is lost by it, ::

    sum before it (1 - trust of the portrait's own points)
        + sum behind it (1 - trust of the twins + BIAS + loss where the portrait's own points are sure)
        + mismatch of colour and radius where it runs

and more where there is a hole. The cheapest one is found row by row (Viterbi), no steeper than
some columns a row. So the two halves never overlap and leave no hole between them, and they meet where they agree.
Along the seam twins are moved to meet the portrait's own points, less and less toward the back. Their detail comes in
the light of their own side: where the portrait saw both halves, if only at a grazing angle, each place of the twins is
lit by the smooth ratio of the two, and what lies behind goes on from there.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from mggtalk.nets.maps import step

ROWS, COLUMNS = 96, 60
"""Of the unrolled head; columns are steps of three degrees."""

BIAS, LOSS, HOLE = 0.15, 0.5, 2.0
"""By how much more a twin must be trusted, as what the portrait shows is true and its twin a guess; the cost of hiding
what the portrait shows as well as can be, and that of nothing at all."""

SURE = (0.9, 1.0)
"""Trust from which on that cost begins, and is full: less trusted points tear when looked at from their side."""

WIDE = (math.radians(20.0), math.radians(30.0))
"""Azimuths of the portrait's camera between which :data:`LOSS` goes: the far side of a head that is turned more is
stretched wherever it is seen, and has the shadow of the nose. Without it, the seam of a head that is turned by 12
degrees runs down the middle of the face, where the halves always agree, and what the portrait shows is hidden."""

HAIR = 0.55
"""Height in the head frame from which on, above the ears, the hair of a slightly turned head stays the portrait's own:
it is parted, and its twin looks like a patch. What lies behind it goes on softly, as the back of the head does."""

MISMATCH, UNLIKE = 3.0, 0.25
"""Cost in columns of a seam between colours that differ by :data:`UNLIKE` or more, and of one through an eye twice."""

LENS = (6, 2)
"""Rows and columns from an eye to where a lens of glasses may end."""

STEEPEST, BENT = 3, 0.15
"""Most columns between the seams of two rows, and the cost of each."""

BLEND = math.radians(7.0)
"""Angle over which the portrait's own points fade into the twins behind them."""

BEHIND = 0.02
"""Decimetres that the twins stand back while they are covered by the portrait's own points."""

FADE = math.radians(50.0)
"""Angle behind the seam over which the twins come back to their own place."""

START, FINE, BINS = math.radians(20.0), math.radians(1.0), 60
"""Angle on the near side from which on it is seen how far a surface goes on without a hole, and steps of that."""

SPARSE = 5
"""Rows of which one at least has a point where a surface is."""

ALONG = 3.0
"""Standard deviation in rows by which what is measured along the seam is smoothed."""

MOST_SHIFT, MOST_LIGHT = 0.2, math.log(1.5)
"""Decimetres, and log of the ratio of colours that need not be skin, by which the halves may differ at the seam and be
brought together."""

ON_SKIN = math.log(4.0)
"""The same of skin, where a ratio is one of light: that of a lamp to one side and of its shadow."""

SPREAD, DOUBT = ((4.0, 2.5), (6.0, 5.0)), 0.1
"""Standard deviations in rows and columns by which light is smoothed, and over which it goes on where one half alone
was seen; and the trust at which half of it is believed: with a fifth of it, or half the smoothness, mouths of turned
clips get the light of the lips that the other half has there (VGG +.01 on five)."""


class Half(NamedTuple):
    """Points of one half, N of them."""

    points: Tensor  # [N, 3] on the far side, head frame
    colour: Tensor  # [N, 3] RGB
    trust: Tensor  # [N] how well the portrait saw them
    whole: Tensor  # [N] bool: of an eye, which no seam may cut
    face: Tensor  # [N] bool: in the face, where both halves are skin

    def select(self, chosen: Tensor) -> Half:
        """Keep a choice of the points ``[N]`` (bool)."""
        return Half(*(part[chosen] for part in self))


class Seam(NamedTuple):
    """The seam, and how the halves differ along it."""

    axis: float  # z of the axis, decimetres
    far: float  # sign of x on the far side
    bottom: float  # y of the first row's lower edge
    height: float  # of a row, decimetres
    angle: Tensor  # [ROWS] radians from the middle of the face
    gap: Tensor  # [ROWS] radians that are left between the portrait's own points and their twins
    shift: Tensor  # [ROWS] decimetres from twins out to the portrait's own points
    light: Tensor  # [ROWS, COLUMNS, 3] log of the ratio of the portrait's own colours and the twins'

    def _place(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Angle ``[N]`` behind the seam and row ``[N]`` of points ``[N, 3]``."""
        angle, height = unroll(points, self.axis, self.far)
        return angle, ((height - self.bottom) / self.height - 0.5).clamp(0, ROWS - 1)

    def behind(self, points: Tensor) -> Tensor:
        """Measure the angle ``[N]`` from the seam back to points ``[N, 3]``; negative before it."""
        angle, row = self._place(points)
        return angle - _at_rows(self.angle[:, None], row)[:, 0]

    def beyond(self, points: Tensor, own: Tensor) -> Tensor:
        """Measure the angle ``[N]`` from the last of the portrait's own points ``[M, 3]`` back to points ``[N, 3]``."""
        angle, row = self._place(own)
        reach = torch.zeros(ROWS).scatter_reduce(0, row.round().long(), angle, "amax")  # [ROWS]
        reach = torch.from_numpy(ndimage.maximum_filter1d(reach.numpy(), SPARSE, mode="nearest"))
        angle, row = self._place(points)
        return angle - _at_rows(_smooth(reach)[:, None], row)[:, 0]

    def join(self, twins: Tensor) -> tuple[Tensor, Tensor]:
        """Bring twins ``[N, 3]`` to the portrait's own points: their places, and log gains of colour ``[N, 3]``."""
        _, row = self._place(twins)
        behind = self.behind(twins)
        fade = 1.0 - step(behind, 0.0, FADE)  # [N]
        out = fade * _at_rows(self.shift[:, None], row)[:, 0]
        out = out - BEHIND * (1.0 - step(behind, 0.0, BLEND))
        angle = unroll(twins, self.axis, self.far)[0] - fade * _at_rows(self.gap[:, None], row)[:, 0]
        radius = _radius(twins, self.axis) + out  # [N]
        x, z = self.far * radius * angle.sin(), radius * angle.cos() + self.axis
        place = torch.stack([(angle * 2.0 / math.pi - 1.0), (row + 0.5) * 2.0 / ROWS - 1.0], dim=-1)  # [N, 2]
        cells = self.light.permute(2, 0, 1)[None]  # [1, 3, ROWS, COLUMNS]
        light = F.grid_sample(cells, place[None, None], align_corners=False)[0, :, 0].T  # [N, 3]
        return torch.stack([x, twins[:, 1], z], dim=-1), light


def unroll(points: Tensor, axis: float, far: float) -> tuple[Tensor, Tensor]:
    """Angle from the middle of the face to the far side ``[N]`` (radians), and height ``[N]``, of points ``[N, 3]``."""
    return torch.atan2(far * points[:, 0], points[:, 2] - axis), points[:, 1]


def _radius(points: Tensor, axis: float) -> Tensor:
    """Distance ``[N]`` of points ``[N, 3]`` from the axis, decimetres."""
    return (points[:, ::2] - torch.tensor((0.0, axis))).norm(dim=-1)


def find_seam(own: Half, twins: Half, axis: float, azimuth: float, slightly: bool = False) -> Seam:
    """Find the seam.

    Args:
        own: Points of the portrait.
        twins: Mirror images of the same.
        axis: z of the vertical axis through the head, decimetres.
        azimuth: Of the portrait's camera in the head frame, radians; 0 in front of the face, positive where x is.
        slightly: Whether the head is hardly turned; its hair stays, see :data:`HAIR`.
    """
    far = -1.0 if azimuth > 0 else 1.0  # sign of x on the side that the portrait shows less of
    loss = LOSS * (1.0 - float(step(torch.tensor(abs(azimuth)), *WIDE)))
    bottom, top = float(own.points[:, 1].min()), float(own.points[:, 1].max())
    height = max(top - bottom, 1e-3) / ROWS
    seen, back = (_average(half, axis, far, bottom, height) for half in (own, twins))
    hair = (1.0 - seen.face) * (bottom + height * (torch.arange(ROWS) + 0.5) > HAIR)[:, None]  # [ROWS, COLUMNS]
    keep = torch.where(seen.there, 1.0 - seen.trust, HOLE * back.there)  # [ROWS, COLUMNS]
    take = (
        torch.where(back.there, 1.0 - back.trust + BIAS, HOLE * seen.there)
        + (loss * step(seen.trust, *SURE) + (HOLE if slightly else 0.0) * hair) * seen.there
    )
    both = seen.there & back.there
    unlike = (seen.colour - back.colour).abs().amax(-1) / UNLIKE + (seen.radius - back.radius).abs() / MOST_SHIFT
    cost = MISMATCH * (
        torch.where(both, unlike.clamp(max=1.0), 0.5) + 2.0 * _around(torch.maximum(seen.whole, back.whole))
    )
    before = F.pad(keep.cumsum(1), (1, 0))  # [ROWS, COLUMNS + 1]
    behind = F.pad(take.flip(1).cumsum(1).flip(1), (0, 1))
    cuts = (before + behind + F.pad(cost, (0, 1), value=0.0)).double().numpy()
    path = torch.from_numpy(_cheapest_path(cuts))  # [ROWS]
    angle = _smooth(path.float()) * (math.pi / COLUMNS)
    # Compare the halves where both are seen, from a little before the seam to a little behind it.
    middles = (torch.arange(COLUMNS) + 0.5) * (math.pi / COLUMNS)
    near = (middles - angle[:, None]).abs() < 1.5 * BLEND  # [ROWS, COLUMNS]
    ratio = seen.colour.clamp(min=0.02).log() - back.colour.clamp(min=0.02).log()  # [ROWS, COLUMNS, 3]
    apart = seen.radius - back.radius
    trust = both * seen.trust * back.trust  # [ROWS, COLUMNS]
    weight = near * trust * (apart.abs() < MOST_SHIFT)
    skin = torch.minimum(seen.face, back.face) > 0.9
    sure = torch.where(skin, trust, weight * (ratio.abs().amax(-1) < MOST_LIGHT))
    light = _spread(ratio.clamp(-ON_SKIN, ON_SKIN), sure)
    shift = _along(apart[..., None], weight)[:, 0]
    seam = Seam(axis, far, bottom, height, angle, torch.zeros(ROWS), shift, light)
    return seam._replace(gap=_find_gap(seam, own.points, twins.points))


def _around(eyes: Tensor) -> Tensor:
    """Widen the share of eyes ``[ROWS, COLUMNS]`` by their lids, brows and the lenses before them."""
    return F.max_pool2d(eyes[None], (2 * LENS[0] + 1, 2 * LENS[1] + 1), stride=1, padding=LENS)[0]


def _find_gap(seam: Seam, own: Tensor, twins: Tensor) -> Tensor:
    """Find the gap ``[ROWS]`` between points ``[N, 3]`` and twins ``[M, 3]``: a nose may hide its own ridge."""

    def reach(points: Tensor, far: float) -> Tensor:
        """Angle ``[ROWS]`` to which a surface goes on without a hole, past the middle of the face."""
        angle, row = seam._replace(far=far)._place(points)
        fine = ((angle + START) / FINE).floor().long()  # [N]
        inside = (fine >= 0) & (fine < BINS)
        covered = np.zeros((ROWS, BINS), bool)
        covered[row[inside].round().long().numpy(), fine[inside].numpy()] = True
        covered = ndimage.binary_dilation(covered, np.ones((SPARSE, 3)))
        return (torch.from_numpy(np.cumprod(covered, axis=1).sum(1)) - 1) * FINE - START

    last, first = reach(own, seam.far), -reach(twins, -seam.far)  # [ROWS]
    known = (last >= -START) & (first <= START)
    gap = torch.maximum(first, seam.angle) - last
    return _smooth(torch.where(known, gap.clamp(0.0, START), 0.0).float())


class _Map(NamedTuple):
    """A half, unrolled."""

    there: Tensor  # [ROWS, COLUMNS] bool
    trust: Tensor  # [ROWS, COLUMNS]
    radius: Tensor  # [ROWS, COLUMNS] decimetres from the axis
    colour: Tensor  # [ROWS, COLUMNS, 3]
    whole: Tensor  # [ROWS, COLUMNS] share of an eye
    face: Tensor  # [ROWS, COLUMNS] share of the face


def _average(half: Half, axis: float, far: float, bottom: float, height: float) -> _Map:
    """Average points over the cells of the unrolled head and their neighbours."""
    angle, level = unroll(half.points, axis, far)
    row = ((level - bottom) / height).long().clamp(0, ROWS - 1)
    column = (angle * (COLUMNS / math.pi)).floor().long()  # [N]
    cell = (row * COLUMNS + column)[(angle >= 0) & (column < COLUMNS)]
    radius = _radius(half.points, axis)  # [N]
    values = torch.stack([half.trust, radius, half.whole.float(), half.face.float()], dim=-1)  # [N, 4]
    values = torch.cat([values, half.colour], dim=-1)  # [N, 7]
    values = F.pad(values, (1, 0), value=1.0)[(angle >= 0) & (column < COLUMNS)]  # [n, 8]
    grid = torch.zeros(ROWS * COLUMNS, 8).index_add(0, cell, values).T.view(1, 8, ROWS, COLUMNS)
    grid = F.avg_pool2d(grid, 3, stride=1, padding=1)[0]  # [8, ROWS, COLUMNS]
    mean = grid[1:] / grid[0].clamp(min=1e-6)
    return _Map(grid[0] > 0.05, mean[0], mean[1], mean[4:].permute(1, 2, 0), mean[2], mean[3])


def _cheapest_path(cost: np.ndarray) -> np.ndarray:
    """Column in each row ``[R]`` of the cheapest path down costs ``[R, C]``."""
    rows, columns = cost.shape
    steps = np.arange(-STEEPEST, STEEPEST + 1)
    total, came = cost[0], np.zeros((rows, columns), np.int64)
    for row in range(1, rows):
        padded = np.pad(total, STEEPEST, constant_values=np.inf)
        ways = np.stack([padded[STEEPEST + by : STEEPEST + by + columns] + BENT * abs(by) for by in steps])  # [S, C]
        best = ways.argmin(0)
        came[row] = np.arange(columns) + steps[best]
        total = cost[row] + ways.min(0)
    path = np.zeros(rows, np.int64)
    path[-1] = total.argmin()
    for row in range(rows - 1, 0, -1):
        path[row - 1] = came[row, path[row]]
    return path


def _smooth(values: Tensor) -> Tensor:
    """Smooth values ``[ROWS]`` along the seam."""
    return torch.from_numpy(ndimage.gaussian_filter1d(values.numpy(), ALONG / 2, mode="nearest"))


def _along(values: Tensor, weight: Tensor) -> Tensor:
    """Average ``[ROWS, COLUMNS, C]`` with weights ``[ROWS, COLUMNS]`` over each row and its neighbours: ``[ROWS, C]``.

    Where little is known about a row and its neighbours the average goes to zero.
    """
    sums = torch.cat([(values * weight[..., None]).sum(1), weight.sum(1, keepdim=True)], dim=-1)  # [ROWS, C + 1]
    sums = torch.from_numpy(ndimage.gaussian_filter1d(sums.numpy(), ALONG, axis=0, mode="nearest"))
    return sums[:, :-1] / (sums[:, -1:] + 0.1)


def _spread(values: Tensor, weight: Tensor) -> Tensor:
    """Smooth values ``[ROWS, COLUMNS, C]`` with weights ``[ROWS, COLUMNS]``, and go on with them, to zero far away."""
    spread, left = torch.zeros_like(values), torch.ones_like(values[..., :1])
    for sigma in SPREAD:
        sums = torch.cat([values * weight[..., None], weight[..., None]], dim=-1)  # [ROWS, COLUMNS, C + 1]
        sums = torch.from_numpy(ndimage.gaussian_filter(sums.numpy(), (*sigma, 0), mode="nearest"))
        share = sums[..., -1:] / (sums[..., -1:] + DOUBT)  # [ROWS, COLUMNS, 1]
        spread += left * share * sums[..., :-1] / sums[..., -1:].clamp(min=1e-6)
        left = left * (1.0 - share)
    return spread


def _at_rows(values: Tensor, row: Tensor) -> Tensor:
    """Interpolate values ``[ROWS, C]`` at fractional rows ``[N]``: ``[N, C]``."""
    low = row.long().clamp(max=ROWS - 2)
    share = (row - low)[:, None]
    return values[low] * (1.0 - share) + values[low + 1] * share
