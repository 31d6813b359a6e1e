"""Motion deformation, eq. 9: how the points of the head move when the expression changes.

The analytic estimate binds every point to the face model and moves it by the displacement of its three vertices for
``beta_d - beta_s``; an MLP adds a residual that starts at zero::

    P_d = P_f + sum_k w_k (V_k(beta_d) + MLP(V_k, beta_d, beta_s) - V_k(beta_s))

The MLP is evaluated at the vertices and reaches the points through the same binding: a hundred times cheaper than at
every point, and it cannot tear the surface.

Eyes and the inside of the mouth move by rules of their own: the eyeball follows the iris and is covered by the lids,
not squeezed by them; the upper teeth stay with the skull and the lower ones go with the lower lip.

Its compiled twin: :mod:`mggtalk.sgp.compiled.kernels`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from mggtalk.avatar.adapter import Touch
from mggtalk.avatar.avatar import Avatar
from mggtalk.avatar.binding import Binding, Part, inner_points
from mggtalk.config import EXPRESSION_COMPONENTS, DeformationConfig
from mggtalk.face.face_model import FaceModel
from mggtalk.face.topology import (
    LEFT_IRIS,
    LIPS_INNER_LOWER,
    LOWER_LIDS,
    RIGHT_IRIS,
    UPPER_LIDS,
)
from mggtalk.geometry import indices, mirror_points
from mggtalk.nets.gates import expression_gate
from mggtalk.nets.unet import is_zero, zero_init

RIGHT_LIDS, LEFT_LIDS = (159, 145), (386, 374)
"""Middle of the upper and the lower lid."""

RETREAT = 1.5
"""Retreat of an eyeball per closing of its lids, so that the lid of a deep-set eye covers it too."""


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
    """Motion of the eyes and the inside of the mouth."""

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
    """Measure how far the middle of the upper lid came down to that of the lower one, decimetres, at least 0."""
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

    def drive(self, face_model: FaceModel, avatar: Avatar, beta_d: Tensor) -> Tensor:
        """Drive the face model of an avatar.

        Args:
            face_model: The landmark 3DMM.
            avatar: Gives the identity, ``V(beta_s)`` and the source expression ``beta_s``.
            beta_d: Driving expression ``[..., K]``.

        Returns:
            ``V(beta_d)`` with the learned residual, ``[..., V, 3]``, head frame, decimetres.
        """
        vertices = face_model.vertices(avatar.identity, beta_d)  # [..., V, 3]
        return vertices if self.untrained else vertices + self(avatar.vertices, beta_d, avatar.expression)


class Driven(NamedTuple):
    """Geometry of one frame, or of B frames: all fields then have a leading axis B."""

    points: Tensor  # [N, 3] P_d
    mirrored: Tensor  # [M, 3] P_d^s
    vertices: Tensor  # [V, 3] driven face model
    expression: Tensor  # [K] beta_d
    touch: Touch | None = None  # what the avatar's adapter adds; it is in the geometry above already


def drive(
    deformation: DeformationMLP, face_model: FaceModel, avatar: Avatar, expression: Tensor, touch: Touch | None = None
) -> Driven:
    """Eq. 9 as a whole: the geometry of an avatar for ``beta_d [..., K]``.

    Its compiled twin, from the driven face model on, is :meth:`mggtalk.sgp.compiled.predictor.CpuPredictor.points`.

    Args:
        deformation: The learned residual.
        face_model: The landmark 3DMM.
        avatar: The prepared portrait.
        expression: ``beta_d [..., K]``.
        touch: What the avatar's adapter adds.
    """
    return drive_points(avatar, deformation.drive(face_model, avatar, expression), expression, touch)


def drive_points(avatar: Avatar, vertices: Tensor, expression: Tensor, touch: Touch | None = None) -> Driven:
    """The analytic part of eq. 9.

    Args:
        avatar: The prepared portrait.
        vertices: Driven face model ``V(beta_d) [..., V, 3]`` with the avatar's identity.
        expression: ``beta_d [..., K]``.
        touch: What the avatar's adapter adds.

    Returns:
        Driven points of both halves.
    """
    if touch is not None:
        vertices = vertices + touch.vertices
    moved = vertices - avatar.vertices
    inner, mirrored_inner = avatar.inner
    points = avatar.points + displacement(avatar.binding, moved, inner)
    mirrored = avatar.mirrored_points + displacement(avatar.mirrored_binding, moved, mirrored_inner)
    if touch is not None:
        points = points + touch.points
        mirrored = mirrored + mirror_points(touch.points[..., avatar.mirrored, :])
    return Driven(points, mirrored, vertices, expression, touch)
