"""What is drawn: against numbers worked out by hand, and against the reference."""

import math

import pytest
import torch

from mggtalk.render import harmonics_from_colour, rasterize
from mggtalk.scene import Camera, Gaussians

BACKENDS = ["cpu", "reference"]


def frontal_camera(size: int = 33, distance: float = 5.0, focal: float = 50.0) -> Camera:
    """Looks straight at the face; the origin is at the centre of the middle pixel of an odd size."""
    pose = Camera.from_pose(torch.eye(3), torch.tensor([0.0, 0.0, distance]), size, 1.0)
    return Camera(pose.view, focal, (size / 2, size / 2), size, size)


def blob(*positions: tuple[float, float, float], colour=(0.8, 0.4, 0.2), scale=0.1, opacity=0.6) -> Gaussians:
    """Round Gaussians of one colour."""
    count = len(positions)
    return Gaussians(
        torch.tensor(positions).reshape(count, 3),
        torch.tensor([[1.0, 0.0, 0.0, 0.0]]).expand(count, 4),
        torch.full((count, 3), scale),
        torch.full((count,), opacity),
        harmonics_from_colour(torch.tensor(colour).expand(count, 3)),
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_gaussian_by_hand(backend):
    drawn = rasterize(blob((0.0, 0.0, 0.0)), frontal_camera(), backend=backend, depth=True)
    variance = (0.1 * 50 / 5) ** 2 + 0.3  # square pixels
    for dx, dy in ((0, 0), (1, 0), (0, -2), (2, 1)):
        alpha = 0.6 * math.exp(-(dx * dx + dy * dy) / (2 * variance))
        assert drawn.alpha[16 + dy, 16 + dx] == pytest.approx(alpha, abs=2e-6)
        expected = torch.tensor([0.8, 0.4, 0.2]) * alpha
        torch.testing.assert_close(drawn.image[16 + dy, 16 + dx], expected, atol=2e-6, rtol=0)
    assert drawn.depth[16, 16] == pytest.approx(5.0, abs=1e-5)
    assert drawn.alpha[0, 0] == 0 and drawn.depth[0, 0] == 0


@pytest.mark.parametrize("backend", BACKENDS)
def test_axes_of_the_head_frame(backend):
    """x is to the right, y is up and z comes toward the viewer, so the nearer Gaussian hides the farther one."""
    camera = frontal_camera()
    right = rasterize(blob((1.0, 0.0, 0.0), opacity=0.9), camera, backend=backend).alpha
    up = rasterize(blob((0.0, 1.0, 0.0), opacity=0.9), camera, backend=backend).alpha
    assert divmod(int(right.argmax()), 33) == (16, 26)
    assert divmod(int(up.argmax()), 33) == (6, 16)
    near, far = blob((0.0, 0.0, 0.5), colour=(1.0, 0.0, 0.0)), blob((0.0, 0.0, -0.5), colour=(0.0, 1.0, 0.0))
    both = Gaussians(*(torch.cat(pair) for pair in zip(far, near)))
    pixel = rasterize(both, camera, backend=backend).image[16, 16]
    torch.testing.assert_close(pixel, torch.tensor([0.6, 0.4 * 0.6, 0.0]), atol=2e-6, rtol=0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_background_shows_through(backend):
    background = torch.tensor([0.1, 0.5, 1.0])
    plain = rasterize(blob((0.0, 0.0, 0.0)), frontal_camera(), backend=backend)
    drawn = rasterize(blob((0.0, 0.0, 0.0)), frontal_camera(), background, backend=backend)
    torch.testing.assert_close(drawn.image, plain.image + (1 - plain.alpha)[..., None] * background)


def test_energy_is_opacity_times_area():
    """The alphas of a small-opacity Gaussian sum to its integral, 2 pi opacity variance, less the cut tail."""
    opacity, variance = 0.5, (0.3 * 50 / 5) ** 2 + 0.3
    total = rasterize(blob((0.0, 0.0, 0.0), scale=0.3, opacity=opacity), frontal_camera(size=65)).alpha.sum()
    cut = 2 * math.pi * variance / 255  # what lies where alpha < 1/255
    assert total.item() == pytest.approx(2 * math.pi * opacity * variance - cut, rel=2e-3)


def test_colour_changes_with_the_direction():
    """The y and x functions of degree 1 have a minus sign, z has a plus sign; the direction is camera to Gaussian."""
    camera, gaussian = frontal_camera(), blob((0.0, 0.0, 0.0), colour=(0.5, 0.5, 0.5))
    gaussian.harmonics[0, 2, 0] = 0.3  # the camera is at +z, so the direction is (0, 0, -1)
    drawn = rasterize(gaussian, camera)
    colour = drawn.image[16, 16] / drawn.alpha[16, 16]
    assert colour.tolist() == pytest.approx([0.5 - 0.3 * 0.4886025, 0.5, 0.5], abs=1e-5)
    gaussian.harmonics[0, 2, 0] = 10.0
    assert rasterize(gaussian, camera).image[16, 16, 0] == 0  # clamped, not negative


@pytest.mark.parametrize("backend", BACKENDS)
def test_order_of_input_does_not_matter(scene, backend):
    gaussians, camera = scene()
    shuffle = torch.randperm(60, generator=torch.Generator().manual_seed(1))
    shuffled = Gaussians(*(tensor[shuffle] for tensor in gaussians))
    one, other = rasterize(gaussians, camera, backend=backend), rasterize(shuffled, camera, backend=backend)
    torch.testing.assert_close(one.image, other.image, atol=1e-13, rtol=0)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("z", [5.0 - 0.005, 5.0, 6.0, -2e10])
def test_near_behind_and_far_are_culled(backend, z):
    """The camera is at z = 5; its near plane is 0.01 before it."""
    drawn = rasterize(blob((0.0, 0.0, z), scale=1.0), frontal_camera(), backend=backend)
    assert drawn.alpha.max() == 0 and drawn.image.isfinite().all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_gaussians_that_are_not_finite_are_dropped(scene, backend):
    gaussians, camera = scene()
    expected = rasterize(Gaussians(*(tensor[10:] for tensor in gaussians)), camera, backend=backend)
    bad = Gaussians(*(tensor.clone() for tensor in gaussians))
    bad.means[0, 1] = math.nan
    bad.means[1, 0] = math.inf
    bad.means[2, 2] = -math.inf
    bad.quaternions[3, 2] = math.nan
    bad.quaternions[4] = 0.0
    bad.scales[5, 0] = math.inf
    bad.scales[6, 2] = math.nan
    bad.opacities[7] = math.nan
    bad.harmonics[8, 0, 1] = math.nan
    bad.harmonics[9, 3, 2] = math.inf
    drawn = rasterize(bad, camera, backend=backend)
    torch.testing.assert_close(drawn.image, expected.image, atol=1e-13, rtol=0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_gaussians(backend):
    background = torch.tensor([0.25, 0.5, 0.75])
    drawn = rasterize(blob(), frontal_camera(), background, backend=backend, depth=True)
    assert (drawn.image == background).all() and not drawn.alpha.any() and not drawn.depth.any()
