"""Addition of an adapter to one frame of an avatar."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from mggtalk.avatar.adapter import CHANNELS, LOGIT, SHIFT, Adapter, Touch, Touching
from mggtalk.avatar.avatar import Avatar
from mggtalk.avatar.photo_layers import PhotoTouches
from mggtalk.scene import MotionFrame

FEATHER = 8
"""Pixels of the position map over which a region fades out at its border."""


class Touches:
    """Makes the touches of one avatar; what does not depend on the frame is worked out once.

    Args:
        adapter: The weights. Their present values are taken in every call, so they may be learning.
        avatar: Whose points they move; an adapter of its own is not looked at.
    """

    def __init__(self, adapter: Adapter, avatar: Avatar) -> None:
        self.adapter = adapter
        self._pixels = avatar.pixels
        self._cuts = [_Cut.of(region.bounds, avatar) for region in adapter.regions()]
        unit = SHIFT * float(avatar.pixel_size)
        self._units = torch.tensor((unit, unit, unit, 1.0, 1.0, 1.0, LOGIT)).to(avatar.mask.device)  # [7]

    @staticmethod
    def of(avatar: Avatar) -> Touching | None:
        """The maker of an avatar's touches; None if it has neither an adapter nor further photos."""
        if avatar.adapter is None:
            return None if avatar.photos is None else PhotoTouches(avatar.photos, avatar)
        return (
            Touches(avatar.adapter, avatar) if isinstance(avatar.adapter, Adapter) else avatar.adapter.touches(avatar)
        )

    def __call__(self, frame: MotionFrame) -> Touch:
        """The touch of a frame."""
        total = self.adapter.colour.new_zeros(len(self._pixels), CHANNELS)
        vertices: Tensor | float = 0.0
        sheet: Tensor | float = 0.0
        for region, cut in zip(self.adapter.regions(), self._cuts):
            shares = region.shares(frame)
            vertices = vertices + torch.tensordot(shares, region.vertices, 1)
            blend = torch.tensordot(shares, region.maps, 1)[None]  # [1, 7, h, w]
            if blend.shape[-2:] != cut.size:
                blend = F.interpolate(blend, size=cut.size, mode="bilinear", align_corners=False)
            total = total.index_add(0, cut.points, blend[0].flatten(1).T[cut.cells] * cut.fade)
            if len(region.sheet):
                sheet = sheet + torch.tensordot(shares, region.sheet, 1).flatten(1).T  # [R*C, 7]
        fixed = self.adapter.colour.flatten(1)[:, self._pixels].T  # [N, 6]
        assert isinstance(vertices, Tensor) and isinstance(sheet, Tensor)
        total = self._units * total
        return Touch(
            vertices=self._units[:3] * vertices,
            points=total[:, :3],
            colour=total[:, 3:6] + fixed[:, :3],
            colour_step=fixed[:, 3:] - fixed[:, :3],
            logits=total[:, 6],
            sheet=self._units * sheet,
        )


class _Cut(NamedTuple):
    """Points that a region covers."""

    size: tuple[int, int]  # rows and columns inside the bounds
    points: Tensor  # [Q] indices among the N points
    cells: Tensor  # [Q] their row-major places inside the bounds
    fade: Tensor  # [Q, 1] in [0, 1]

    @staticmethod
    def of(bounds: Tensor, avatar: Avatar) -> _Cut:
        first_row, end_row, first_column, end_column = bounds.tolist()
        height, width = end_row - first_row, end_column - first_column
        rows, columns = avatar.cells  # [N]
        inside = (rows >= first_row) & (rows < end_row) & (columns >= first_column) & (columns < end_column)
        points = inside.nonzero().squeeze(-1)
        down, along = rows[inside] - first_row, columns[inside] - first_column
        fade = torch.ones(len(points))
        if (height, width) != tuple(avatar.mask.shape):
            edge = torch.minimum(torch.minimum(down, height - 1 - down), torch.minimum(along, width - 1 - along))
            fade = ((edge + 0.5) / FEATHER).clamp(max=1.0)
        return _Cut((height, width), points, down * width + along, fade[:, None].to(rows.device))
