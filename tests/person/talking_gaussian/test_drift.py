"""Drift is found from how far drawn pictures are from real ones."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mggtalk.person.talking_gaussian import drift
from mggtalk.person.talking_gaussian.drift import Drawn, Drift, inner_slopes, jacobian, outline_slopes
from mggtalk.scene import Camera


def waves(shift: tuple[float, float]) -> Tensor:
    """A picture ``[1, 3, 40, 48]`` whose content has gone by some pixels to the right and down."""
    rows, columns = torch.meshgrid(torch.arange(40.0), torch.arange(48.0), indexing="ij")
    x, y = columns - shift[0], rows - shift[1]
    return torch.stack([(x / 2.5).sin(), (y / 3.0).cos(), ((x + y) / 3.5).sin()])[None] / 4 + 0.5


def flow(said: Tensor) -> list[float]:
    xx, xy, yy, x, y, _ = said[..., 8:-8, 8:-8].sum((0, 2, 3))
    return torch.linalg.solve(torch.stack([xx, xy, xy, yy]).view(2, 2), torch.stack([x, y])).tolist()


def test_slopes_say_where_a_picture_has_to_go() -> None:
    drawn, real, every = waves((0.0, 0.0)), waves((0.4, -0.3)), torch.ones(1, 1, 40, 48)
    brighter = real + torch.linspace(0.0, 0.2, 48)  # light is not taken for motion
    for wanted in (real, brighter):
        found = flow(inner_slopes(drawn, wanted - drawn, every))
        assert math.dist(found, (0.4, -0.3)) < 0.06, found


def test_outlines_meet_from_pixels_away() -> None:
    columns = torch.arange(48.0).expand(1, 1, 40, 48)
    drawn, real = ((columns < edge).float() for edge in (20, 23))
    said = outline_slopes(drawn, real - drawn, torch.ones_like(drawn)).sum((0, 2, 3))
    assert 2.0 < float(said[3] / said[0]) < 3.5 and not said[[1, 2, 4]].any()


def test_jacobian_is_the_slope_of_the_projection() -> None:
    turn = torch.linalg.matrix_exp(torch.tensor([[0.0, 0.3, -0.2], [-0.3, 0.0, 0.1], [0.2, -0.1, 0.0]]).double())
    camera = Camera.from_pose(turn, torch.tensor([0.1, -0.2, 9.0]).double(), 256, 2.5)
    points = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).double()

    def project(places: Tensor) -> Tensor:
        seen = places @ camera.view[:3, :3].T + camera.view[:3, 3]
        return camera.focal * seen[..., :2] / seen[..., 2:]

    steps = 1e-5 * torch.eye(3).double()[:, None]  # [3, 1, 3]
    wanted = (project(points + steps) - project(points - steps)) / 2e-5  # [3, 4, 2]
    torch.testing.assert_close(jacobian(points, camera), wanted.permute(1, 2, 0), atol=1e-6, rtol=1e-6)


def test_drift_that_was_there_is_found_in_depth_as_well() -> None:
    generator = torch.Generator().manual_seed(0)
    moved = Drift((16, 24), axes=2)
    cells = torch.arange(16 * 24)
    truth = 0.01 * torch.randn(len(moved.weights), 3, generator=generator)  # [F, 3] everywhere the same
    frames = []
    for _ in range(60):
        poses = 2.0 * torch.rand(3, generator=generator) - 1.0
        features = torch.cat([torch.ones(1), poses, torch.randn(len(truth) - 4, generator=generator)])
        views = 60.0 * torch.randn(len(cells), 2, 3, generator=generator)  # heads that turn a lot
        slope = torch.tensor([[2.0, 0.5], [0.5, 1.0]])
        way = (slope @ views @ (features @ truth)[:, None])[..., 0]  # [N, 2]
        squares = torch.tensor([2.0, 0.5, 1.0]).expand(len(cells), 3)
        frames.append(Drawn(features, torch.cat([squares, way, torch.full((len(cells), 1), 9.0)], 1), views))
    assert not moved(frames[0].features, cells).any()
    moved.add(frames, cells)
    for drawn in frames[:3]:
        wanted = (drawn.features @ truth).expand(len(cells), 3)
        torch.testing.assert_close(moved(drawn.features, cells), wanted, atol=5e-4, rtol=0.02)
    farther = Drift((16, 24), axes=2)
    farther.add([one._replace(sums=one.sums * torch.tensor([1, 1, 1, 30, 30, 1])) for one in frames], cells)
    assert float(farther.weights[0].norm(dim=0).max()) < 1.01 * drift.LONGEST, "pictures are not linear so far"


def test_drift_follows_the_pose_more_readily_than_the_expression() -> None:
    cells, count = torch.arange(8 * 8), len(Drift((8, 8), axes=2).weights)
    views = torch.eye(2, 3).expand(len(cells), 2, 3)
    sums = torch.tensor([2.0, 0.0, 2.0, 0.1, 0.0, 9.0]).expand(len(cells), 6)
    far = []
    for feature in (1, count - 1):  # the same frames, told by the pose or by the last score of the upper face
        moved, features = Drift((8, 8), axes=2), torch.eye(count)[feature]
        moved.add([Drawn(features, sums, views)] * 4, cells)
        far.append(float(moved.weights[feature, 0].mean()))
    assert 0.0 < far[1] < far[0] / 5, far


def test_drift_goes_on_for_a_while_beyond_the_poses_of_the_film() -> None:
    cells, count = torch.arange(8 * 8), len(Drift((8, 8), axes=2).weights)
    sums = torch.tensor([2.0, 0.0, 2.0, 0.1, 0.0, 900.0])
    moved, film = Drift((8, 8), axes=2), torch.linspace(-1.0, 1.0, 21)
    moved.add(
        [
            Drawn(
                torch.cat([torch.ones(1), yaw[None], torch.zeros(count - 2)]),
                (sums * torch.tensor([1, 1, 1, yaw, 1, 1])).expand(len(cells), 6),
                torch.eye(2, 3).expand(len(cells), 2, 3),
            )
            for yaw in film
        ],
        cells,
    )
    at = [
        float(moved(torch.cat([torch.ones(1), torch.tensor([yaw]), torch.zeros(count - 2)]), cells)[0, 0])
        for yaw in (1.0, 1.5, 4.0, 8.0)
    ]
    assert at[0] > 0.0 and abs(at[1] - 1.5 * at[0]) < 0.05 * at[0], "what the poses of the film tell goes on"
    assert at[2] == at[3] < 2.5 * at[0], "but not for good"
