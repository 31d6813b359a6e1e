"""The branch of the inside of the mouth: persistent Gaussians behind the lips (TalkingGaussian, sec. 3.3).

They are the sheet of the clip's most open mouth, taken out of the lips' hands: its upper part stays with the skull, as
upper teeth do, and its lower part goes with the jaw. What is learned is what they look like and a small translation.
Teeth that the portrait shows itself stay in the face's branch: where they were taken out, 200 steps did not bring them
back. Both lie before the back of the head, and this branch behind the lips, so that drawing by depth composes as the
paper does::

    C = C_face + (1 - A_face) C_mouth
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mggtalk.avatar.avatar import Avatar
from mggtalk.avatar.mouth_sheet import COLUMNS, ROWS
from mggtalk.avatar.neighbours import Neighbours
from mggtalk.face.face_model import FaceModel
from mggtalk.face.lips import lip_heights
from mggtalk.face.topology import LIPS_INNER_LOWER, LIPS_INNER_UPPER
from mggtalk.person.talking_gaussian.config import FieldConfig
from mggtalk.person.talking_gaussian.light import Light
from mggtalk.person.talking_gaussian.motion import MouthMotion
from mggtalk.person.talking_gaussian.triplane import TriPlane
from mggtalk.render.constants import SH_0
from mggtalk.sgp.footprint import footprint, scales_and_rotation
from mggtalk.sgp.mouth.decoder import OVERLAP, SPACING, sheet_points

JAW_FROM, SOFT = 0.6, 0.06
"""Place between the lips, from the upper to the lower one, from which on the jaw takes Gaussians along, and over which
it begins to."""

SETBACK, JAW_SETBACK = 0.03, 0.02
"""Decimetres that they stand further back than the sheet, and the lower part still further: it slides behind the upper
teeth as the mouth closes."""

WIDER = 1.15
"""Breadth over that of the sheet: a smile is wider than an open mouth."""

OPENING = 0.04
"""Decimetres between the first sight of the inside and all of it."""

SPREAD = 0.7
"""Standard deviation over the distance of neighbours."""

SOLID = 3.0
"""Logit of their opacity at the start."""

INNER = slice(3, -3)
"""Of the lower inner lip: what goes straight down with the jaw."""


class MouthBranch(nn.Module):
    """Persistent Gaussians of the inside of one mouth, Q of them.

    Args:
        config: Sizes.
        count: Q.
        components: K, length of an expression.
    """

    rest: Tensor  # [Q, 3] in the most open frame, head frame
    held: Tensor  # [Q] share of the jaw's motion
    log_scales: Tensor  # [Q, 3] in that frame
    turn: Tensor  # [Q, 4]
    jaw: Tensor  # [K, 3] displacement of the jaw per expression
    jaw_rest: Tensor  # [3] in that frame
    gap: Tensor  # [K, G] gaps between the lips per expression
    gap_rest: Tensor  # [G] less the gap of closed lips

    def __init__(self, config: FieldConfig, count: int, components: int) -> None:
        super().__init__()
        gaps = len(LIPS_INNER_UPPER)
        shapes = {"rest": (count, 3), "held": (count,), "log_scales": (count, 3), "turn": (count, 4)}
        shapes |= {"jaw": (components, 3), "jaw_rest": (3,), "gap": (components, gaps), "gap_rest": (gaps,)}
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(shape))
        self.points = nn.Parameter(torch.zeros(count, 3))
        self.shape = nn.Parameter(torch.zeros(count, 7))
        self.colour = nn.Parameter(torch.zeros(count, 3))
        self.logits = nn.Parameter(torch.full((count,), SOLID))
        self.planes = TriPlane(config.mouth_grid)
        self.motion = MouthMotion(config)
        self.moves = config.motion
        whole = config.light and count == ROWS * COLUMNS
        self.light = Light((ROWS, COLUMNS), config.axes) if whole else None

    @torch.no_grad()
    def place(self, avatar: Avatar, face_model: FaceModel, expression: Tensor) -> None:
        """Put the Gaussians where the sheet of one frame is.

        Args:
            avatar: Gives the identity.
            face_model: The landmark 3DMM.
            expression: ``beta [K]`` of the clip's most open mouth.
        """
        vertices = face_model.vertices(avatar.identity, expression)  # [V, 3]
        points, _ = sheet_points(vertices)  # [Q, 3]
        middle = points[:, 0].mean()
        rows = torch.linspace(-OVERLAP, 1.0 + OVERLAP, ROWS).repeat_interleave(COLUMNS)  # [Q]
        held = torch.sigmoid((rows - JAW_FROM) / SOFT)
        points = torch.stack(
            [middle + WIDER * (points[:, 0] - middle), points[:, 1], points[:, 2] - SETBACK - JAW_SETBACK * held], dim=1
        )
        neighbours = Neighbours.of(torch.ones(ROWS, COLUMNS, dtype=torch.bool))
        log_scales, turn = scales_and_rotation(footprint(points, neighbours, SPACING), SPREAD)
        basis = face_model.expression_basis  # [K, V, 3]
        jaw = basis[:, list(LIPS_INNER_LOWER)[INNER]].mean(1)  # [K, 3]
        gap = lip_heights(basis)  # [K, G]
        neutral = face_model.vertices(avatar.identity, torch.zeros_like(expression))
        gap_rest = lip_heights(neutral) - avatar.mouth.closed_gap
        found = (points, held, log_scales, turn, jaw, expression @ jaw, gap, gap_rest)
        for name, value in zip(("rest", "held", "log_scales", "turn", "jaw", "jaw_rest", "gap", "gap_rest"), found):
            getattr(self, name).copy_(value)
        self.planes.centre.copy_(points.mean(0))

    def code(self) -> Tensor:
        """Position codes of the Gaussians ``[Q, C]``."""
        return self.planes(self.rest)

    def open_share(self, expression: Tensor) -> Tensor:
        """How far the inside is in sight ``[...]`` in [0, 1] with expressions ``[..., K]``."""
        gap = (expression @ self.gap + self.gap_rest).amax(-1)
        return (gap / OPENING).clamp(0.0, 1.0)

    def forward(self, code: Tensor, expression: Tensor, lips: Tensor, features: Tensor) -> Tensor:
        """Gaussians of one frame, as :class:`mggtalk.avatar.adapter.Touch` holds them.

        Args:
            code: Of :meth:`code`.
            expression: ``beta_d [K]``.
            lips: Condition ``[E]``.
            features: Of the light ``[F]``.

        Returns:
            Places and raw parameters ``[Q, 23]``; transparent while the lips are closed.
        """
        dropped = self.held[:, None] * (expression @ self.jaw - self.jaw_rest)  # [Q, 3]
        points = self.rest + self.points + dropped
        if self.moves:
            points = points + self.motion(code, lips)
        colour = self.colour
        if self.light is not None:
            colour = colour + self.light(features, torch.arange(len(colour), device=colour.device))
        harmonics = torch.cat([(colour - 0.5) / SH_0, colour.new_zeros(len(points), 9)], dim=1)  # [Q, 12]
        opacity = (self.logits.sigmoid() * self.open_share(expression)).clamp(1e-4, 1.0 - 1e-4)
        shape = torch.cat([self.log_scales, self.turn], dim=1) + self.shape  # [Q, 7]
        return torch.cat([points, shape, harmonics, torch.logit(opacity)[:, None]], dim=1)
