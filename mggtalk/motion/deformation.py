"""Motion deformation, eq. 9: how the points of the head move when the expression changes.

The analytic estimate binds every point to the face model and moves it by the displacement of its three vertices for
``beta_d - beta_s``; an MLP adds a residual that starts at zero::

    P_d = P_f + sum_k w_k (V_k(beta_d) + MLP(V_k, beta_d, beta_s) - V_k(beta_s))

The MLP is evaluated at the vertices and reaches the points through the same binding: a hundred times cheaper than at
every point, and it cannot tear the surface.

Eyes and the inside of the mouth move by rules of their own: the eyeball follows the iris and is covered by the lids,
not squeezed by them; the upper teeth stay with the skull and the lower ones go with the lower lip.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor, nn

from mggtalk.config import EXPRESSION_COMPONENTS, DeformationConfig
from mggtalk.depth.raster import MeshRaster
from mggtalk.face.face_model import FaceModel
from mggtalk.face.topology import (
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    LEFT_IRIS,
    LIPS_INNER_LOWER,
    LIPS_INNER_UPPER,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
    RIGHT_IRIS,
)
from mggtalk.gates import expression_gate
from mggtalk.geometry import indices
from mggtalk.motion.teeth_border import teeth_border
from mggtalk.networks import is_zero, zero_init

UPPER_LIDS = (*RIGHT_EYE_UPPER[1:-1], *LEFT_EYE_UPPER[1:-1])
LOWER_LIDS = (*RIGHT_EYE_LOWER[1:-1], *LEFT_EYE_LOWER[1:-1])


RIGHT_LIDS, LEFT_LIDS = (159, 145), (386, 374)
"""Middle of the upper and the lower lid."""

RETREAT = 1.5
"""How far an eyeball goes back per closing of its lids, so that the lid of a deep-set eye covers it too."""

LASH_BAND = 2.0
"""How much faster than linear the lid's motion sets in above its rim; 2: its lower half moves as one piece."""

CLOSED_MOUTH = 0.014
"""Gap between the lips, over the side of the map, under which a mouth counts as closed."""


class Part(IntEnum):
    """What a point belongs to."""

    SKIN = 0  # skin, hair and everything rigid
    RIGHT_EYE = 1  # the subject's right eyeball
    LEFT_EYE = 2
    UPPER_MOUTH = 3  # inside of the mouth that stays with the skull
    LOWER_MOUTH = 4  # inside of the mouth that goes with the jaw


class Binding(NamedTuple):
    """How N points hang on the face model."""

    vertices: Tensor  # [N, 3] int64 vertex indices
    weights: Tensor  # [N, 3] float; they sum to the share of the displacement that the point takes
    part: Tensor  # [N] int64, a Part
    gaze: Tensor  # [N] float: share of the iris displacement that an eye point takes

    def mirrored(self, permutation: Tensor) -> Binding:
        """The binding of the mirrored points; ``permutation [V]`` maps each vertex to its mirror image."""
        swap = torch.tensor([Part.SKIN, Part.LEFT_EYE, Part.RIGHT_EYE, Part.UPPER_MOUTH, Part.LOWER_MOUTH])
        return self._replace(vertices=permutation[self.vertices], part=swap[self.part])

    def select(self, index: Tensor) -> Binding:
        """The binding of a subset of the points (bool mask or indices)."""
        return Binding(*(field[index] for field in self))


def triangle_parts(triangles: np.ndarray) -> np.ndarray:
    """Part of each triangle ``[F, 3]``: those spanned by one eye's rim, or by the inner lips, are not skin."""
    parts = np.full(len(triangles), int(Part.SKIN))
    rims = {
        Part.RIGHT_EYE: (*RIGHT_EYE_UPPER, *RIGHT_EYE_LOWER),
        Part.LEFT_EYE: (*LEFT_EYE_UPPER, *LEFT_EYE_LOWER),
        Part.UPPER_MOUTH: (*LIPS_INNER_UPPER, *LIPS_INNER_LOWER),
    }
    for part, rim in rims.items():
        parts[np.isin(triangles, rim).all(1)] = part
    return parts


