"""The inside of the mouth: a sheet of Gaussians behind the lips.

A portrait with a closed mouth shows nothing of it. The analytic estimate hangs a small grid between the upper and the
lower inner lip of the driven mesh, set back behind them, and colours it as a dark cavity with a soft row of upper
teeth that is fixed to the skull. Where the portrait's own mouth is open, its points are before the sheet, which then
shows only where they part: above them, as the continuation of what is there, and below. The sheet has a fixed
parametrisation over all frames and people, so a network can learn to paint teeth and tongue on it.

Its compiled twin: :mod:`mggtalk.sgp.compiled.residuals`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from mggtalk.avatar.mouth_sheet import COLUMNS, ROWS, MouthSheet
from mggtalk.avatar.neighbours import Neighbours
from mggtalk.config import EXPRESSION_COMPONENTS, SGPConfig
from mggtalk.face.lips import lip_heights
from mggtalk.face.masks import CHIN
from mggtalk.face.topology import LIPS_INNER_LOWER, LIPS_INNER_UPPER
from mggtalk.geometry import constant, indices
from mggtalk.nets.maps import step
from mggtalk.nets.unet import ResidualUNet
from mggtalk.render.harmonics import harmonics_from_colour
from mggtalk.scene import Gaussians
from mggtalk.sgp.footprint import footprint, scales_and_rotation
from mggtalk.sgp.mouth.teeth import Teeth, teeth_at
from mggtalk.sgp.parameters import GaussianParameters

OVERLAP = 0.15
"""Reach of the sheet behind each lip, over the opening's height."""

SPACING = 0.0125
"""Decimetres between neighbours of a half open mouth; bounds the footprints."""

TEETH_EDGE = 0.03
"""Decimetres that the upper teeth hang below the upper lip of a closed mouth."""

LIP_EDGE = 0.02
"""Decimetres below the upper lip at which an open mouth is looked at: the lip's own edge is blurred."""

CHIN_TO_LIPS = 0.7
"""Decimetres from the chin up to lips that are closed, roughly: the zero of one of the decoder's inputs."""

WARM, DARK, TONGUE = 1.1, 0.6, 2.6
"""The decoder's paints: the brightest teeth over the sheet's own, the darkest inside and the tongue over the cavity."""

DEEP, REDDENED = (0.05, 0.15), 0.65
"""Decimetres below the edge of the upper teeth over which the paint of teeth becomes that of the tongue, and how far.
Deep in a wide mouth some drivers show lower teeth and more of them a tongue: their mean, learned, is a flat beige."""

INVENTED = (1.12, 1.04, 1.02)
"""RGB of teeth that nobody has learned, over those of the sheet: as bright and warm as they are on average."""

CAVITY = (0.34, 0.26, 0.26)
"""RGB of the dark inside over that of the lips."""

PURSED = (0.38, 0.26)
"""Decimetres between the corners of the inner lips at which pursed lips begin to turn their inner side out, and at
which they show all of it. Few people's lips at rest are narrower."""

HOLE, RIM = 0.8, 0.3
"""Radius of the hole that pursed lips leave, over the half sides of the sheet and per gap over width of the lips, and
the breadth of its border."""

INPUTS = 12
"""Numbers that the decoder sees of each Gaussian."""


def sheet_points(vertices: Tensor) -> tuple[Tensor, Tensor]:
    """Positions of the sheet between the lips of a driven mesh.

    Args:
        vertices: ``[..., V, 3]`` head frame, decimetres.

    Returns:
        Points ``[..., R*C, 3]`` and the gap between the lips at each of them ``[..., R*C]``, decimetres.
    """
    steps = torch.linspace(0.0, len(LIPS_INNER_UPPER) - 1.0, COLUMNS, device=vertices.device)
    low = steps.floor().long().clamp(max=len(LIPS_INNER_UPPER) - 2)
    share = (steps - low)[:, None]

    def curve(lip: tuple[int, ...]) -> Tensor:
        line = vertices[..., indices(lip, vertices), :]
        return (line[..., low, :] * (1 - share) + line[..., low + 1, :] * share)[..., None, :, :]  # [..., 1, C, 3]

    upper, lower = curve(LIPS_INNER_UPPER), curve(LIPS_INNER_LOWER)
    rows = torch.linspace(-OVERLAP, 1.0 + OVERLAP, ROWS, device=vertices.device)[:, None, None]
    points = upper * (1 - rows) + lower * rows  # [..., R, C, 3]
    across = torch.linspace(-1.0, 1.0, COLUMNS, device=vertices.device)
    setback = 0.08 + 0.10 * (1 - across.square()) * (1 - (2 * rows[..., 0] - 1).square().clamp(max=1))  # [R, C]
    points = points - torch.stack([torch.zeros_like(setback), torch.zeros_like(setback), setback], dim=-1)
    gap = (upper[..., 1] - lower[..., 1]).clamp(min=0).expand(points.shape[:-1])
    return points.flatten(-3, -2), gap.flatten(-2)  # [..., R*C, 3], [..., R*C]


