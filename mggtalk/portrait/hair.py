"""Long hair beside the jaw: it hangs to where the torso begins, so that head and torso go on moving as one.

The torso's plate moves at the rim of the head like points on the plane about which the neck turns (see
:mod:`mggtalk.inpaint.follow`). Hair that the rim cuts comes to lie on that plane, along its rays; what is at the height
of the ears stays where it is. The strip of it that borders on the cheek is the plate's as soon as the head turns (see
:mod:`mggtalk.avatar.turning`): on the head it would be stretched between the two, or turn with the cheek. Cheek and ear
are told from hair by their colour.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from mggtalk.face.masks import HeadMasks, below_rim, face_axes
from mggtalk.face.regions import face_mask
from mggtalk.geometry import camera_to_head, head_to_camera
from mggtalk.inpaint.follow import PIVOT_DEPTH
from mggtalk.nets.maps import erode, fill, step

HANGING = 0.3
"""Face heights above the rim of the head over which hair beside the jaw comes to the plane of the torso."""

NEAR, FAR = 0.03, 0.08
"""Face heights from the face from which on a pixel counts as hair where colours do not tell it, and from which on
colours are taken for those of hair; the strip between the face and the second is the plate's as well."""

TOLD = 0.15
"""Difference of colour from which on hair can be told from skin."""

LEAST = 0.01
"""Squared face heights of hair beside the jaw: with less of it nothing hangs."""

SPECK = 0.02
"""Side of the neighbourhood that is told as one, face heights."""


def part_hair(image: Tensor, masks: HeadMasks, landmarks: np.ndarray) -> HeadMasks:
    """Tell what is hair of all that hangs beside the face, and give what borders on the cheek to the torso.

    ::

        t = (c - skin) . (hair - skin) / |hair - skin|^2,        skin and hair from around

    Args:
        image: Portrait ``[3, S, S]``.
        masks: Its masks.
        landmarks: ``[478, 2 or 3]`` pixels.

    Returns:
        Masks with ``parted``, whose ``hanging`` is the rest of the hair.
    """
    size, height = image.shape[-1], face_axes(landmarks).height
    inside = face_mask(landmarks, size, size) > 0.5  # [S, S]
    away = torch.from_numpy(ndimage.distance_transform_edt(~inside)).float() / height
    hanging = torch.from_numpy(masks.hanging) > 0.5
    depth = torch.from_numpy(below_rim(landmarks, size)).float()
    sure = (hanging & (away > FAR) & (depth > -HANGING) & (depth < 0.0)).float()[None, None]  # [1, 1, S, S]
    face = erode(torch.from_numpy(inside).float()[None, None], max(1, round(SPECK * height)))
    if float(sure.sum()) < LEAST * height**2 or float(face.sum()) == 0.0:
        return masks._replace(hanging=np.zeros_like(masks.hanging))
    skin, hair = fill(image[None], face)[0], fill(image[None], sure)[0]  # [3, S, S]
    apart = hair - skin
    like = ((image - skin) * apart).sum(0) / apart.square().sum(0).clamp(min=1e-4)  # [S, S]
    like = torch.where(apart.norm(dim=0) > TOLD, like.clamp(0.0, 1.0), (away > NEAR).float())
    around = ndimage.gaussian_filter(like.numpy(), SPECK / 2 * height)
    is_hair = (hanging & torch.from_numpy(~inside)).numpy() & (around > 0.5) & (like.numpy() > 0.5)
    strip = torch.from_numpy(is_hair) * (1.0 - step(away, 0.8 * FAR, FAR)) * step(depth, -HANGING, -0.5 * HANGING)
    strip = ndimage.gaussian_filter(strip.numpy(), 0.7)  # [S, S]
    behind = (hanging & (away < 1.2 * FAR)) * step(depth, -0.9 * HANGING, -0.7 * HANGING)
    behind = ndimage.gaussian_filter(behind.numpy(), 0.5 * SPECK * height)  # [S, S]
    from_hair = ndimage.distance_transform_edt(~is_hair) / height if is_hair.any() else np.inf
    return masks._replace(
        neck=masks.neck * step(torch.as_tensor(from_hair).float(), 0.5 * FAR, FAR).numpy(),
        torso=np.maximum(masks.torso, masks.person * np.maximum(strip, behind)),
        hanging=(is_hair & (strip < 0.5)).astype(np.float32),
        parted=strip.astype(np.float32),
    )


def hanging_share(hair: Tensor, rim: Tensor) -> Tensor:
    """Share ``[H, W]`` of the way to the plane of the torso that hair is brought, see :func:`hang_hair`."""
    return step(rim, -HANGING, 0.0) * (hair > 0.5)


def hang_hair(cloud: Tensor, hair: Tensor, rim: Tensor, rotation: Tensor, translation: Tensor) -> Tensor:
    """Bring hair beside the jaw to the plane of the torso.

    Args:
        cloud: ``P_f [3, H, W]``.
        hair: ``[H, W]`` in [0, 1], what hangs beside the face.
        rim: ``[H, W]`` face heights below the rim of the head.
        rotation: Source head rotation ``[3, 3]``.
        translation: Source head translation ``[3]``.

    Returns:
        ``[3, H, W]``.
    """
    share = hanging_share(hair, rim)  # [H, W]
    in_camera = head_to_camera(cloud.flatten(1).T, rotation, translation)  # [H * W, 3]
    plane = translation[2] + PIVOT_DEPTH
    in_camera = in_camera * (1.0 + share.view(-1, 1) * (plane / in_camera[:, 2:].clamp(min=1.0) - 1.0))
    return camera_to_head(in_camera, rotation, translation).T.view_as(cloud)
