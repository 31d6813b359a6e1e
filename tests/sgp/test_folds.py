"""What folds of the skin hide: the line between closed lips, and lids over open eyes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from mggtalk.avatar.folds import LEFT_LIDS, LIPS, RIGHT_LIDS, WIDTH, Folds, gaps_of
from mggtalk.face.topology import (
    LIPS_INNER_LOWER,
    LIPS_INNER_UPPER,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
    VERTICES,
)
from mggtalk.portrait.find_folds import MapView, find_folds, lid

Lips = Callable[[float], Tensor]
SIDE, PIXEL = 64, 0.0125
LINE_ROW, RIM_ROW = 46, 20
SKIN, LIP, LASH = (torch.tensor(colour) for colour in ((0.8, 0.6, 0.5), (0.7, 0.3, 0.3), (0.5, 0.35, 0.3)))


def face(make_lips: Lips, gap: float, opening: float = 0.1, width: float = 1.0) -> Tensor:
    """A mesh with lips that are ``gap`` and a right eye whose lids are ``opening`` decimetres apart."""
    vertices = make_lips(gap) * torch.tensor((width, 1.0, 1.0))
    across = torch.linspace(-0.5, -0.3, len(RIGHT_EYE_UPPER))
    for rim, height in ((RIGHT_EYE_UPPER, opening), (RIGHT_EYE_LOWER, 0.0)):
        vertices[list(rim)] = torch.stack([across, torch.full_like(across, height), torch.full_like(across, 0.9)], -1)
    return vertices


def portrait(make_lips: Lips, gap: float = 0.0) -> MapView:
    """Skin with lips, a dark line between them that goes on beyond the corners, and a lid under lashes."""
    colour = SKIN[:, None, None].repeat(1, SIDE, SIDE)
    colour[:, LINE_ROW - 6 : LINE_ROW + 6, 16:48] = LIP[:, None, None]
    colour[:, LINE_ROW - 1 : LINE_ROW + 1, 10:54] = 0.1
    colour[:, RIM_ROW - 4 : RIM_ROW, 10:30] = LASH[:, None, None]
    pixels = torch.zeros(VERTICES, 2)
    for curves, ends, row in (
        ((LIPS_INNER_UPPER, LIPS_INNER_LOWER), (13.0, 51.0), LINE_ROW),
        ((RIGHT_EYE_UPPER,), (10.0, 30.0), RIM_ROW),
    ):
        for curve in curves:
            across = torch.linspace(*ends, len(curve))
            pixels[list(curve)] = torch.stack([across, torch.full_like(across, row)], dim=-1)
    return MapView(
        colour=colour,
        mask=torch.ones(SIDE, SIDE, dtype=torch.bool),
        skin=torch.ones(SIDE * SIDE, dtype=torch.bool),
        mouth=torch.zeros(SIDE * SIDE, dtype=torch.bool),
        pixels=pixels,
        vertices=face(make_lips, gap),
        pixel_size=PIXEL,
    )


def shown(view: MapView, folds: Folds, vertices: Tensor) -> Tensor:
    """The map ``[H, W, 3]`` with the folds as open as these vertices have them."""
    own = view.colour.flatten(1).T
    return folds.unfolded(own, torch.zeros_like(own), vertices)[0].view(SIDE, SIDE, 3)


def test_corners_of_an_o_are_lips_and_those_of_a_smile_stay_dark(make_lips: Lips) -> None:
    view = portrait(make_lips)
    own = view.colour.permute(1, 2, 0)
    corner = (slice(LINE_ROW - 1, LINE_ROW + 1), slice(10, 13))  # the line goes on beyond the corner, over skin
    folds = find_folds(view)
    rounded = shown(view, folds, face(make_lips, 0.3, width=0.7))
    assert rounded[corner].mean() > own[corner].mean() + 0.2
    assert torch.equal(rounded[RIM_ROW : LINE_ROW - 6], own[RIM_ROW : LINE_ROW - 6])
    for smile in (face(make_lips, 0.3), face(make_lips, 0.3, width=1.2)):
        assert torch.equal(shown(view, folds, smile)[corner], own[corner])


def test_a_closed_pout_ends_at_its_corners(make_lips: Lips) -> None:
    """The line between the lips stays; what it goes on as in a portrait's wide mouth is skin in a narrow one."""
    view = portrait(make_lips)
    own = view.colour.permute(1, 2, 0)
    pout = shown(view, find_folds(view), face(make_lips, 0.0, width=0.7))
    for beyond in (slice(10, 12), slice(52, 54)):
        assert pout[LINE_ROW - 1 : LINE_ROW + 1, beyond].mean() > own[LINE_ROW - 1 : LINE_ROW + 1, beyond].mean() + 0.2
    assert torch.equal(pout[:, 14:50], own[:, 14:50])


