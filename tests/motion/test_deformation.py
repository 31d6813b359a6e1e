"""Eq. 9: what moves with the expression, and what does not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from mggtalk.avatar.binding import Binding, Part
from mggtalk.config import EXPRESSION_COMPONENTS, DeformationConfig
from mggtalk.depth.raster import rasterize_mesh
from mggtalk.face.topology import (
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    LEFT_IRIS,
    LIPS_INNER_LOWER,
    LIPS_INNER_UPPER,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
    RIGHT_IRIS,
    VERTICES,
    canonical_mesh,
    mirror_permutation,
    triangles,
)
from mggtalk.geometry import mirror_points
from mggtalk.motion.deformation import RETREAT, DeformationMLP, displacement
from mggtalk.portrait.bind import bind, triangle_parts

SIZE, SCALE = 160, 7.0  # pixels per centimetre of the canonical face


@pytest.fixture(scope="module")
def face() -> tuple[Binding, np.ndarray, np.ndarray]:
    """The canonical face seen from the front, bound: binding, mask ``[H, W]`` and vertices in pixels ``[478, 2]``."""
    vertices = np.zeros((VERTICES, 3))
    vertices[:468] = canonical_mesh()[0]
    for iris, rim in ((RIGHT_IRIS, RIGHT_EYE_UPPER + RIGHT_EYE_LOWER), (LEFT_IRIS, LEFT_EYE_UPPER + LEFT_EYE_LOWER)):
        offsets = np.array([[0, 0, 0], [0.35, 0, 0], [0, 0.35, 0], [-0.35, 0, 0], [0, -0.35, 0]])
        vertices[list(iris)] = vertices[list(rim)].mean(0) + offsets
    pixels = vertices[:, :2] * (SCALE, -SCALE) + SIZE / 2
    raster = rasterize_mesh(pixels, -vertices[:, 2], triangles(), SIZE)
    y, x = np.mgrid[0:SIZE, 0:SIZE] + 0.5
    mask = np.hypot(x - SIZE / 2, (y - SIZE / 2) * 0.8) < 76
    upper, lower = pixels[LIPS_INNER_UPPER[5], 1], pixels[LIPS_INNER_LOWER[5], 1]
    between_rows = np.abs(y - (0.35 * upper + 0.65 * lower)) < 0.1 * (lower - upper)  # of upper and lower teeth
    image = np.where(between_rows, 0.1, 0.9)[..., None].repeat(3, axis=-1)
    return bind(raster, triangles(), mask, pixels, falloff_pixels=8.0, image=image), mask, pixels


def moved(indices: tuple[int, ...], shift: tuple[float, float, float]) -> Tensor:
    """Some vertices move, ``[478, 3]``."""
    result = torch.zeros(VERTICES, 3)
    result[list(indices)] = torch.tensor(shift)
    return result


def test_every_part_has_points_and_skin_has_most(face) -> None:
    binding = face[0]
    counts = torch.bincount(binding.part, minlength=5)
    assert (counts > 20).all()
    assert counts[Part.SKIN] > 0.8 * counts.sum()
    assert binding.vertices.dtype == torch.int64 and len(binding.part) == int(face[1].sum())


def test_the_subjects_right_eye_is_at_the_viewers_left(face) -> None:
    binding, mask, _ = face
    x = torch.from_numpy(np.argwhere(mask)[:, 1])
    assert x[binding.part == Part.RIGHT_EYE].max() < SIZE / 2 < x[binding.part == Part.LEFT_EYE].min()


def test_weights_are_convex_on_the_face_and_fade_beyond_it(face) -> None:
    binding, mask, pixels = face
    share = binding.weights.sum(-1)
    assert binding.weights.min() > -1e-5 and share.max() < 1 + 1e-4
    x = np.argwhere(mask)[:, 1]
    y = np.argwhere(mask)[:, 0]
    row = (y == SIZE // 2) & (x > pixels[:468, 0].max() + 1)
    beyond = share[torch.from_numpy(row)]
    assert len(beyond) > 8 and (beyond.diff() < 0).all() and beyond[-1] < 0.3


def test_no_change_is_exactly_no_displacement(face) -> None:
    assert torch.count_nonzero(displacement(face[0], torch.zeros(VERTICES, 3))) == 0


def test_skin_follows_its_triangle(face) -> None:
    binding = face[0]
    skin = binding.part == Part.SKIN
    shift = displacement(binding, torch.tensor((0.1, -0.2, 0.3)).expand(VERTICES, 3))
    expected = binding.weights.sum(-1, keepdim=True) * torch.tensor((0.1, -0.2, 0.3))
    assert torch.allclose(shift[skin], expected[skin], atol=1e-6)


def test_iris_moves_the_eyeball_but_not_the_lids(face) -> None:
    binding = face[0]
    shift = displacement(binding, moved(RIGHT_IRIS, (0.05, 0.02, 0.0)))
    eye = binding.part == Part.RIGHT_EYE
    assert torch.count_nonzero(shift[~eye]) == 0  # neither lids nor the other eye
    full = shift[eye][binding.gaze[eye] == 1.0]
    assert len(full) > 5 and torch.allclose(full, torch.tensor((0.05, 0.02, 0.0)).expand_as(full), atol=1e-6)
    # The white near the corners stays.
    assert binding.gaze[eye].min() < 0.35


def test_a_closing_eye_leaves_the_eyeball_and_takes_the_lid(face) -> None:
    binding = face[0]
    closing = moved(RIGHT_EYE_UPPER[1:-1], (0.0, -0.08, 0.01))
    shift = displacement(binding, closing)
    eye = shift[binding.part == Part.RIGHT_EYE]
    assert torch.count_nonzero(eye[:, :2]) == 0  # neither sideways nor down
    assert torch.allclose(eye[:, 2], torch.tensor(-RETREAT * 0.08))  # it goes back, so that the lid covers it
    assert shift[binding.part == Part.SKIN][:, 1].min() < -0.06


def test_a_widening_eye_pulls_its_rim_along(face) -> None:
    binding = face[0]
    shift = displacement(binding, moved(RIGHT_EYE_UPPER[1:-1], (0.0, 0.05, 0.0)))
    eye = binding.part == Part.RIGHT_EYE
    assert shift[eye][:, 1].max() > 0.03 and shift[eye][:, 1].min() >= 0
    squint = displacement(binding, moved(RIGHT_EYE_LOWER[1:-1], (0.0, 0.05, 0.0)))
    assert torch.count_nonzero(squint[eye][:, :2]) == 0


def test_jaw_takes_the_lower_mouth_and_leaves_the_upper(face) -> None:
    binding = face[0]
    shift = displacement(binding, moved(LIPS_INNER_LOWER[1:-1], (0.0, -0.1, 0.0)))
    lower = shift[binding.part == Part.LOWER_MOUTH]
    assert torch.allclose(lower, torch.tensor((0.0, -0.1, 0.0)).expand_as(lower), atol=1e-6)
    assert torch.count_nonzero(shift[binding.part == Part.UPPER_MOUTH]) == 0
    smile = displacement(binding, moved(LIPS_INNER_UPPER[1:-1], (0.0, 0.1, 0.0)))
    assert torch.count_nonzero(smile[binding.part == Part.UPPER_MOUTH]) == 0  # the teeth stay with the skull


def test_mirrored_binding_moves_as_the_mirror_image(face) -> None:
    binding = face[0]
    permutation = torch.from_numpy(mirror_permutation().copy())
    change = 0.05 * torch.randn(VERTICES, 3, generator=torch.Generator().manual_seed(0))
    mirror_image = mirror_points(change)[permutation]  # the change of a mirrored face
    there = displacement(binding.mirrored(permutation), mirror_image)
    assert torch.allclose(there, mirror_points(displacement(binding, change)), atol=1e-6)
    twice = binding.mirrored(permutation).mirrored(permutation)
    assert all(torch.equal(a, b) for a, b in zip(twice, binding))


def test_selected_points_move_as_before(face) -> None:
    binding = face[0]
    change = 0.05 * torch.randn(VERTICES, 3, generator=torch.Generator().manual_seed(1))
    index = torch.arange(0, len(binding.part), 7)
    assert torch.equal(displacement(binding.select(index), change), displacement(binding, change)[index])


def test_parts_of_triangles() -> None:
    parts = triangle_parts(triangles())
    assert (parts == Part.SKIN).mean() > 0.9
    assert set(np.unique(parts)) == {Part.SKIN, Part.RIGHT_EYE, Part.LEFT_EYE, Part.UPPER_MOUTH}


def test_residual_is_gated_by_the_change_of_expression() -> None:
    torch.manual_seed(0)
    network = DeformationMLP(DeformationConfig(hidden=16, layers=2, frequencies=2)).eval()
    points, beta = torch.randn(7, 3), torch.randn(EXPRESSION_COMPONENTS)
    with torch.no_grad():
        assert torch.count_nonzero(network(points, beta + 1, beta)) == 0
        network.last.weight.normal_()
        assert torch.count_nonzero(network(points, beta, beta)) == 0
        small, large = network(points, beta + 0.01, beta).norm(), network(points, beta + 1.0, beta).norm()
    assert 0 < small < 0.01 * large
