"""The inside of the mouth: a sheet of Gaussians behind the lips.

A portrait with a closed mouth shows nothing of it. The analytic estimate hangs a small grid between the upper and the
lower inner lip of the driven mesh, set back behind them, and colours it as a dark cavity with a soft row of upper
teeth that is fixed to the skull; where the portrait's own mouth is open, its colours are taken. The sheet has a fixed
parametrisation over all frames and people, so a network can learn to paint teeth and tongue on it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from mggtalk.config import EXPRESSION_COMPONENTS, SGPConfig
from mggtalk.face.topology import LIPS_INNER_LOWER, LIPS_INNER_UPPER
from mggtalk.gates import expression_gate
from mggtalk.networks import ResidualUNet
from mggtalk.render.harmonics import harmonics_from_colour
from mggtalk.scene import Gaussians
from mggtalk.sgp.footprint import Neighbours, footprint, scales_and_rotation
from mggtalk.sgp.parameters import CHANNELS, GaussianParameters

ROWS, COLUMNS = 32, 64
"""Size of the sheet."""

OVERLAP = 0.15
"""How far the sheet reaches behind each lip, over the opening's height."""

SPACING = 0.0125
"""Decimetres between neighbours of a half open mouth; bounds the footprints."""

TEETH_EDGE = 0.03
"""Decimetres that the upper teeth hang below the upper lip of a closed mouth."""


class MouthSheet(NamedTuple):
    """What is known of the inside of one person's mouth."""

    colour: Tensor  # [R*C, 3] RGB where the portrait shows it
    known: Tensor  # [R*C] in [0, 1]: how far that colour is trusted
    gap: Tensor  # [R*C] gap between the lips in the portrait, decimetres
    cavity: Tensor  # [3] RGB of the dark inside
    teeth: Tensor  # [3] RGB of the teeth
    edge: Tensor  # [] head-frame y of the lower edge of the upper teeth, decimetres
    closed_gap: Tensor  # [] decimetres between the lips below which the sheet is hidden


def sheet_points(vertices: Tensor) -> tuple[Tensor, Tensor]:
    """Positions of the sheet between the lips of a driven mesh.

    Args:
        vertices: ``[V, 3]`` head frame, decimetres.

    Returns:
        Points ``[R*C, 3]`` and the gap between the lips at each of them ``[R*C]``, decimetres.
    """
    steps = torch.linspace(0.0, len(LIPS_INNER_UPPER) - 1.0, COLUMNS, device=vertices.device)
    low = steps.floor().long().clamp(max=len(LIPS_INNER_UPPER) - 2)
    share = (steps - low)[:, None]

    def curve(indices: tuple[int, ...]) -> Tensor:
        line = vertices[list(indices)]
        return line[low] * (1 - share) + line[low + 1] * share  # [C, 3]

    upper, lower = curve(LIPS_INNER_UPPER), curve(LIPS_INNER_LOWER)
    rows = torch.linspace(-OVERLAP, 1.0 + OVERLAP, ROWS, device=vertices.device)[:, None, None]
    points = upper * (1 - rows) + lower * rows  # [R, C, 3]
    across = torch.linspace(-1.0, 1.0, COLUMNS, device=vertices.device)
    setback = 0.08 + 0.10 * (1 - across.square()) * (1 - (2 * rows[..., 0] - 1).square().clamp(max=1))  # [R, C]
    points = points - torch.stack([torch.zeros_like(setback), torch.zeros_like(setback), setback], dim=-1)
    gap = (upper[:, 1] - lower[:, 1]).clamp(min=0).expand(ROWS, COLUMNS)
    return points.reshape(-1, 3), gap.reshape(-1)  # [R*C, 3], [R*C]


def trust(sheet: MouthSheet, gap: Tensor) -> Tensor:
    """How far the portrait's own colours hold, ``[R*C]`` in [0, 1].

    Where the mouth opens wider than in the portrait, what the portrait shows would be stretched.

    Args:
        sheet: What is known of this mouth.
        gap: Driven gap between the lips ``[R*C]``, decimetres.
    """
    return sheet.known * torch.exp(-3.0 * (gap / sheet.gap.clamp(min=1e-3) - 1.15).clamp(min=0))