def hidden(sheet: MouthSheet, vertices: Tensor) -> bool:
    """Whether the lips of a driven mesh ``[V, 3]`` are so close that no Gaussian of the sheet can be seen."""
    return bool(lip_heights(vertices).max() <= sheet.closed_gap)


def under_the_lip(colour: Tensor, gap: Tensor) -> tuple[Tensor, Tensor]:
    """Look up what an open mouth of a portrait shows just under the upper lip: teeth, gum or darkness.

    Args:
        colour: RGB ``[R*C, 3]`` of the portrait where the sheet is.
        gap: Gap between the lips there ``[R*C]``, decimetres.

    Returns:
        RGB ``[R*C, 3]``, one for each column, and ``[R*C]`` in [0, 1], how far the mouth is open there.
    """
    rows = torch.linspace(-OVERLAP, 1.0 + OVERLAP, ROWS)[:, None]  # [R, 1]
    gaps = gap.view(ROWS, COLUMNS)[:1]  # [1, C]
    below = (LIP_EDGE / gaps.clamp(min=1e-3)).clamp(0.1, 0.4)  # [1, C] of the opening
    weight = torch.exp(-(((rows - below) / 0.08) ** 2))  # [R, C]
    own = (weight[..., None] * colour.view(ROWS, COLUMNS, 3)).sum(0) / weight.sum(0)[:, None]  # [C, 3]
    apart = ((gaps - 0.045) / 0.03).clamp(0, 1)  # what less shows is lip
    return own.repeat(ROWS, 1), apart.repeat(ROWS, 1).flatten()


def as_maps(values: Tensor) -> Tensor:
    """Values of the sheet's Gaussians ``[..., R*C, D]`` as maps ``[B, D, R, C]``, channels last in memory."""
    return values.reshape(-1, ROWS, COLUMNS, values.shape[-1]).permute(0, 3, 1, 2)


def paint_residual(amounts: Tensor, sheet: MouthSheet, estimate: SheetEstimate) -> Tensor:
    """Residual RGB ``[..., R*C, 3]`` for amounts of each paint ``[..., R*C, 3]``."""
    return (amounts[..., None] * paints(sheet, estimate)).sum(-2)


def paints(sheet: MouthSheet, estimate: SheetEstimate) -> Tensor:
    """Compute what one unit of each paint adds to the estimate ``[..., R*C, 3 paints, 3]``.

    Teeth, dark and tongue, in this portrait's light: whatever a network says, nothing gets a colour that no mouth has.
    One unit replaces the colour by the paint's; none where the portrait tells the colour. Lines part the upper teeth,
    and nothing below them; far below them teeth are few, and light is mostly tongue.
    """
    light = 1.0 - above_edge(sheet, estimate.points, estimate.teeth) * (1.0 - estimate.teeth.light)  # [..., R*C]
    teeth = WARM * sheet.teeth * light[..., None]  # [..., R*C, 3]
    dark, tongue = (part.expand_as(teeth) for part in (DARK * sheet.cavity, TONGUE * sheet.cavity))
    deep = step(sheet.edge + estimate.teeth.lift - estimate.points[..., 1], *DEEP)  # [..., R*C]
    teeth = torch.lerp(teeth, tongue, (REDDENED * deep)[..., None])
    colours = torch.stack([teeth, dark, tongue], dim=-2)  # [..., R*C, 3 paints, 3]
    return (1.0 - estimate.trusted)[..., None, None] * (colours - estimate.colour[..., None, :])


