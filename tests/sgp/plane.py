"""A small avatar made of a plane: enough for Gaussian prediction, and known in closed form."""

from __future__ import annotations

import torch

from mggtalk.avatar.avatar import Avatar
from mggtalk.avatar.binding import Binding, Part
from mggtalk.avatar.folds import RIGHT_LIDS, Folds, gaps_of
from mggtalk.avatar.mouth_sheet import COLUMNS, ROWS, MouthSheet
from mggtalk.avatar.neighbours import Neighbours
from mggtalk.avatar.window import MovingWindow
from mggtalk.config import EXPRESSION_COMPONENTS, SGPConfig
from mggtalk.face.topology import LEFT_EYE_UPPER, LIPS_INNER_LOWER, LIPS_INNER_UPPER, VERTICES
from mggtalk.geometry import mirror_points
from mggtalk.inpaint.plates import Plates
from mggtalk.nets.freeze import freeze
from mggtalk.scene import Gaussians
from mggtalk.sgp.predictor import SymmetricGaussianPredictor

SMALL = SGPConfig(stride=1, features=4, encoder_width=4, decoder_width=4, sym_width=4, child_width=4, mouth_width=4)
STEP = 0.05

PARTS = ("decoder", "sym_decoder", "densify", "mouth_decoder")
"""What of SGP can learn."""


def lips(gap: float) -> torch.Tensor:
    """Vertices ``[V, 3]`` of nothing but inner lips that are ``gap`` decimetres apart in their middle."""
    vertices = torch.zeros(VERTICES, 3)
    across = torch.linspace(-1.0, 1.0, len(LIPS_INNER_UPPER))
    half = 0.5 * gap * (1 - across.square())
    for curve, sign in ((LIPS_INNER_UPPER, 1.0), (LIPS_INNER_LOWER, -1.0)):
        vertices[list(curve)] = torch.stack([0.25 * across, -0.4 + sign * half, torch.full_like(across, 0.9)], -1)
    return vertices


def sheet() -> MouthSheet:
    """A mouth that the portrait does not show."""
    return MouthSheet(
        colour=torch.zeros(ROWS * COLUMNS, 3),
        known=torch.zeros(ROWS * COLUMNS),
        cavity=torch.tensor((0.2, 0.08, 0.08)),
        teeth=torch.tensor((0.9, 0.88, 0.8)),
        edge=torch.tensor(-0.43),
        closed_gap=torch.tensor(0.015),
    )


def folds() -> Folds:
    """The line between closed lips along one row of the plane, and the lid of one eye along another."""
    return Folds(
        points=torch.arange(80, 112),
        weight=torch.linspace(0.2, 1.0, 32),
        colour=torch.full((32, 3), 0.7),
        place=torch.cat([torch.linspace(1.0, 9.0, 16), torch.full((16,), float(RIGHT_LIDS))]),
        gaps=gaps_of(lips(0.0)),
    )


def plane_avatar() -> Avatar:
    """A slanted plane of 12 x 16 points on a 16 x 16 map; the 32 points at the viewer's right have a mirrored twin."""
    generator = torch.Generator().manual_seed(0)
    mask = torch.zeros(16, 16, dtype=torch.bool)
    mask[2:14] = True
    rows, columns = mask.nonzero().unbind(-1)
    points = torch.stack([STEP * (columns - 7.5), -STEP * (rows - 7.5), 0.02 * columns.float()], dim=-1)
    count = len(points)
    mirrored = torch.nonzero(columns >= 13).squeeze(-1)
    binding = Binding(
        vertices=torch.tensor((LIPS_INNER_UPPER[5], LIPS_INNER_LOWER[5], 0)).expand(count, 3).contiguous(),
        weights=torch.tensor((0.25, 0.25, 0.5)).expand(count, 3).contiguous(),
        part=torch.full((count,), int(Part.SKIN)),
        gaze=torch.zeros(count),
    )
    return Avatar(
        identity=torch.zeros(3),
        expression=torch.zeros(EXPRESSION_COMPONENTS),
        rotation=torch.eye(3),
        translation=torch.tensor((0.0, 0.0, 10.0)),
        vertices=lips(0.0),
        mask=mask,
        points=points,
        colour=torch.rand(count, 3, generator=generator),
        colour_step=0.1 * torch.randn(count, 3, generator=generator),
        opacity=torch.full((count,), 0.9),
        binding=binding,
        neighbours=Neighbours.of(mask),
        mirrored=mirrored,
        mirrored_points=mirror_points(points[mirrored]),
        mirrored_colour=torch.zeros(len(mirrored), 3),
        mirrored_binding=binding.select(mirrored),
        back=Gaussians(torch.zeros(2, 3), torch.eye(4)[:2], torch.ones(2, 3), torch.ones(2), torch.zeros(2, 4, 3)),
        mouth=sheet(),
        folds=folds(),
        head_image=torch.rand(1, 4, 16, 16, generator=generator),
        window=MovingWindow.of(mask, binding.weights.sum(-1)),
        plates=Plates(torch.zeros(3, 8, 8), torch.zeros(4, 8, 8), *torch.zeros(3, 1, 8, 8)),
        pixel_size=torch.tensor(STEP),
    )


def lively_avatar() -> Avatar:
    """The same with points of all parts, which move differently."""
    avatar = plane_avatar()
    part = avatar.binding.part.clone()
    part[:40] = torch.arange(40) % len(Part)
    binding = avatar.binding._replace(part=part, gaze=torch.linspace(0, 1, len(part)))
    return avatar.with_(binding=binding, mirrored_binding=binding.select(avatar.mirrored))


def opened(avatar: Avatar) -> tuple[torch.Tensor, torch.Tensor]:
    """A driven face model and its expression: lips part, an eye opens, the bound points move."""
    generator = torch.Generator().manual_seed(1)
    vertices = avatar.vertices + 0.02 * torch.randn(avatar.vertices.shape, generator=generator)
    vertices[list(LIPS_INNER_LOWER[1:-1]), 1] -= 0.3
    vertices[list(LEFT_EYE_UPPER[1:-1]), 1] += 0.05
    return vertices, avatar.expression + 0.5 * torch.randn(avatar.expression.shape, generator=generator)


def closed(avatar: Avatar) -> tuple[torch.Tensor, torch.Tensor]:
    """The same, but the lips touch: nothing of the mouth can be seen."""
    vertices, expression = opened(avatar)
    vertices[list(LIPS_INNER_LOWER), 1] = vertices[list(LIPS_INNER_UPPER), 1] - float(avatar.mouth.closed_gap)
    return vertices, expression


def predictor(stride: int = 1, learned: tuple[str, ...] = PARTS, **changes: object) -> SymmetricGaussianPredictor:
    """Networks whose named parts say something."""
    torch.manual_seed(0)
    small = dict(features=4, encoder_width=4, decoder_width=4, sym_width=8, child_width=4, mouth_width=4)
    sgp = freeze(SymmetricGaussianPredictor(SGPConfig(stride=stride, **small, **changes)))  # type: ignore[arg-type]
    for part in learned:
        for module in getattr(sgp, part).modules():
            if hasattr(module, "last"):
                torch.nn.init.normal_(module.last.weight, std=0.2)
                torch.nn.init.normal_(module.last.bias, std=0.1)
    return sgp