def sheet_colour(sheet: MouthSheet, points: Tensor, trusted: Tensor) -> Tensor:
    """Analytic colour of the sheet: the portrait's where it is trusted, an invented inside elsewhere.

    Args:
        sheet: What is known of this mouth.
        points: Driven sheet ``[R*C, 3]``.
        trusted: See :func:`trust`.

    Returns:
        ``[R*C, 3]``.
    """
    rows = torch.linspace(-OVERLAP, 1.0 + OVERLAP, ROWS, device=points.device).repeat_interleave(COLUMNS)
    across = torch.linspace(-1.0, 1.0, COLUMNS, device=points.device).repeat(ROWS)
    above = torch.sigmoid((points[:, 1] - sheet.edge) / 0.012)
    arch = (1 - across.abs().pow(3)).clamp(min=0)
    tooth = (0.85 * above * arch)[:, None]
    shade = (0.55 + 0.45 * rows.clamp(0, 1))[:, None]  # the roof of the mouth is darkest
    invented = sheet.cavity * shade * (1 - tooth) + sheet.teeth * tooth
    return invented + trusted[:, None] * (sheet.colour - invented)


class SheetEstimate(NamedTuple):
    """The sheet of one frame without what is learned."""

    points: Tensor  # [R*C, 3]
    parameters: GaussianParameters
    inputs: Tensor  # [R*C, 8] point, colour, 10 gap, known: what the decoder sees
    trusted: Tensor  # [R*C] how far the portrait's colour is trusted

    def gate(self, change: Tensor) -> Tensor:
        """How far each residual is let through ``[R*C]``, by the gate of the expressions.

        What the portrait does not show is open to any residual; what it shows only as the expression changes.
        """
        return 1.0 - self.trusted * (1.0 - change)


class MouthDecoder(nn.Module):
    """Residual parameters of the sheet's Gaussians."""

    left: Tensor  # [R*C], like the three that follow: see Neighbours
    right: Tensor
    up: Tensor
    down: Tensor

    def __init__(self, config: SGPConfig) -> None:
        super().__init__()
        self.unet = ResidualUNet(
            8, sum(CHANNELS.values()), config.mouth_width, depth=3, condition=2 * EXPRESSION_COMPONENTS
        )
        for name, index in Neighbours.of(torch.ones(ROWS, COLUMNS, dtype=torch.bool, device="cpu"))._asdict().items():
            self.register_buffer(name, index, persistent=False)

    @property
    def untrained(self) -> bool:
        """Whether the residual is still identically zero."""
        return self.unet.untrained

    def forward(
        self, sheet: MouthSheet, vertices: Tensor, beta_d: Tensor, beta_s: Tensor, touch: Tensor | None = None
    ) -> Gaussians:
        """Gaussians of the mouth of one frame.

        Args:
            sheet: What is known of this mouth.
            vertices: Driven mesh ``[V, 3]``, head frame.
            beta_d: Driving expression ``[K]``.
            beta_s: Source expression ``[K]``.
            touch: What an adapter adds, see :meth:`estimate`.

        Returns:
            R*C Gaussians; transparent where the lips are closed.
        """
        estimate = self.estimate(sheet, vertices, touch)
        parameters = estimate.parameters
        if not self.untrained:
            grid = estimate.inputs.T.reshape(1, 8, ROWS, COLUMNS)
            residual = self.unet(grid, torch.cat([beta_d, beta_s])[None])  # [1, 20, R, C]
            gate = estimate.gate(expression_gate(beta_d, beta_s))  # [R*C]
            parameters = parameters.add(gate[:, None] * residual[0].flatten(1).T)  # [R*C, 20]
        return parameters.activate(estimate.points)

    def estimate(self, sheet: MouthSheet, vertices: Tensor, touch: Tensor | None = None) -> SheetEstimate:
        """The analytic estimate of the sheet, and what the decoder sees of it.

        Args:
            sheet: What is known of this mouth.
            vertices: Driven mesh ``[V, 3]``.
            touch: What an adapter adds to place (decimetres), RGB and logit of each Gaussian, ``[R*C, 7]``.
        """
        points, gap = sheet_points(vertices)
        trusted = trust(sheet, gap)
        colour = sheet_colour(sheet, points, trusted)
        log_scales, quaternions = scales_and_rotation(footprint(points.detach(), self.neighbours, SPACING), spread=0.7)
        opacity = ((gap - sheet.closed_gap) / 0.04).clamp(0.0, 0.99)
        logits = torch.logit(opacity, eps=1e-4)
        if touch is not None:
            points, colour, logits = points + touch[:, :3], colour + touch[:, 3:6], logits + touch[:, 6]
        parameters = GaussianParameters(log_scales, quaternions, harmonics_from_colour(colour), logits)
        inputs = torch.cat([points, colour, 10.0 * gap[:, None], sheet.known[:, None]], dim=-1)  # [R*C, 8]
        return SheetEstimate(points, parameters, inputs, trusted)

    @property
    def neighbours(self) -> Neighbours:
        """Who stands beside whom on the sheet."""
        return Neighbours(self.left, self.right, self.up, self.down)
