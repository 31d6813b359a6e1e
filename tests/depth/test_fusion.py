"""Network and mesh made one, on a head known in closed form: what is kept, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from mggtalk.depth.estimator import DepthMap, HeadView, PictureEstimate
from mggtalk.depth.fusion import FusedDepthEstimator, fuse
from mggtalk.depth.mesh import MeshDepthEstimator, normals_from_depth
from mggtalk.depth.scale import fit_depth, fit_disparity

SIZE, PIXEL = 128, 0.02
FAR = 11.0


def ball(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Depth of an egg whose middle lies at 10 dm, 1 dm before it at the nearest."""
    return 10.0 - np.sqrt(np.clip(1.0 - (x / 1.0) ** 2 - (y / 1.2) ** 2, 0.0, 1.0))


@pytest.fixture(scope="module")
def grid() -> tuple[np.ndarray, np.ndarray]:
    y, x = (np.mgrid[0:SIZE, 0:SIZE] + 0.5 - SIZE / 2) * PIXEL
    return x, y


@pytest.fixture(scope="module")
def view(grid) -> HeadView:
    """An egg; the middle of its front is a tracked mesh."""
    x, y = grid
    steps = np.linspace(-0.55, 0.55, 15)
    places = np.stack(np.meshgrid(steps, 1.2 * steps), axis=-1).reshape(-1, 2)
    corner = (np.arange(14)[:, None] * 15 + np.arange(14)).reshape(-1, 1)
    triangles = np.concatenate([corner + [0, 1, 16], corner + [0, 16, 15]])
    return HeadView(
        image=np.full((SIZE, SIZE, 3), 0.5, np.float32),
        mask=(x**2 + (y / 1.2) ** 2 < 0.95).astype(np.float32),
        vertices=np.column_stack([places, ball(*places.T)]).astype(np.float32),
        pixels=places / PIXEL + SIZE / 2,
        triangles=triangles,
        centre=np.array([0.0, 0.0, 10.0], np.float32),
        pixel_size=PIXEL,
    )


@pytest.fixture(scope="module")
def mesh(view) -> DepthMap:
    return MeshDepthEstimator()(view)


@pytest.fixture(scope="module")
def truth(grid) -> np.ndarray:
    """The egg with a bun of hair, which the mesh cannot know, and glasses, 0.08 dm before the eyes."""
    x, y = grid
    bun = np.exp(-((x / 0.25) ** 2 + ((y + 0.85) / 0.2) ** 2))
    glasses = (np.abs(y + 0.2) < 0.12) * (np.abs(np.abs(x) - 0.25) < 0.15)
    return ball(x, y) - 0.4 * bun - 0.08 * ndimage.gaussian_filter(glasses.astype(float), 1.5)


def face(grid) -> np.ndarray:
    x, y = grid
    return (np.abs(x) < 0.45) & (np.abs(y) < 0.55)


def test_a_good_network_is_believed_about_hair_and_glasses(view, mesh, truth, grid) -> None:
    x, y = grid
    estimate = PictureEstimate(depth=0.2 * truth + 3.0, normals=normals_from_depth(truth, PIXEL))
    blend = fuse(view, estimate, mesh)
    assert blend.trust > 0.9
    bun = np.hypot(x / 0.25, (y + 0.85) / 0.2) < 0.7
    before, after = (np.abs(depth - truth)[bun].mean() for depth in (mesh.depth, blend.depth))
    assert before > 0.2 and after < 0.45 * before
    lens = (np.abs(y + 0.2) < 0.06) & (np.abs(np.abs(x) - 0.25) < 0.06)
    assert (ball(x, y) - blend.depth)[lens].mean() > 0.05
    assert np.allclose(np.linalg.norm(blend.normals, axis=0), 1.0, atol=1e-4)


@pytest.mark.parametrize("seed", [0, 1])
def test_noise_leaves_the_mesh(view, mesh, seed) -> None:
    generator = np.random.default_rng(seed)
    noise = generator.normal(size=(3, SIZE, SIZE))
    estimate = PictureEstimate(generator.normal(size=(SIZE, SIZE)), normals=noise / np.linalg.norm(noise, axis=0))
    blend = fuse(view, estimate, mesh)
    assert np.abs(blend.depth - mesh.depth).max() < 0.02
    assert (blend.normals * mesh.normals).sum(0).min() > np.cos(np.deg2rad(3))


