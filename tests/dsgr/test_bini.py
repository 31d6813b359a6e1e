"""Bilateral normal integration against surfaces known in closed form."""

import math

import pytest
import torch

from mggtalk.dsgr.bini import integrate_normals
from mggtalk.errors import MGGTalkError

SIZE = 64


def grid(size=SIZE):
    """Pixel centres from the image centre: right and down, ``[H, W]`` each."""
    axis = torch.arange(size, dtype=torch.float64) + 0.5 - size / 2
    down, right = torch.meshgrid(axis, axis, indexing="ij")
    return right, down


def normals_of(slope_right, slope_down):
    """Normals of an orthographic depth map (away from the viewer) with these slopes, x right, y up, z to the viewer."""
    normals = torch.stack([slope_right, -slope_down, torch.ones_like(slope_right)])  # [3, H, W]
    return torch.nn.functional.normalize(normals, dim=0).float()


def error_without_offset(depth, truth, mask):
    difference = (depth.double() - truth)[mask]
    return (difference - difference.mean()).abs()


def sphere_cap():
    right, down = grid()
    radius, rim = 30.0, 27.0
    squared = right**2 + down**2
    mask = squared < rim**2
    depth = -(radius**2 - squared).clamp(min=1.0).sqrt()
    normals = torch.stack([right, -down, -depth])  # outward: from the centre to the surface
    return normals.float(), depth, mask


def test_tilted_plane_is_exact_and_has_the_right_sign():
    right, down = grid()
    truth = 0.3 * right - 0.7 * down
    mask = torch.ones(SIZE, SIZE, dtype=torch.bool)
    result = integrate_normals(normals_of(torch.full_like(right, 0.3), torch.full_like(right, -0.7)), mask)
    assert result.depth.dtype == torch.float32
    assert (result.depth - truth).abs().max() < 1e-3  # the gauge is mean 0, the plane's own mean
    assert result.energies[-1] < result.energies[0]