def test_a_sliver_of_teeth_between_the_lips_goes_and_the_shadow_of_the_upper_one_stays(make_lips: Lips) -> None:
    view = portrait(make_lips)
    middle = (slice(LINE_ROW - 1, LINE_ROW + 1), slice(27, 37))
    open_lips = face(make_lips, 0.3)
    upper, lower = shown(view, find_folds(view), open_lips)[middle]  # [10, 3] each
    assert torch.allclose(upper, torch.tensor(0.1), atol=0.01)
    assert torch.allclose(lower, LIP.expand_as(lower), atol=0.01)
    view.colour[:, LINE_ROW - 1 : LINE_ROW + 1, 20:44] = 0.9
    lips = shown(view, find_folds(view), open_lips)[middle]
    assert torch.allclose(lips, LIP.expand_as(lips), atol=0.1)


def test_a_lid_is_smooth_when_it_closes_and_keeps_its_lashes(make_lips: Lips) -> None:
    view = portrait(make_lips)
    folds = find_folds(view)
    rows = shown(view, folds, face(make_lips, 0.0, opening=0.0))
    upper_lid = rows[RIM_ROW - 4 : RIM_ROW - 2, 14:26]
    assert torch.allclose(upper_lid, SKIN.expand_as(upper_lid), atol=0.1)
    assert torch.equal(rows[RIM_ROW - 1], view.colour.permute(1, 2, 0)[RIM_ROW - 1])  # lashes
    half = shown(view, folds, face(make_lips, 0.0, opening=0.05))[RIM_ROW - 3, 20]
    assert (half > LASH).all() and (half < upper_lid[1, 6]).all()


def test_a_lid_under_a_low_brow_is_no_black_hole(make_lips: Lips) -> None:
    """Where a brow begins at the crease, the skin beside the lid is that below the eye."""
    view = portrait(make_lips)
    view.colour[:, RIM_ROW - 9 : RIM_ROW - 4, 10:30] = 0.1
    closed = shown(view, find_folds(view), face(make_lips, 0.0, opening=0.0))
    lid_rows = closed[RIM_ROW - 3 : RIM_ROW - 1, 15:25]
    assert lid_rows.mean() > 0.7 * SKIN.mean() > view.colour[:, RIM_ROW - 3, 20].mean() + 0.05


def test_a_frame_of_glasses_stays(make_lips: Lips) -> None:
    view = portrait(make_lips)
    view.colour[:, RIM_ROW - 4] = 0.05
    rows = shown(view, find_folds(view), face(make_lips, 0.0, opening=0.0))
    assert torch.equal(rows[RIM_ROW - 4], view.colour.permute(1, 2, 0)[RIM_ROW - 4])


def test_the_portrait_itself_is_not_changed(make_lips: Lips) -> None:
    view = portrait(make_lips)
    own, step = view.colour.flatten(1).T, torch.full((SIDE * SIDE, 3), 0.05)
    same = find_folds(view).unfolded(own, step, view.vertices)
    assert torch.equal(same[0], own) and torch.equal(same[1], step)
    wider = find_folds(view).unfolded(own, step, face(make_lips, 0.0, opening=0.15))
    assert torch.equal(wider[0], own)


def test_an_open_mouth_has_no_line(make_lips: Lips) -> None:
    folds = find_folds(portrait(make_lips, gap=0.4))
    assert len(folds.points) and (folds.place >= LIPS).all()