def test_noise_upon_a_good_estimate_is_not_taken_over(view, mesh, truth, grid) -> None:
    generator = np.random.default_rng(0)
    normals = normals_from_depth(truth, PIXEL) + 0.6 * generator.normal(size=(3, SIZE, SIZE))
    blend = fuse(view, PictureEstimate(truth, normals=normals / np.linalg.norm(normals, axis=0)), mesh)
    angles = np.degrees(np.arccos(np.clip((blend.normals * mesh.normals).sum(0), -1, 1)))
    assert np.median(angles[face(grid)]) < 10


def test_a_network_that_contradicts_the_landmarks_in_one_place_loses_there_only(view, mesh, truth, grid) -> None:
    x, y = grid
    dent = 0.8 * np.exp(-((x - 0.2) ** 2 + (y - 0.3) ** 2) / 0.02)
    wrong = truth + dent
    blend = fuse(view, PictureEstimate(wrong, normals=normals_from_depth(wrong, PIXEL)), mesh)
    deepest = (dent > 0.6) & face(grid)
    assert np.abs(blend.depth - mesh.depth)[deepest].max() < 0.1
    assert blend.confidence[deepest].max() < 0.1
    other_side = (x < -0.15) & face(grid)
    assert blend.confidence[other_side].mean() > 0.7


@pytest.mark.parametrize("wrong", ["inverted", "flat", "not finite"])
def test_useless_depth_leaves_the_mesh(view, mesh, truth, wrong) -> None:
    depth = {"inverted": -truth, "flat": np.ones_like(truth), "not finite": np.full_like(truth, np.nan)}[wrong]
    blend = fuse(view, PictureEstimate(depth), mesh)
    assert np.array_equal(blend.depth, mesh.depth)
    assert np.allclose(blend.normals, mesh.normals, atol=1e-6)


def test_normals_alone_and_depth_alone_are_enough(view, mesh, truth, grid) -> None:
    normals = normals_from_depth(truth, PIXEL)
    alone = fuse(view, PictureEstimate(normals=normals), mesh)
    assert alone.trust > 0.9 and np.abs(alone.depth - mesh.depth).max() < 1e-5
    inner = face(grid)
    assert (alone.normals * normals).sum(0)[inner].mean() > 0.98
    depth = fuse(view, PictureEstimate(5 * truth), mesh)
    assert depth.trust > 0.9 and np.abs(depth.depth - truth)[inner].mean() < 0.03


@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, 1), (1, -1, -1), (-1, -1, -1)])
def test_unknown_signs_are_found_on_the_face(view, mesh, truth, signs, grid) -> None:
    normals = normals_from_depth(truth, PIXEL)
    turned = normals * np.array(signs, np.float32)[:, None, None]
    blend = fuse(view, PictureEstimate(normals=turned, signs_known=False), mesh)
    assert (blend.normals * normals).sum(0)[face(grid)].mean() > 0.98


def test_disparity_becomes_depth(truth, grid) -> None:
    inner = face(grid)
    depth = fit_disparity(7.0 * (1 / truth - 0.02), ball(*grid), inner)
    assert depth is not None and np.abs(depth - truth).max() < 0.01
    assert fit_disparity(truth, ball(*grid), inner) is None  # depth is not disparity
    assert fit_depth(1 / truth, ball(*grid), inner) is None
    background = fit_disparity(np.where(inner, 1 / truth, 0.0), ball(*grid), inner)
    assert background is not None and background.max() < 13.1  # the background is not at infinity


class Network:
    """A network whose answer is known; keeps what it was shown."""

    name, wants_cut_out = "known", True

    def __init__(self, estimate: PictureEstimate) -> None:
        self.estimate = estimate

    def __call__(self, picture, on_progress) -> PictureEstimate:
        self.shown = picture
        on_progress("depth", 1, 1)
        return self.estimate


def test_the_estimator_shows_the_cut_out_head_and_resizes_the_answer(view, mesh, truth) -> None:
    large = np.kron(truth, np.ones((2, 2)))
    network = Network(PictureEstimate(large))
    estimator = FusedDepthEstimator(network)
    assert estimator.name == "known"
    found = estimator(view._replace(image=np.full((2 * SIZE, 2 * SIZE, 3), 0.5, np.float32)))
    assert network.shown.shape == (2 * SIZE, 2 * SIZE, 3)
    assert network.shown[0, 0].max() == 0.0 and network.shown[SIZE, SIZE].min() == 0.5
    expected = fuse(view, PictureEstimate(large), mesh)
    assert np.array_equal(found.depth, expected.depth) and np.array_equal(found.normals, expected.normals)