def above_edge(sheet: MouthSheet, points: Tensor, teeth: Teeth) -> Tensor:
    """Compute where upper teeth may be: ``[..., R*C]`` in [0, 1] for points of the driven sheet ``[..., R*C, 3]``."""
    return torch.sigmoid((points[..., 1] - sheet.edge - teeth.lift) / 0.012)


def sheet_colour(sheet: MouthSheet, points: Tensor, teeth: Teeth) -> Tensor:
    """Analytic colour of the sheet: dark below, above what the portrait shows there, or invented upper teeth.

    Args:
        sheet: What is known of this mouth.
        points: Driven sheet ``[..., R*C, 3]``.
        teeth: Teeth there.

    Returns:
        ``[..., R*C, 3]``.
    """
    rows = torch.linspace(-OVERLAP, 1.0 + OVERLAP, ROWS, device=points.device).repeat_interleave(COLUMNS)
    across = torch.linspace(-1.0, 1.0, COLUMNS, device=points.device).repeat(ROWS)
    arch = (1 - across.abs().pow(3)).clamp(min=0)
    solid = 0.85 * arch + sheet.known * (1 - 0.85 * arch)
    tooth = (solid * above_edge(sheet, points, teeth))[..., None]
    invented = sheet.teeth * constant(INVENTED, points) * teeth.light[..., None]
    white = invented + sheet.known[:, None] * (sheet.colour - invented)
    shade = (0.55 + 0.45 * rows.clamp(0, 1))[:, None]  # the roof of the mouth is darkest
    return sheet.cavity * shade * (1 - tooth) + white * tooth


class Purse(NamedTuple):
    """Lips that are pursed turn their inner side out: an O is open in its middle only, and too narrow for light."""

    amount: Tensor  # [..., 1] in [0, 1]
    rim: Tensor  # [..., R*C] in [0, 1]: how far the sheet shows the inner side of the lips there

    @staticmethod
    def of(vertices: Tensor) -> Purse:
        """Measure how far the lips of a driven mesh ``[..., V, 3]`` are pursed."""
        upper, lower = (vertices[..., indices(lip, vertices), :] for lip in (LIPS_INNER_UPPER, LIPS_INNER_LOWER))
        width = (upper[..., :1, :] - upper[..., -1:, :]).norm(dim=-1)  # [..., 1]
        gap = (upper - lower).norm(dim=-1).amax(-1, keepdim=True)  # [..., 1]
        amount = ((PURSED[0] - width) / (PURSED[0] - PURSED[1])).clamp(0.0, 1.0)
        rows = torch.linspace(-OVERLAP, 1.0 + OVERLAP, ROWS, device=gap.device).repeat_interleave(COLUMNS)
        across = torch.linspace(-1.0, 1.0, COLUMNS, device=gap.device).repeat(ROWS)
        radius = torch.hypot(across, 2.0 * rows - 1.0)  # [R*C]
        hole = HOLE * gap / width.clamp(min=1e-3)
        return Purse(amount, amount * ((radius - hole) / RIM).clamp(0.0, 1.0))


class SheetEstimate(NamedTuple):
    """The sheet of one frame, or of B, without what is learned."""

    points: Tensor  # [..., R*C, 3]
    parameters: GaussianParameters
    inputs: Tensor  # [..., R*C, INPUTS] what the decoder sees
    trusted: Tensor  # [..., R*C] how far the portrait tells what is there, and nothing is to be painted
    colour: Tensor  # [..., R*C, 3] RGB
    teeth: Teeth  # [..., R*C]