def bind(
    raster: MeshRaster,
    triangles: np.ndarray,
    mask: np.ndarray,
    pixels: np.ndarray,
    falloff_pixels: float,
    image: np.ndarray,
) -> Binding:
    """Bind the pixels of the head to the mesh that was rasterised over them.

    Args:
        raster: The tracked mesh on the crop.
        triangles: ``[F, 3]`` vertex indices.
        mask: ``[H, W]`` bool, N pixels that show the head.
        pixels: ``[V, 2]`` vertices in crop pixels.
        falloff_pixels: Outside the mesh a pixel takes the displacement of the nearest mesh pixel, times a Gaussian of
            its distance with this standard deviation.
        image: The portrait on the crop ``[H, W, 3]``, which tells upper from lower teeth.

    Returns:
        The binding of the N pixels in row-major order.
    """
    face = raster.triangle >= 0
    distance, nearest = ndimage.distance_transform_edt(~face, return_indices=True)
    rows, columns = nearest[0][mask], nearest[1][mask]  # [N]
    triangle = raster.triangle[rows, columns]
    vertices = triangles[triangle]  # [N, 3]
    share = np.exp(-0.5 * (distance[mask] / falloff_pixels) ** 2)
    weights = raster.barycentric[rows, columns] * share[:, None]  # [N, 3]
    part = np.where(distance[mask] == 0, triangle_parts(triangles)[triangle], int(Part.SKIN))
    lower_lip = np.isin(vertices, LIPS_INNER_LOWER[1:-1])  # [N, 3]
    down = (weights * lower_lip).sum(1) / np.maximum(weights.sum(1), 1e-9)  # [N] from the upper lip to the lower
    on_lower = down > 0.5
    inside = part == Part.UPPER_MOUTH
    if np.linalg.norm(pixels[LIPS_INNER_UPPER[5]] - pixels[LIPS_INNER_LOWER[5]]) < CLOSED_MOUTH * len(mask):
        # Nothing of the inside shows: what lies between the lips belongs to one of them, never to both.
        one_side = np.where(lower_lip == on_lower[:, None], weights, 0.0)
        one_side *= weights.sum(1, keepdims=True) / np.maximum(one_side.sum(1, keepdims=True), 1e-6)
        weights = np.where(inside[:, None] & (one_side.sum(1, keepdims=True) > 0), one_side, weights)
        part = np.where(inside, int(Part.SKIN), part)
    open_mouth = part == Part.UPPER_MOUTH
    border = teeth_border(down[open_mouth], image[mask][open_mouth])
    part = np.where(open_mouth & (down > border), int(Part.LOWER_MOUTH), part)
    grid = np.argwhere(mask)[:, ::-1] + 0.5  # [N, 2] x, y
    gaze = np.zeros(len(grid))
    for eye, iris in ((Part.RIGHT_EYE, RIGHT_IRIS), (Part.LEFT_EYE, LEFT_IRIS)):
        centre = pixels[list(iris)].mean(0)
        radius = np.linalg.norm(pixels[list(iris[1:])] - centre, axis=1).mean()
        reach = np.linalg.norm(grid - centre, axis=1) / max(radius, 1e-3)
        gaze = np.where(part == eye, np.clip(1.0 - (reach - 1.1) / 1.6, 0.0, 1.0), gaze)
    thin = _keep_lashes_thin(weights, np.isin(vertices, UPPER_LIDS))
    weights = np.where((part == Part.SKIN)[:, None], thin, weights)
    return Binding(
        vertices=torch.from_numpy(vertices.astype(np.int64)),
        weights=torch.from_numpy(weights.astype(np.float32)),
        part=torch.from_numpy(part.astype(np.int64)),
        gaze=torch.from_numpy(gaze.astype(np.float32)),
    )