def test_sphere_cap():
    normals, truth, mask = sphere_cap()
    depth = integrate_normals(normals, mask).depth
    assert error_without_offset(depth, truth, mask).mean() < 0.1
    assert depth[SIZE // 2, SIZE // 2] < depth[SIZE // 2, 8]  # the top of the cap is nearer
    assert depth[~mask].isnan().all() and depth[mask].isfinite().all()


def test_gaussian_bump():
    right, down = grid()
    truth = -12 * torch.exp(-(right**2 + down**2) / (2 * 10**2))
    mask = torch.ones(SIZE, SIZE, dtype=torch.bool)
    depth = integrate_normals(normals_of(-right / 100 * truth, -down / 100 * truth), mask).depth
    assert error_without_offset(depth, truth, mask).max() < 0.05


def test_perspective_plane_and_sphere():
    right, down = grid()
    focal = 160.0
    rays = torch.stack([right / focal, -down / focal, -torch.ones_like(right)])  # y up, z to the viewer
    # a plane n.X = -d: a ray meets it at depth d / -(n.ray)
    normal = torch.nn.functional.normalize(torch.tensor([0.4, 0.3, 1.0], dtype=torch.float64), dim=0)
    plane = -100.0 / torch.einsum("c,chw->hw", normal, rays)
    mask = torch.ones(SIZE, SIZE, dtype=torch.bool)
    depth = integrate_normals(normal[:, None, None].expand(3, SIZE, SIZE).float(), mask, focal=focal).depth.double()
    assert math.isclose(depth.log().mean(), math.log(focal), abs_tol=1e-4)  # the default scale
    ratio = depth / plane
    assert (ratio / ratio.mean() - 1).abs().max() < 1e-3

    # a sphere of radius 1 at distance 6; the nearer of the ray's two crossings
    centre = torch.tensor([0.1, -0.1, -6.0], dtype=torch.float64)[:, None, None]
    a, b, c = (rays**2).sum(0), (rays * centre).sum(0), (centre**2).sum() - 1
    mask = b**2 - a * c > 0.15
    truth = (b - (b**2 - a * c).clamp(min=0).sqrt()) / a
    outward = truth * rays - centre
    depth = integrate_normals(outward.float(), mask, depth_prior=truth.float(), focal=focal).depth.double()
    assert (depth / truth - 1)[mask].abs().max() < 2e-3


def perspective_normals(depth, rays):
    """Unit normals toward the viewer (x right, y up) of a depth map seen by a pinhole camera, by cross products."""
    points = rays * depth  # [3, H, W]
    across = torch.gradient(points, dim=2)[0]
    down = torch.gradient(points, dim=1)[0]
    return torch.nn.functional.normalize(torch.cross(down, across, dim=0), dim=0)


def test_gaussian_bump_in_perspective():
    right, down = grid()
    focal = 160.0
    rays = torch.stack([right / focal, -down / focal, -torch.ones_like(right)])
    truth = focal - 12 * torch.exp(-(right**2 + down**2) / (2 * 10**2))
    normals = perspective_normals(truth, rays)
    assert (normals[2] > 0).all()
    mask = torch.ones(SIZE, SIZE, dtype=torch.bool)
    depth = integrate_normals(normals.float(), mask, focal=focal).depth.double()
    ratio = depth / truth
    assert (ratio / ratio.mean() - 1).abs().max() < 2e-3  # 0.3 of a bump of 12


def test_step_edge_in_perspective_is_kept():
    """Two flat sheets, joined at the bottom row only by a ramp of the right one: the curled flap, seen by a pinhole."""
    right, down = grid()
    focal = 400.0
    rays = torch.stack([right / focal, -down / focal, -torch.ones_like(right)])
    _, height = curled_flap()
    truth = focal + height  # the flap comes nearer
    left = perspective_normals(torch.full_like(right, focal), rays)
    above = (-down).clamp(min=0)
    flap = perspective_normals(focal - 0.02 * above**2, rays)
    normals = torch.where(right > 0, flap, left)  # each sheet's own: nothing tells of the step
    mask = torch.ones(SIZE, SIZE, dtype=torch.bool)
    middle = SIZE // 2
    jumps = {}
    for k in (0.0, 2.0):
        depth = integrate_normals(normals.float(), mask, k=k, iterations=60, focal=focal).depth
        jumps[k] = depth[4].diff().abs().max()
    step = truth[4, middle - 1] - truth[4, middle]
    assert jumps[2.0] > 0.8 * step and jumps[0.0] < 0.2 * step


def curled_flap():
    """A sheet slit along the upper half of its middle column; the right flap curls toward the viewer, up to 20 px."""
    right, down = grid()
    above = (-down).clamp(min=0) * (right > 0)
    return normals_of(torch.zeros_like(right), 0.04 * above), -0.02 * above**2


def test_step_edge_is_kept_and_least_squares_rounds_it_off():
    normals, truth = curled_flap()
    mask = torch.ones(SIZE, SIZE, dtype=torch.bool)
    middle = SIZE // 2
    errors, jumps = {}, {}
    for k in (0.0, 2.0):
        depth = integrate_normals(normals, mask, k=k, iterations=60).depth
        difference = depth.double() - truth
        errors[k] = (difference - difference.median()).abs().mean()
        jumps[k] = depth[4].diff().abs().max()
    step = truth[4, middle - 1] - truth[4, middle]
    assert jumps[2.0] > 0.8 * step  # one jump between two neighbours
    assert jumps[0.0] < 0.2 * step  # spread over many
    assert errors[2.0] < 0.4 * errors[0.0]


def test_weighted_prior_fixes_the_gauge_and_unweighted_prior_the_mean():
    normals, truth, mask = sphere_cap()
    prior = torch.full((SIZE, SIZE), math.nan)
    prior[30:34, 30:34] = (truth[30:34, 30:34] + 500.0).float()
    weight = torch.zeros(SIZE, SIZE)
    weight[30:34, 30:34] = 10.0
    held = integrate_normals(normals, mask, prior, weight, iterations=60, tolerance=1e-8).depth
    assert (held - prior)[30:34, 30:34].abs().max() < 0.02
    free = integrate_normals(normals, mask, prior).depth
    assert (free - prior)[30:34, 30:34].mean().abs() < 1e-3


def test_prior_weight_means_the_same_in_perspective():
    right, _ = grid()
    focal = 200.0
    normals = normals_of(torch.zeros_like(right), torch.zeros_like(right))  # flat, at the focal length
    prior = torch.full((SIZE, SIZE), focal) + (right > 0) * 4.0
    mask = torch.ones(SIZE, SIZE, dtype=torch.bool)
    flat = integrate_normals(normals, mask, prior, 0.01, k=0).depth
    deep = integrate_normals(normals, mask, prior, 0.01, k=0, focal=focal).depth
    assert (flat - deep).abs().max() < 0.1
    assert 3.0 < (flat[0, -1] - flat[0, 0]) < 4.0


def test_parts_of_a_mask_are_solved_apart():
    normals, truth, cap = sphere_cap()
    mask = cap.clone()
    mask[:, SIZE // 2 - 2 : SIZE // 2 + 2] = False
    mask[0, 0] = True  # an island of one pixel
    prior = truth + torch.where(grid()[0] > 0, 5.0, -5.0)
    depth = integrate_normals(normals, mask, prior.float()).depth
    inner = mask & cap
    assert (depth - prior)[inner].abs().mean() < 0.15
    assert torch.allclose(depth[0, 0].double(), prior[0, 0])


def test_unknown_normals_are_bridged():
    right, down = grid()
    normals = normals_of(torch.full_like(right, 0.5), torch.zeros_like(right))
    normals[:, 20:24, 20:24] = 0.0
    normals[:, 40, 40] = math.nan
    mask = torch.ones(SIZE, SIZE, dtype=torch.bool)
    depth = integrate_normals(normals, mask).depth
    assert depth.isfinite().all()
    assert error_without_offset(depth, 0.5 * right, mask).max() < 0.5


def test_trivial_and_refused_masks():
    normals = torch.zeros(3, 8, 8)
    normals[2] = 1.0
    one = torch.zeros(8, 8, dtype=torch.bool)
    one[3, 4] = True
    assert integrate_normals(normals, one).depth[3, 4] == 0.0
    assert math.isclose(integrate_normals(normals, one, focal=50.0).depth[3, 4], 50.0, rel_tol=1e-5)
    assert integrate_normals(normals, one, torch.full((8, 8), 7.0), 1.0).depth[3, 4] == 7.0
    with pytest.raises(MGGTalkError, match="mask is empty"):
        integrate_normals(normals, torch.zeros(8, 8, dtype=torch.bool))
    with pytest.raises(ValueError, match="need normals"):
        integrate_normals(normals, one[:4])
    with pytest.raises(ValueError, match="depth_prior has shape"):
        integrate_normals(normals, one, torch.zeros(4, 4))
    with pytest.raises(ValueError, match="must be positive"):
        integrate_normals(normals, one, focal=-1.0)
