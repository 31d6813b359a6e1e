"""From a square portrait to an avatar: the part of the pipeline that runs once per person.

::

    see ─► shape (eq. 1 to 3) ─► bind to the face model ─► paint what is hidden ─► Avatar
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mggtalk.avatar.avatar import Avatar
from mggtalk.avatar.binding import Part
from mggtalk.avatar.neighbours import Neighbours
from mggtalk.avatar.turning import Turning, soft_opacity
from mggtalk.avatar.window import MovingWindow
from mggtalk.config import DSGRConfig
from mggtalk.depth.estimator import DepthEstimator
from mggtalk.dsgr.refine import RefineUNet
from mggtalk.dsgr.trust import facing, purity
from mggtalk.face.face_model import FaceModel
from mggtalk.face.lips import lip_heights
from mggtalk.face.topology import LIPS_INNER_UPPER
from mggtalk.geometry import camera_to_head, head_to_camera
from mggtalk.inpaint.plates import make_plates
from mggtalk.nets.maps import step, to_colour_map
from mggtalk.portrait.hair_depth import measure_hair
from mggtalk.portrait.mouth_pixels import dark_slit, lip_line, thin_rim
from mggtalk.portrait.paint import paint_back, paint_folds, paint_mouth
from mggtalk.portrait.shape import HeadShape, shape
from mggtalk.portrait.view import PortraitView
from mggtalk.runtime.progress import Progress

STEEP, AROUND = (0.25, 0.45), 5
"""Cosines between normal and ray under which a point beside the face is of no use from the side, and over which it is
shown, where a pixel is stretched four times and twice; and side of the neighbourhood that has one share, pixels."""

HALF = 0.1
"""Share of the visible points whose twins are a half at least: less, of a head that is hardly turned, is the rim of an
ear or a strand, which closes a gap at small turns and stands apart like a hook at larger ones. Of 57 portraits 21 have
up to .06, and eight, all turned, .16 and more."""

EYE_SETBACK, MOUTH_SETBACK = 0.03, 0.06
"""Decimetres that eyeballs and the seen inside of the mouth lie behind the lids and lips."""


@torch.no_grad()
def build_avatar(
    view: PortraitView, estimator: DepthEstimator, refine: RefineUNet, config: DSGRConfig, on_progress: Progress
) -> Avatar:
    """Run DSGR and collect the avatar (colours not yet calibrated).

    Args:
        view: What is seen of the portrait, see :func:`mggtalk.portrait.view.see`.
        estimator: Depth and normals.
        refine: ``Phi_refine``.
        config: Settings of DSGR.
        on_progress: Called with stage, steps done and steps in all.
    """
    head = shape(view, estimator, refine, config, on_progress)
    binding = head.binding
    own = head.colour[:, head.mask].T.contiguous()  # [N, 3]
    half = view.camera.side / view.camera.map_size / 2
    child = to_colour_map(view.foreground, view.grid[head.mask] + half, view.size)  # [N, 3]
    child = torch.where(view.shown[head.mask][:, None], child, own)
    on_progress("avatar", 3, 3)
    hair = np.stack([view.masks.shed, view.masks.beside])  # [2, S, S]
    parted, beside = view.sample(torch.from_numpy(hair))[:, head.mask]  # [N] each
    grazed = find_grazed(view, head)  # [N]
    signs = head.cloud[0, head.mask].sign(), head.half.points[:, 0].sign()  # [N], [M]
    sliver = len(head.mirrored) < HALF * len(own) and not bool(head.half.replaced.any())
    beside, beside_twins = signs[0] * beside, signs[1] * (1.0 if sliver else beside[head.mirrored])
    grazed, twins = signs[0] * grazed, signs[1] * grazed[head.mirrored]
    mouth = find_lip_line(view, head), opening(view.face_model)  # [N], [K]
    back, back_alone = paint_back(view, head)
    hidden = parted, beside, beside_twins, grazed, twins
    turning = Turning(head.half.replaced, head.half.replacing, *hidden, *mouth, back_alone)
    nearer = measure_hair(view, head.cloud, head.mask)
    return Avatar(
        identity=view.fit.identity,
        expression=view.expression,
        rotation=view.rotation,
        translation=view.translation,
        vertices=view.vertices,
        mask=head.mask,
        neighbours=Neighbours.of(head.mask),
        points=set_back(view, head.cloud[:, head.mask].T.contiguous(), binding.part),
        colour=own,
        colour_step=child - own,
        opacity=soft_opacity(view.head[head.mask]),
        binding=binding,
        mirrored=head.mirrored,
        mirrored_points=head.half.points,
        mirrored_colour=head.half.colour,
        mirrored_binding=binding.select(head.mirrored).mirrored(view.face_model.mirror),
        back=back,
        mouth=paint_mouth(view, own, binding.part),
        folds=paint_folds(view, head),
        head_image=torch.cat([head.colour * view.head, view.head[None]])[None],  # [1, 4, H, W]
        window=MovingWindow.of(head.mask, binding.weights.sum(-1)),
        plates=make_plates(view.image, view.masks, view.matte, view.skin, nearer),
        pixel_size=torch.tensor(view.pixel_size),
        turning=turning if any(bool(share.any()) for share in turning[:-2]) else None,
    )


def find_grazed(view: PortraitView, head: HeadShape) -> Tensor:
    """Find what was seen too badly to be looked at from the side ``[N]``: soft edges, steep slopes."""
    in_camera = head_to_camera(head.cloud.flatten(1).T, view.rotation, view.translation).T.view_as(head.cloud)
    face = torch.from_numpy(view.raster.triangle >= 0)  # [H, W] whose depth is the face model's
    seen = step(facing(in_camera), *STEEP) * purity(view.head)  # [H, W]
    seen = F.avg_pool2d(seen[None], AROUND, stride=1, padding=AROUND // 2)[0]
    return torch.where(face, 0.0, 1.0 - seen)[head.mask]


def find_lip_line(view: PortraitView, head: HeadShape) -> Tensor:
    """Find the dark line between teeth and lower lip, or the dark of a slit: ``[N]``, 1 where a point belongs to it."""
    inside, lower = torch.zeros_like(head.mask), torch.zeros_like(head.mask)
    inside[head.mask] = head.binding.part >= Part.UPPER_MOUTH  # [H, W]
    lower[head.mask] = head.binding.part == Part.LOWER_MOUTH  # [H, W]
    seen = head.colour.permute(1, 2, 0).numpy(), inside.numpy(), view.pixels
    line = lip_line(*seen) | dark_slit(*seen) | thin_rim(lower.numpy())
    return torch.from_numpy(line)[head.mask].float()


def opening(face_model: FaceModel) -> Tensor:
    """By how much the lips open with each component of the expression ``[K]``, decimetres per unit."""
    return lip_heights(face_model.expression_basis)[:, len(LIPS_INNER_UPPER) // 2]  # of the middle


def set_back(view: PortraitView, points: Tensor, part: Tensor) -> Tensor:
    """Push eyeballs and the seen inside of the mouth back along the portrait's rays.

    Args:
        view: The portrait.
        points: ``[N, 3]`` head frame, decimetres.
        part: What each belongs to, ``[N]``.
    """
    setback = torch.zeros(len(points))
    setback[(part == Part.RIGHT_EYE) | (part == Part.LEFT_EYE)] = EYE_SETBACK
    setback[part >= Part.UPPER_MOUTH] = MOUTH_SETBACK
    in_camera = head_to_camera(points, view.rotation, view.translation)
    in_camera = in_camera * (1.0 + setback / in_camera[:, 2])[:, None]
    return camera_to_head(in_camera, view.rotation, view.translation)
