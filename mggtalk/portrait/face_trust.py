"""Trust in each point, by how well the portrait sees it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mggtalk.avatar.binding import Binding, Part
from mggtalk.dsgr.trust import FULL_VIEW, GRAZING, sight_trust
from mggtalk.nets.maps import step
from mggtalk.portrait.view import PortraitView

HIDDEN = 0.12
"""Decimetres that a vertex lies behind what the portrait shows of the mesh when the nose or the cheek hides it."""


def trust_points(view: PortraitView, in_camera: Tensor, mask: Tensor, binding: Binding) -> Tensor:
    """Trust in the head's points.

    Args:
        view: The portrait.
        in_camera: Surface ``[3, H, W]``, camera frame.
        mask: ``[H, W]`` bool, its N points.
        binding: Of the points to the face model.

    Returns:
        ``[N]`` in [0, 1].
    """
    trust = sight_trust(in_camera, view.head)[mask]  # [N]
    face = torch.from_numpy(view.raster.triangle >= 0)[mask]
    vertices = vertex_trust(view)  # [V]
    weights = binding.weights / binding.weights.sum(1, keepdim=True).clamp(min=1e-6)  # [N, 3]
    own = (vertices[binding.vertices] * weights).sum(1)
    for eye in (Part.RIGHT_EYE, Part.LEFT_EYE):
        inside = face & (binding.part == eye)
        if bool(inside.any()):
            own[inside] = own[inside].mean()
    return torch.where(face, own, trust)


def vertex_trust(view: PortraitView) -> Tensor:
    """Trust in the vertices of the face model ``[V]``, by the angle at which the portrait sees them."""
    points, triangles = view.in_camera, view.face_model.triangles.long()
    a, b, c = points[triangles].unbind(1)  # [F, 3]
    faces = torch.linalg.cross(b - a, c - a)  # [F, 3] length: twice the area
    normals = torch.zeros_like(points).index_add(0, triangles.flatten(), faces.repeat_interleave(3, 0))  # [V, 3]
    outward = (normals * (points - view.skull)).sum(-1).sum().sign()  # the winding of the triangles
    cosine = -(outward * F.normalize(normals, dim=-1) * F.normalize(points, dim=-1)).sum(-1)  # [V]
    side = view.camera.map_size
    x, y = torch.from_numpy(view.pixels).float().floor().long().clamp(0, side - 1).unbind(-1)
    shown = torch.from_numpy(view.raster.depth)[y, x]
    return torch.where(points[:, 2] > shown + HIDDEN, 0.0, step(cosine, GRAZING, FULL_VIEW))
