"""``shape``: the symmetric cloud of the head, eq. 1 to 3."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from mggtalk.avatar.binding import Binding, Part
from mggtalk.config import DSGRConfig
from mggtalk.depth.estimator import DepthEstimator
from mggtalk.dsgr.mirror import MirroredHalf, VisibleHead, mirror_half
from mggtalk.dsgr.reconstruct import coarse_cloud
from mggtalk.dsgr.refine import RefineUNet
from mggtalk.face.topology import LEFT_IRIS, RIGHT_IRIS
from mggtalk.geometry import camera_to_head, head_to_camera, mirror_points, rotation_to_euler
from mggtalk.portrait.bind import bind
from mggtalk.portrait.face_trust import trust_points
from mggtalk.portrait.view import PortraitView

FALLOFF = 0.22
"""Decimetres over which the face's expression fades out beyond the mesh."""


SLIGHTLY, TURNED = 4.0, 12.0
"""Degrees of yaw from which the far ear is hidden, and from which the far side of the hair is as well. From there on
twins take over as the head turns to the front; from the larger one on where long hair hangs before the ears. Of a
portrait that is less turned, neither half shows more than the other."""


class HeadShape(NamedTuple):
    """The head's points on the position map, and their mirrored half."""

    cloud: Tensor  # [3, H, W] P_f, head frame, decimetres
    mask: Tensor  # [H, W] bool, the N pixels that are points
    colour: Tensor  # [3, H, W] RGB
    binding: Binding  # of the N points to the face model
    mirrored: Tensor  # [M] index of the visible twin of each mirrored point
    half: MirroredHalf  # P_f^s


def shape(
    view: PortraitView,
    estimator: DepthEstimator,
    refine: RefineUNet,
    config: DSGRConfig,
    on_progress: Callable[[str, int, int], None],
) -> HeadShape:
    """Estimate depth, integrate it (eq. 1), refine it (eq. 2), mirror it and filter the mirrored half (eq. 3).

    Args:
        view: The portrait.
        estimator: Depth and normals.
        refine: ``Phi_refine``.
        config: Of DSGR.
        on_progress: Called with stage, steps done and steps in all.
    """
    seen, pose = view.for_depth(), (view.rotation, view.translation)
    on_progress("depth", 0, 3)
    estimate = estimator(seen, on_progress)
    on_progress("surface", 1, 3)
    coarse, _ = coarse_cloud(seen, estimate, view.raster, view.camera, *pose, config)
    colour = view.head_colours()  # [3, H, W]
    mask = view.head > 0.02  # [H, W]
    cloud = coarse
    if not refine.untrained:
        device = next(refine.parameters()).device
        eye = camera_to_head(torch.zeros(1, 3), *pose)[0].to(device)
        head_image = (colour * view.head)[None].to(device)  # [1, 3, H, W]
        cloud = refine((coarse * mask)[None].to(device), head_image, eye)[0].cpu()
    on_progress("symmetry", 2, 3)
    binding = bind_points(view, mask, colour)
    least = TURNED if view.masks.hanging.any() else SLIGHTLY
    by_trust = replace(config, trust=config.trust and turned_by(view) > least)
    half = mirror_half(look_at_halves(view, cloud, mask, colour, binding), by_trust)
    mirrored = torch.nonzero(half.kept[mask]).squeeze(-1)  # [M]
    return HeadShape(cloud, mask, colour, binding, mirrored, half)


def bind_points(view: PortraitView, mask: Tensor, colour: Tensor) -> Binding:
    """Bind the head's points, the pixels of ``mask [H, W]`` with their colour ``[3, H, W]``, to the face model."""
    return bind(
        view.raster,
        view.face_model.triangles.numpy(),
        mask.numpy(),
        view.pixels,
        FALLOFF / view.pixel_size,
        colour.permute(1, 2, 0).numpy(),
    )


def turned_by(view: PortraitView) -> float:
    """Yaw of a portrait to either side, degrees."""
    return math.degrees(abs(float(rotation_to_euler(view.rotation)[1])))


def look_at_halves(view: PortraitView, cloud: Tensor, mask: Tensor, colour: Tensor, binding: Binding) -> VisibleHead:
    """Collect what the mirror needs: the points, how well they were seen, and how even the face is.

    No expression is even. Inside the face a twin is carried over by the face model, whose two halves were both fitted
    to the portrait::

        p^s = M p + sum_k w_k (V_sigma(k) - M V_k),        M = diag(-1, 1, 1), sigma the mirror image of a vertex

    Irises are no mirror images of one another, as both eyes look the same way: their own vertices carry them over.

    Args:
        view: The portrait.
        cloud: ``P_f [3, H, W]``.
        mask: ``[H, W]`` bool, its points.
        colour: ``[3, H, W]``.
        binding: Of the N points.
    """
    in_camera = head_to_camera(cloud.flatten(1).T, view.rotation, view.translation).T.view_as(cloud)  # [3, H, W]
    trust = trust_points(view, in_camera, mask, binding)  # [N]
    uneven = view.vertices[view.face_model.mirror] - mirror_points(view.vertices)  # [V, 3]
    shift = (uneven[binding.vertices] * binding.weights[..., None]).sum(1)  # [N, 3]
    for part, iris in ((Part.RIGHT_EYE, RIGHT_IRIS), (Part.LEFT_EYE, LEFT_IRIS)):
        share = (binding.gaze * (binding.part == part))[:, None]  # [N, 1]
        shift = shift + share * (uneven[list(iris)].mean(0) - shift)
    return VisibleHead(
        points=cloud,
        colour=colour,
        weight=view.head * (1.0 - view.sample(torch.from_numpy(view.masks.shed)[None])[0]),  # the rest is the torso's
        mask=mask,
        camera=view.camera,
        rotation=view.rotation,
        translation=view.translation,
        trust=trust,
        face=torch.from_numpy(view.raster.triangle >= 0)[mask],
        eye=(binding.part == Part.RIGHT_EYE) | (binding.part == Part.LEFT_EYE),
        axis=float(camera_to_head(view.skull[None], view.rotation, view.translation)[0, 2]),
        slightly=turned_by(view) <= TURNED,
        shift=shift,
    )
