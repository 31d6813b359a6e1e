"""The tri-plane code: shapes of the paper, values by a direct evaluation, gradients."""

from __future__ import annotations

import math

import torch

from mggtalk.person.talking_gaussian.config import FACE_GRID, MOUTH_GRID, GridConfig
from mggtalk.person.talking_gaussian.triplane import TriPlane, level_nodes, level_scales

SMALL = GridConfig(base=4, finest=7.0, levels=3, bound=1.0)


def directly(code: TriPlane, point: list[float]) -> list[float]:
    """The code of one point by the formulas of the released kernel, node by node."""
    config = code.config
    found = []
    for plane, axes in enumerate(((0, 1), (1, 2), (0, 2))):
        for grid, scale in zip(code.planes, level_scales(config)):
            u, v = ((point[a] + config.bound) / (2 * config.bound) * scale + 0.5 for a in axes)
            column, row = math.floor(u), math.floor(v)
            s, t = u - column, v - row
            nodes = grid[plane, 0].tolist()
            upper = (1 - s) * nodes[row][column] + s * nodes[row][column + 1]
            lower = (1 - s) * nodes[row + 1][column] + s * nodes[row + 1][column + 1]
            found.append((1 - t) * upper + t * lower)
    return found


def test_levels_have_the_published_resolutions() -> None:
    assert [math.ceil(scale) + 1 for scale in level_scales(FACE_GRID)] == [
        16,
        18,
        19,
        21,
        22,
        24,
        26,
        28,
        31,
        33,
        36,
        39,
    ]
    assert level_nodes(MOUTH_GRID)[0] == 65 and level_nodes(MOUTH_GRID)[-1] == 59  # finest is coarser: as released
    assert FACE_GRID.features == TriPlane(FACE_GRID)(torch.zeros(5, 3)).shape[1] == 36


def test_codes_are_those_of_a_direct_evaluation() -> None:
    torch.manual_seed(0)
    code = TriPlane(SMALL).double()
    points = 1.9 * torch.rand(7, 3, dtype=torch.float64) - 0.95
    expected = torch.tensor([directly(code, point) for point in points.tolist()], dtype=torch.float64)
    torch.testing.assert_close(code(points), expected, atol=1e-12, rtol=0)


def test_outside_the_cube_is_its_border() -> None:
    code = TriPlane(SMALL)
    torch.testing.assert_close(code(torch.tensor([[3.0, 0.2, -5.0]])), code(torch.tensor([[1.0, 0.2, -1.0]])))


def test_gradients_in_double_precision() -> None:
    torch.manual_seed(1)
    code = TriPlane(GridConfig(base=3, finest=4.0, levels=2, bound=1.0)).double()
    points = (1.6 * torch.rand(3, 3, dtype=torch.float64) - 0.8).requires_grad_(True)
    assert torch.autograd.gradcheck(lambda place, *grids: code(place), (points, *code.planes))