def _keep_lashes_thin(weights: np.ndarray, on_lid: np.ndarray) -> np.ndarray:
    """Let the band above the rim of the upper lid move with the rim.

    A lid that closes unfolds skin; the mesh stretches everything between the rim and the crease instead, lashes too.
    With this, lashes keep their width and the stretch falls on the skin above them.

    Args:
        weights: ``[N, 3]``.
        on_lid: ``[N, 3]`` bool, vertices on the rims of the upper lids.

    Returns:
        ``[N, 3]`` with the same sums.
    """
    total = weights.sum(1, keepdims=True)
    share = (weights * on_lid).sum(1, keepdims=True) / np.maximum(total, 1e-9)
    wanted = np.minimum(LASH_BAND * share, 1.0)
    rim = weights * wanted / np.maximum(share, 1e-9)
    rest = weights * (1.0 - wanted) / np.maximum(1.0 - share, 1e-9)
    return np.where(share > 0, np.where(on_lid, rim, rest), weights)


def inner_points(binding: Binding) -> Tensor:
    """Indices of the few hundred points in the eyes and the mouth ``[M]``."""
    return torch.nonzero(binding.part != Part.SKIN).squeeze(-1)


def displacement(binding: Binding, moved: Tensor, inner: Tensor | None = None) -> Tensor:
    """Displacement of bound points.

    Args:
        binding: N points.
        moved: Displacement of the face model's vertices ``V(beta_d) - V(beta_s)``, ``[..., V, 3]``, head frame.
        inner: Indices of those in the eyes and the mouth, where they are known; see :func:`inner_points`.

    Returns:
        ``[..., N, 3]`` decimetres.
    """
    shift = (moved[..., binding.vertices, :] * binding.weights[..., None]).sum(-2)  # [..., N, 3]
    inner = inner_points(binding) if inner is None else inner
    if len(inner):
        bound = shift[..., inner, :]  # [..., M, 3]
        shift = shift.index_copy(-2, inner, _inner_displacement(binding.select(inner), moved, bound))
    return shift


class InnerMotion(NamedTuple):
    """What moves the eyes and the inside of the mouth."""

    iris: Tensor  # [..., 2, 3] displacement of the right and the left iris
    closing: Tensor  # [..., 2] how far the lids of the right and the left eye came together
    pull: Tensor  # [..., V] by how much each vertex of a lid opens the eye, head-frame y
    jaw: Tensor  # [..., 3] displacement of the lower teeth

    @staticmethod
    def of(moved: Tensor) -> InnerMotion:
        """The motion of a face model whose vertices moved by ``[..., V, 3]``."""

        def at(vertices: tuple[int, ...]) -> Tensor:
            return moved[..., indices(vertices, moved), :]  # [..., n, 3]

        # An eye that opens wider pulls its rim along; an eye that closes only covers the eyeball.
        pull = torch.zeros_like(moved[..., 1])  # [..., V]
        pull[..., indices(UPPER_LIDS, moved)] = at(UPPER_LIDS)[..., 1].clamp(min=0)
        pull[..., indices(LOWER_LIDS, moved)] = at(LOWER_LIDS)[..., 1].clamp(max=0)
        return InnerMotion(
            iris=torch.stack([at(RIGHT_IRIS).mean(-2), at(LEFT_IRIS).mean(-2)], dim=-2),
            closing=torch.stack([_closing(moved, RIGHT_LIDS), _closing(moved, LEFT_LIDS)], dim=-1),
            pull=pull,
            jaw=at(LIPS_INNER_LOWER[3:-3]).mean(-2),
        )