def open_mouth(make_lips: Lips) -> MapView:
    """An open mouth of eight rows, whose lower rim shows a crumb of teeth, and whose upper rim is lip."""
    view = portrait(make_lips, gap=0.4)
    view.colour[:, LINE_ROW - 11 : LINE_ROW + 11, 10:54] = LIP[:, None, None]
    view.colour[:, LINE_ROW - 4 : LINE_ROW + 4, 16:48] = torch.tensor((0.9, 0.9, 0.8))[:, None, None]
    inside = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    inside[LINE_ROW - 4 : LINE_ROW + 4, 16:48] = True
    view.colour[:, LINE_ROW + 4, 28:36] = 0.85  # the crumb
    return view._replace(mouth=inside.flatten(), skin=~inside.flatten())


def test_lips_that_were_open_shut_with_a_line(make_lips: Lips) -> None:
    view = open_mouth(make_lips)
    folds, rim = find_folds(view), (LINE_ROW - 5, slice(28, 36))
    shut = shown(view, folds, face(make_lips, 0.0))[rim]
    assert (shut < LIP - 0.05).all() and (shut > 0.4 * LIP).all(), "darker than lip, and no black"
    for gap in (0.1, 0.4, 0.6):
        open_lips = shown(view, folds, face(make_lips, gap))[rim]
        assert torch.allclose(open_lips, LIP.expand(8, 3)), "none while they are open"
    assert torch.equal(shown(view, folds, view.vertices), view.colour.permute(1, 2, 0))


def test_crumbs_of_teeth_do_not_go_down_with_the_lower_lip(make_lips: Lips) -> None:
    view = open_mouth(make_lips)
    rim = (LINE_ROW + 4, slice(29, 35))
    wide = shown(view, find_folds(view), face(make_lips, 0.8))
    assert torch.allclose(wide[rim], LIP.expand(6, 3), atol=0.1)
    own = view.colour.permute(1, 2, 0)
    assert torch.equal(wide[LINE_ROW - 4 : LINE_ROW + 4], own[LINE_ROW - 4 : LINE_ROW + 4]), "teeth stay teeth"


def test_a_point_is_in_one_fold_only(make_lips: Lips) -> None:
    folds = find_folds(portrait(make_lips))
    assert len(folds.points.unique()) == len(folds.points)
    twice = folds.and_(folds)
    assert all(torch.equal(a, b) for a, b in zip(twice, folds))
    lids = lid(portrait(make_lips), RIGHT_EYE_UPPER, RIGHT_LIDS)
    assert torch.isin(lids.points, folds.points).all() and (lids.place == RIGHT_LIDS).all()


@pytest.mark.parametrize("batch", [(), (1,), (3,)])
def test_frames_of_a_batch_are_those_drawn_alone(batch: tuple[int, ...], make_lips: Lips) -> None:
    view = portrait(make_lips)
    folds = find_folds(view)
    own, step = view.colour.flatten(1).T, torch.full((SIDE * SIDE, 3), 0.05)
    vertices = face(make_lips, 0.04, opening=0.03, width=0.8)
    many, steps = folds.unfolded(own, step, vertices.expand(*batch, -1, -1))
    alone, alone_step = folds.unfolded(own, step, vertices)
    assert many.shape == (*batch, SIDE * SIDE, 3)
    assert torch.allclose(many, alone.expand_as(many)) and torch.allclose(steps, alone_step.expand_as(steps))


def test_gaps_are_those_of_lips_and_lids(make_lips: Lips) -> None:
    gaps = gaps_of(face(make_lips, 0.2, opening=0.08))
    assert abs(float(gaps[5]) - 0.2) < 1e-6 and gaps[[0, 10]].max() < 1e-6
    assert abs(float(gaps[RIGHT_LIDS]) - 0.08) < 1e-6 and float(gaps[LEFT_LIDS]) == 0
    assert abs(float(gaps[WIDTH]) - 0.5) < 1e-6 and len(gaps) == WIDTH + 1