class MouthDecoder(nn.Module):
    """Residual colours of the sheet: how much of three paints goes where, see :func:`paints`.

    It sees the sheet's shape and where the teeth and the chin are, and colours in units of the person's teeth: light
    that is twice as bright gives a residual that is twice as bright. The source's expression is not among the inputs:
    a network that was shown few people would know them again by it.
    """

    left: Tensor  # [R*C], like the three that follow: see Neighbours
    right: Tensor
    up: Tensor
    down: Tensor
    places: Tensor  # [R*C, 2] row and column of each Gaussian

    def __init__(self, config: SGPConfig) -> None:
        super().__init__()
        self.unet = ResidualUNet(INPUTS, 3, config.mouth_width, depth=3, condition=EXPRESSION_COMPONENTS)
        for name, index in Neighbours.of(torch.ones(ROWS, COLUMNS, dtype=torch.bool, device="cpu"))._asdict().items():
            self.register_buffer(name, index, persistent=False)
        rows = torch.linspace(-OVERLAP, 1.0 + OVERLAP, ROWS, device="cpu").repeat_interleave(COLUMNS)
        across = torch.linspace(-1.0, 1.0, COLUMNS, device="cpu").repeat(ROWS)
        self.register_buffer("places", torch.stack([rows, across], dim=-1), persistent=False)

    @property
    def untrained(self) -> bool:
        """Whether the residual is still identically zero."""
        return self.unet.untrained

    def forward(
        self, sheet: MouthSheet, vertices: Tensor, expression: Tensor, touch: Tensor | None = None
    ) -> Gaussians:
        """Gaussians of the mouth of one frame.

        Args:
            sheet: What is known of this mouth.
            vertices: Driven mesh ``[..., V, 3]``, head frame.
            expression: Driving expression ``beta_d [..., K]``.
            touch: What an adapter adds, see :meth:`estimate`.

        Returns:
            R*C Gaussians; transparent where the lips are closed.
        """
        estimate = self.estimate(sheet, vertices, touch)
        parameters = estimate.parameters
        if not self.untrained:
            amounts = self.unet(as_maps(estimate.inputs), expression.view(-1, expression.shape[-1]))  # [B, 3, R, C]
            amounts = amounts.flatten(2).mT.view(estimate.points.shape)  # [..., R*C, 3]
            parameters = parameters.paint(paint_residual(amounts, sheet, estimate))
        return parameters.activate(estimate.points)

    def estimate(self, sheet: MouthSheet, vertices: Tensor, touch: Tensor | None = None) -> SheetEstimate:
        """The analytic estimate of the sheet, and what the decoder sees of it.

        Args:
            sheet: What is known of this mouth.
            vertices: Driven mesh ``[..., V, 3]``.
            touch: What an adapter adds to place (decimetres), RGB and logit of each Gaussian, ``[..., R*C, 7]``.
        """
        points, gap = sheet_points(vertices)
        teeth = teeth_at(points)
        purse = Purse.of(vertices)
        trusted = torch.maximum(sheet.known * above_edge(sheet, points, teeth), purse.amount)
        lips = sheet.cavity / constant(CAVITY, points)  # [3] of which the cavity is the shadow
        colour = sheet_colour(sheet, points, teeth)
        colour = colour + purse.amount[..., None] * (sheet.cavity - colour)
        colour = colour + purse.rim[..., None] * (lips - colour)
        log_scales, quaternions = scales_and_rotation(footprint(points.detach(), self.neighbours, SPACING), spread=0.7)
        opacity = ((gap - sheet.closed_gap) / 0.04).clamp(0.0, 0.99)
        logits = torch.logit(opacity, eps=1e-4)
        if touch is not None:
            points, colour, logits = points + touch[..., :3], colour + touch[..., 3:6], logits + touch[..., 6]
        parameters = GaussianParameters(log_scales, quaternions, harmonics_from_colour(colour), logits)
        inputs = self._inputs(sheet, vertices, points, gap, trusted, colour, teeth)
        return SheetEstimate(points, parameters, inputs, trusted, colour, teeth)

    def _inputs(
        self,
        sheet: MouthSheet,
        vertices: Tensor,
        points: Tensor,
        gap: Tensor,
        trusted: Tensor,
        colour: Tensor,
        teeth: Teeth,
    ) -> Tensor:
        """Collect what the decoder sees of a frame ``[..., R*C, INPUTS]``, in centimetres and in units of the teeth."""
        height = points[..., 1:2]
        chin = vertices[..., CHIN, 1, None, None] + CHIN_TO_LIPS
        return torch.cat(
            [
                10.0 * (points - points.mean(-2, keepdim=True)),  # 3
                10.0 * (height - sheet.edge - teeth.lift[..., None]),  # 1: above the edge of the upper teeth
                colour / sheet.teeth,  # 3
                trusted[..., None],  # 1
                10.0 * gap[..., None],  # 1
                10.0 * (height - chin),  # 1: above the jaw
                self.places.expand(*points.shape[:-1], 2),  # 2
            ],
            dim=-1,
        )

    @property
    def neighbours(self) -> Neighbours:
        """Neighbours on the sheet."""
        return Neighbours(self.left, self.right, self.up, self.down)