def _inner_displacement(binding: Binding, moved: Tensor, bound: Tensor) -> Tensor:
    """Eyes and mouth: ``bound [..., M, 3]`` is the displacement that skin would have there."""
    inner = InnerMotion.of(moved)
    on_left = binding.part == Part.LEFT_EYE
    iris = torch.where(on_left[:, None], inner.iris[..., 1:, :], inner.iris[..., :1, :])  # [..., M, 3]
    closing = torch.where(on_left, inner.closing[..., 1:], inner.closing[..., :1])  # [..., M]
    opening = (inner.pull[..., binding.vertices] * binding.weights).sum(-1)  # [..., M]
    gaze = binding.gaze
    eye = torch.stack([iris[..., 0] * gaze, iris[..., 1] * gaze + opening, -RETREAT * closing], -1)
    jaw = inner.jaw[..., None, :].expand_as(bound)
    part = binding.part[:, None]
    return torch.where(part <= Part.LEFT_EYE, eye, torch.where(part == Part.LOWER_MOUTH, jaw, torch.zeros_like(bound)))


def _closing(moved: Tensor, lids: tuple[int, int]) -> Tensor:
    """How far the middle of the upper lid came down to that of the lower one, decimetres, at least 0."""
    upper, lower = lids
    return (moved[..., lower, 1] - moved[..., upper, 1]).clamp(min=0)


class DeformationMLP(nn.Module):
    """The learned residual of eq. 9 on points, driving and source expression."""

    def __init__(self, config: DeformationConfig) -> None:
        super().__init__()
        self.frequencies = config.frequencies
        inputs = 3 + 6 * config.frequencies + 2 * EXPRESSION_COMPONENTS
        layers: list[nn.Module] = []
        for _ in range(config.layers):
            layers += [nn.Linear(inputs, config.hidden), nn.SiLU()]
            inputs = config.hidden
        self.body = nn.Sequential(*layers)
        self.last = zero_init(nn.Linear(inputs, 3))

    @property
    def untrained(self) -> bool:
        """Whether the residual is identically zero and nothing is learning it."""
        return not self.training and is_zero(self.last)

    def forward(self, points: Tensor, beta_d: Tensor, beta_s: Tensor) -> Tensor:
        """Residual displacement.

        Args:
            points: ``[N, 3]`` head frame, decimetres.
            beta_d: Driving expression ``[..., K]``.
            beta_s: Source expression ``[K]``.

        Returns:
            ``[..., N, 3]``; multiplied by the distance of the expressions, so that no change means no residual.
        """
        octaves = 2.0 ** torch.arange(self.frequencies, device=points.device, dtype=points.dtype)
        phases = (points[..., None] * octaves).flatten(-2)  # [N, 3 * frequencies]
        place = torch.cat([points, phases.sin(), phases.cos()], dim=-1)  # [N, 3 + 6 * frequencies]
        change = torch.cat([beta_d, beta_s.expand_as(beta_d)], dim=-1)[..., None, :]  # [..., 1, 2K]
        shape = (*beta_d.shape[:-1], len(points), -1)
        hidden = self.body(torch.cat([place.expand(shape), change.expand(shape)], dim=-1))
        return expression_gate(beta_d, beta_s)[..., None, None] * self.last(hidden)

    def drive(
        self, face_model: FaceModel, avatar_vertices: Tensor, identity: Tensor, beta_d: Tensor, beta_s: Tensor
    ) -> Tensor:
        """Driven face model.

        Args:
            face_model: The landmark 3DMM.
            avatar_vertices: Face model of the source ``V(beta_s)``, ``[V, 3]``.
            identity: Its identity ``[I]``.
            beta_d: Driving expression ``[..., K]``.
            beta_s: Source expression ``[K]``.

        Returns:
            ``V(beta_d)`` with the learned residual, ``[..., V, 3]``, head frame, decimetres.
        """
        vertices = face_model.vertices(identity, beta_d)  # [..., V, 3]
        return vertices if self.untrained else vertices + self(avatar_vertices, beta_d, beta_s)
