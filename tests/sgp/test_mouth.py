"""The sheet of Gaussians behind the lips."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from mggtalk.avatar.mouth_sheet import COLUMNS, ROWS, MouthSheet
from mggtalk.config import EXPRESSION_COMPONENTS, SGPConfig
from mggtalk.face.topology import LIPS_INNER_UPPER
from mggtalk.render.constants import SH_0
from mggtalk.sgp.mouth.decoder import (
    CAVITY,
    DEEP,
    OVERLAP,
    MouthDecoder,
    Purse,
    paints,
    sheet_colour,
    sheet_points,
    under_the_lip,
)
from mggtalk.sgp.mouth.teeth import teeth_at

Lips = Callable[[float], Tensor]
BETA = torch.zeros(EXPRESSION_COMPONENTS)


def decoder() -> MouthDecoder:
    torch.manual_seed(0)
    return MouthDecoder(SGPConfig(mouth_width=4)).eval().requires_grad_(False)


def test_sheet_spans_the_lips_and_lies_behind_them(make_lips: Lips) -> None:
    points, gap = sheet_points(make_lips(0.2))
    rows = points.view(ROWS, COLUMNS, 3)
    middle = rows[:, COLUMNS // 2]
    assert middle[0, 1] > -0.4 + 0.1 * (1 + OVERLAP) and middle[-1, 1] < -0.4 - 0.1 * (1 + OVERLAP)
    assert (middle[:, 1].diff() < 0).all()  # from the upper lip down
    assert (points[:, 2] < 0.9 - 0.05).all()  # behind the lips at z = 0.9
    assert abs(float(gap.view(ROWS, COLUMNS)[0, COLUMNS // 2]) - 0.2) < 0.01
    assert gap.view(ROWS, COLUMNS)[:, [0, -1]].max() < 1e-6  # the corners of the mouth


def test_a_closed_mouth_shows_nothing_and_an_open_one_everything(make_lips: Lips, mouth_sheet: MouthSheet) -> None:
    mouth = decoder()
    closed = mouth(mouth_sheet, make_lips(0.0), BETA)
    assert closed.opacities.max() < 1e-3
    assert all(torch.isfinite(field).all() for field in closed)
    opacity = mouth(mouth_sheet, make_lips(0.3), BETA).opacities.view(ROWS, COLUMNS)
    assert opacity[:, COLUMNS // 2].min() > 0.95
    assert opacity[:, 0].max() < 1e-3
    overlapping = mouth(mouth_sheet, make_lips(-0.1), BETA)  # lips pressed past each other
    assert overlapping.opacities.max() < 1e-3


def test_opacity_grows_steadily_with_the_gap(make_lips: Lips, mouth_sheet: MouthSheet) -> None:
    mouth = decoder()
    gaps = (0.0, 0.02, 0.04, 0.1, 0.3)
    sums = [float(mouth(mouth_sheet, make_lips(gap), BETA).opacities.sum()) for gap in gaps]
    assert sums == sorted(sums)


def test_teeth_are_bright_above_their_edge_and_the_cavity_dark_below(make_lips: Lips, mouth_sheet: MouthSheet) -> None:
    points, _ = sheet_points(make_lips(0.3))
    colour = sheet_colour(mouth_sheet, points, teeth_at(points)).view(ROWS, COLUMNS, 3)[:, COLUMNS // 2]
    height = points.view(ROWS, COLUMNS, 3)[:, COLUMNS // 2, 1]
    teeth, below = height > mouth_sheet.edge + 0.05, height < mouth_sheet.edge - 0.05
    assert colour[teeth].mean() > 0.55 and colour[below].mean() < 0.2
    assert colour.min() >= 0 and colour.max() <= 1


def test_upper_teeth_stay_with_the_skull(make_lips: Lips, mouth_sheet: MouthSheet) -> None:
    for gap in (0.2, 0.4):
        points, _ = sheet_points(make_lips(gap))
        brightness = (
            sheet_colour(mouth_sheet, points, teeth_at(points)).view(ROWS, COLUMNS, 3)[:, COLUMNS // 2].mean(-1)
        )
        height = points.view(ROWS, COLUMNS, 3)[:, COLUMNS // 2, 1]
        edge = height[int((brightness > 0.4).nonzero().max())]
        assert abs(float(edge - mouth_sheet.edge)) < 0.04


def test_pursed_lips_turn_their_inner_side_out_around_a_dark_hole(make_lips: Lips, mouth_sheet: MouthSheet) -> None:
    wide = make_lips(0.2)
    span = (wide[LIPS_INNER_UPPER[-1]] - wide[LIPS_INNER_UPPER[0]]).norm()

    def lips(width: float) -> Tensor:
        return make_lips(0.2) * torch.tensor((width / float(span), 1.0, 1.0))

    assert not Purse.of(lips(0.4)).amount.any() and not Purse.of(lips(0.4)).rim.any()
    amounts = [float(Purse.of(lips(width)).amount) for width in (0.37, 0.32, 0.27, 0.2)]
    assert amounts == sorted(amounts) and amounts[-1] == 1.0
    estimate = decoder().estimate(mouth_sheet, lips(0.24))
    colour = estimate.colour.view(ROWS, COLUMNS, 3)
    lip = mouth_sheet.cavity / torch.tensor(CAVITY)
    assert torch.allclose(colour[ROWS // 2, COLUMNS // 2], mouth_sheet.cavity, atol=1e-5)
    for corner in (colour[ROWS // 2, 0], colour[ROWS // 2, -1]):
        assert (corner - lip).abs().max() < 0.5 * (mouth_sheet.cavity - lip).abs().max()
    assert torch.equal(estimate.trusted, torch.ones_like(estimate.trusted))  # no teeth are painted there
    longer = Purse.of(torch.stack([lips(0.24), make_lips(0.4) * torch.tensor((0.24 / float(span), 1.0, 1.0))])).rim
    assert longer[1].sum() < longer[0].sum()  # the wider open, the larger the hole


def far_above(sheet: MouthSheet, points: torch.Tensor) -> torch.Tensor:
    """Points ``[R*C]`` (bool) that lie well above the edge of the upper teeth."""
    return points[:, 1] > sheet.edge + 0.08


def far_below(sheet: MouthSheet, points: torch.Tensor) -> torch.Tensor:
    """Points ``[R*C]`` (bool) that lie well below it."""
    return points[:, 1] < sheet.edge - 0.08


@pytest.mark.parametrize("gap", [0.3, 0.6])
def test_what_shows_under_the_lip_goes_on_above_and_not_below(
    gap: float, make_lips: Lips, mouth_sheet: MouthSheet
) -> None:
    seen = torch.rand(COLUMNS, 3, generator=torch.Generator().manual_seed(0)).repeat(ROWS, 1)
    shown = mouth_sheet._replace(colour=seen, known=torch.ones(ROWS * COLUMNS))
    points, _ = sheet_points(make_lips(gap))
    above, below = far_above(shown, points), far_below(shown, points)
    assert above.any() and below.any()
    colour = sheet_colour(shown, points, teeth_at(points))
    assert torch.allclose(colour[above], seen[above], atol=5e-3)
    assert colour[below].max() < 0.3  # the cavity, not the portrait's colours stretched
    gaussians = decoder()(shown, make_lips(gap), BETA)
    assert torch.allclose(gaussians.harmonics[:, 0] * SH_0 + 0.5, colour, atol=1e-5)


def test_an_open_mouth_is_looked_at_just_under_the_lip() -> None:
    rows = torch.linspace(-OVERLAP, 1.0 + OVERLAP, ROWS)[:, None, None].expand(ROWS, COLUMNS, 3)
    gap = torch.full((ROWS * COLUMNS,), 0.1)
    colour, apart = under_the_lip(rows.flatten(0, 1), gap)  # each row has its own place as its colour
    assert (apart == 1).all() and torch.allclose(colour, torch.full_like(colour, 0.2), atol=0.02)
    narrow, ajar = under_the_lip(rows.flatten(0, 1), gap * 0.2)
    assert (ajar == 0).all() and torch.allclose(narrow, torch.full_like(narrow, 0.4), atol=0.02)


def test_residual_is_zero_when_new_and_keeps_what_the_portrait_shows(make_lips: Lips, mouth_sheet: MouthSheet) -> None:
    mouth = decoder()
    assert mouth.untrained
    lips = make_lips(0.3)
    shown = mouth_sheet._replace(known=torch.ones(ROWS * COLUMNS))
    before, hidden = mouth(shown, lips, BETA), mouth(mouth_sheet, lips, BETA)
    mouth.unet.last.weight.normal_()
    assert not mouth.untrained
    points, _ = sheet_points(lips)
    above, below = far_above(shown, points), far_below(shown, points)
    change = (mouth(shown, lips, BETA).harmonics - before.harmonics).abs()
    assert change[above].max() < 0.02 * change[below].max()
    after, other = (mouth(mouth_sheet, lips, beta) for beta in (BETA, BETA + 1))
    assert not torch.allclose(hidden.harmonics[above], after.harmonics[above], atol=1e-1)
    assert not torch.allclose(after.harmonics, other.harmonics, atol=1e-3)
    assert torch.equal(hidden.means, after.means) and torch.equal(hidden.opacities, after.opacities)


def test_twice_the_light_gives_twice_the_residual(make_lips: Lips, mouth_sheet: MouthSheet) -> None:
    mouth = decoder()
    dim = mouth_sheet._replace(cavity=mouth_sheet.cavity / 2, teeth=mouth_sheet.teeth / 2)
    mouth.unet.last.weight.normal_()
    bright, dark = (mouth(sheet, make_lips(0.2), BETA).harmonics[:, 0] * SH_0 + 0.5 for sheet in (mouth_sheet, dim))
    assert torch.allclose(bright, 2 * dark, atol=1e-5)


def test_lines_part_the_upper_teeth_and_nothing_below_them(make_lips: Lips, mouth_sheet: MouthSheet) -> None:
    hidden = mouth_sheet._replace(known=torch.zeros_like(mouth_sheet.known))
    estimate = decoder().estimate(hidden, make_lips(0.3))
    teeth = (estimate.colour + paints(hidden, estimate)[:, 0])[:, 0].view(ROWS, COLUMNS)  # their red
    depth = (hidden.edge + estimate.teeth.lift - estimate.points[:, 1]).view(ROWS, COLUMNS)
    above, below = teeth[ROWS // 5], teeth[(depth > 0.04) & (depth < DEEP[0])]  # [C], [Q]
    assert torch.std(below) < 0.04 * torch.std(above[8:-8])


def test_far_below_the_upper_teeth_a_light_inside_is_red_as_a_tongue(make_lips: Lips, mouth_sheet: MouthSheet) -> None:
    hidden = mouth_sheet._replace(known=torch.zeros_like(mouth_sheet.known))
    estimate = decoder().estimate(hidden, make_lips(0.4))
    teeth = (estimate.colour + paints(hidden, estimate)[:, 0]).view(ROWS, COLUMNS, 3)[:, COLUMNS // 2]
    depth = (hidden.edge - estimate.points.view(ROWS, COLUMNS, 3)[:, COLUMNS // 2, 1]).clamp(min=0.0)
    warmth = teeth[:, 0] / teeth[:, 2]  # [R] red over blue
    assert torch.allclose(warmth[depth < DEEP[0]], (mouth_sheet.teeth[0] / mouth_sheet.teeth[2]), atol=1e-3)
    assert (warmth[depth > DEEP[1] + 0.05] > 1.15 * warmth[0]).all()
