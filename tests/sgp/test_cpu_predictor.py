"""The compiled prediction on maps and with residuals of its own; that it is its torch twin, test_twins.py says."""

from __future__ import annotations

import pytest
import torch

from mggtalk.avatar.avatar import Avatar
from mggtalk.avatar.binding import Binding
from mggtalk.avatar.mouth_sheet import COLUMNS, ROWS
from mggtalk.avatar.neighbours import Neighbours
from mggtalk.avatar.window import MovingWindow
from mggtalk.geometry import mirror_points
from mggtalk.motion.deformation import drive_points
from mggtalk.render.constants import MIN_ALPHA
from mggtalk.sgp.compiled.predictor import CpuPredictor, Residuals
from mggtalk.sgp.predictor import SymmetricGaussianPredictor
from tests.sgp.plane import closed, lively_avatar, opened, predictor


@pytest.fixture
def lively() -> Avatar:
    """See :func:`tests.sgp.plane.lively_avatar`."""
    return lively_avatar()


def assert_same(sgp: SymmetricGaussianPredictor, avatar: Avatar) -> None:
    vertices, expression = opened(avatar)
    features = sgp.features(avatar)
    assert CpuPredictor.suits(sgp, avatar, features)
    driven = drive_points(avatar, vertices, expression)
    for children, expected in (
        (True, sgp.dense(avatar, driven, features)),
        (False, sgp.coarse(avatar, driven, features)),
    ):
        found, _ = CpuPredictor(sgp, avatar, features, children)(vertices, expression)
        for name, one, other in zip(expected._fields, found, expected):
            torch.testing.assert_close(one, other, atol=3e-4, rtol=1e-3, msg=lambda text, name=name: f"{name}: {text}")


def test_folded_maps_that_need_padding(lively: Avatar) -> None:
    mask = torch.zeros(96, 96, dtype=torch.bool)
    mask[8:90, 6:94] = True
    rows, columns = mask.nonzero().unbind(-1)
    count = len(rows)
    generator = torch.Generator().manual_seed(3)
    points = torch.stack([0.01 * (columns - 48), -0.01 * (rows - 48), 0.004 * columns.float()], dim=-1)
    binding = Binding(
        lively.binding.vertices[:1].expand(count, 3).contiguous(),
        torch.rand(count, 1, generator=generator) * lively.binding.weights[:1],
        torch.zeros(count, dtype=torch.int64),
        torch.zeros(count),
    )
    mirrored = torch.nonzero(columns > 70).squeeze(-1)
    inside = (rows >= 8) & (rows < 76) & (columns >= 4) & (columns < 88)  # 68 x 84: folded 17 x 21
    window = MovingWindow(
        torch.tensor((8, 76, 4, 88)), inside.nonzero().squeeze(-1), ((rows - 8) * 84 + columns - 4)[inside]
    )
    wide = lively.with_(
        mask=mask,
        points=points,
        colour=torch.rand(count, 3, generator=generator),
        colour_step=0.1 * torch.randn(count, 3, generator=generator),
        opacity=torch.full((count,), 0.8),
        binding=binding,
        neighbours=Neighbours.of(mask),
        mirrored=mirrored,
        mirrored_points=mirror_points(points[mirrored]),
        mirrored_colour=0.2 * torch.rand(len(mirrored), 3, generator=torch.Generator().manual_seed(5)) - 0.1,
        mirrored_binding=binding.select(mirrored),
        head_image=torch.rand(1, 4, 96, 96, generator=generator),
        window=window,
        pixel_size=torch.tensor(0.01),
    )
    assert_same(predictor(stride=4), wide)


def test_an_avatar_without_mirrored_points(lively: Avatar) -> None:
    none = torch.zeros(0, dtype=torch.int64)
    alone = lively.with_(
        mirrored=none,
        mirrored_points=lively.mirrored_points[none],
        mirrored_colour=lively.mirrored_colour[none],
        mirrored_binding=lively.mirrored_binding.select(none),
    )
    assert_same(predictor(), alone)


def test_residuals_given_are_taken(lively: Avatar) -> None:
    sgp = predictor()
    fast = CpuPredictor(sgp, lively, sgp.features(lively))
    vertices, expression = opened(lively)
    own, residuals = fast(vertices, expression)
    again, _ = fast(vertices, expression, residuals)
    assert all(torch.equal(a, b) for a, b in zip(own, again))
    nothing = Residuals(*(0 * part for part in residuals))
    without, _ = fast(vertices, expression, nothing)
    assert not torch.equal(own.opacities, without.opacities)
    halfway = Residuals.between(nothing, residuals, 0.5)
    assert all(abs(half - 0.5 * whole).max() < 1e-6 for half, whole in zip(halfway, residuals))


def test_closed_lips_hide_the_sheet_and_nothing_is_asked(lively: Avatar) -> None:
    sgp = predictor()
    fast = CpuPredictor(sgp, lively, sgp.features(lively))
    vertices, expression = opened(lively)
    whole, said = fast(vertices, expression)
    shut, _ = closed(lively)
    less, residuals = fast(shut, expression)
    assert len(whole.means) - len(less.means) == ROWS * COLUMNS and not len(residuals.mouth)
    sheet = sgp.mouth_decoder(lively.mouth, shut, expression)
    assert sheet.opacities.max() < MIN_ALPHA, "what is left out would not be drawn"
    between = Residuals.between(residuals, said, 0.5)
    assert not len(between.mouth) and len(between.visible) == len(said.visible)
    asked, _ = fast(vertices, expression, said._replace(mouth=between.mouth))
    assert all(torch.equal(a, b) for a, b in zip(asked, whole))
