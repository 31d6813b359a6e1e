"""An adapter: the few weights that make an avatar of one person look as this person does in a clip.

What a portrait cannot tell (teeth, wrinkles, how light falls on a turned head) is learned as *Gaussian blendshapes*.
In each region of the head a code says how near the frame is to K typical expressions or poses of this person, as
shares that sum to one, and the residual of the frame is the share-weighted sum of K small maps::

    a_k = softmax_k(-|A f - o - c_k|^2 / 2),   f = (beta_d, pose),   residual = sum_k a_k M_k

So the residual of all frames together is a matrix of rank K: what a low-rank update of the decoders could add, without
running them. Shares cannot leave the span of what the clip showed: far from it the nearest typical frame holds. All
maps start at zero, and an avatar without an adapter does not know that there are any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from mggtalk.config import EXPRESSION_COMPONENTS
from mggtalk.scene import MotionFrame

if TYPE_CHECKING:  # avatars carry adapters
    from mggtalk.avatar import Avatar

FEATURES = EXPRESSION_COMPONENTS + 12
"""Length of f: expression, head rotation, head translation."""

CHANNELS = 7
"""Of a map: displacement (3), RGB (3), logit of the opacity."""

SHIFT = 3.0
"""Displacement that the value 1 stands for, pixels of the position map."""

LOGIT = 4.0
"""Change of the opacity's logit that the value 1 stands for."""

FEATHER = 8
"""Pixels of the position map over which a region fades out at its border."""

REGIONS = ("head", "eyes", "mouth")
"""Names of the regions."""


class Region(NamedTuple):
    """Blendshapes of a part of the head; K typical frames."""

    axes: Tensor  # [D, F] A
    origin: Tensor  # [D] o
    centres: Tensor  # [K, D] c_k
    bounds: Tensor  # [4] int64 first row, end row, first column, end column on the position map
    vertices: Tensor  # [K, V, 3] displacement of the face model, as in CHANNELS
    maps: Tensor  # [K, 7, h, w] for the points; stretched over the bounds
    sheet: Tensor  # [K, 7, R, C] for the inside of the mouth; K is 0 where the region has none

    def shares(self, frame: MotionFrame) -> Tensor:
        """How near a frame is to each typical one, ``[K]``, sum 1."""
        place = self.axes @ features(frame) - self.origin  # [D]
        return torch.softmax(-0.5 * (self.centres - place).square().sum(-1), dim=0)


class Adapter(NamedTuple):
    """All regions, and what holds in every frame."""

    head: Region
    eyes: Region
    mouth: Region
    colour: Tensor  # [6, H, W] RGB of parents and of children, in every frame

    def regions(self) -> tuple[Region, ...]:
        """All regions."""
        return self.head, self.eyes, self.mouth

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by name, such as ``mouth.maps``."""
        named = {f"{name}.{part}": getattr(self, name)._asdict()[part] for name in REGIONS for part in Region._fields}
        return {**named, "colour": self.colour}

    @staticmethod
    def of(tensors: dict[str, Tensor]) -> Adapter:
        """The adapter of :meth:`tensors`."""
        head, eyes, mouth = (Region(*(tensors[f"{name}.{part}"] for part in Region._fields)) for name in REGIONS)
        return Adapter(head, eyes, mouth, tensors["colour"])

    def to(self, device: torch.device | str) -> Adapter:
        """A copy on a device; bounds stay on the host."""
        moved = {name: value if name.endswith("bounds") else value.to(device) for name, value in self.tensors().items()}
        return Adapter.of(moved)


class Touch(NamedTuple):
    """What an adapter adds to one frame of an avatar with N visible points."""

    vertices: Tensor  # [V, 3] decimetres, to the driven face model
    points: Tensor  # [N, 3] decimetres
    colour: Tensor  # [N, 3] RGB of the parents
    colour_step: Tensor  # [N, 3] RGB of the children less that of the parents
    logits: Tensor  # [N]
    sheet: Tensor  # [R*C, 7] decimetres, RGB, logit


def features(frame: MotionFrame) -> Tensor:
    """What codes see of a frame, ``[..., F]``."""
    return torch.cat([frame.expression, frame.rotation.flatten(-2), frame.translation], dim=-1)


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
    def of(avatar: Avatar) -> Touches | None:
        """The touches of an avatar; None if it has no adapter."""
        return None if avatar.adapter is None else Touches(avatar.adapter, avatar)

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
    """Where a region meets the points."""

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
