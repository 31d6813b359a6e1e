"""What the rim of the head takes along next to the jaw: it is a little wider than the jaw.

Hair, a collar or a shadow between the two would go with a turning head as a dark line along its jaw. Behind them the
torso goes on, so that the head may lose them.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from mggtalk.face.masks import HeadMasks, face_axes
from mggtalk.face.regions import face_mask
from mggtalk.face.skin import skin_distance
from mggtalk.nets.maps import dilate, erode, fill, step

INSIDE = 0.02
"""Face heights inside the outline of the face from where on all is skin, or beard."""

RIM, BESIDE = 0.1, 0.05
"""Face heights above the rim from where on all beside the face is an ear or hair, which go with the head; and away from
the face, as behind the ear of a turned one."""

SHADE = (0.4, 1.2)
"""Brightness of skin below and beside the jaw over that of the skin inside."""

UNLIKE = (0.12, 0.2)
"""Difference of colour, RGB in [0, 1], from which on a pixel may be no skin, and is none."""

MIXED = 0.01
"""Face heights around such pixels in which the two colours mix."""


def find_fringe(portrait: Tensor, masks: HeadMasks, landmarks: np.ndarray) -> HeadMasks:
    """Find what is next to a jaw and has another colour than the skin inside of it.

    Args:
        portrait: ``[3, S, S]`` RGB in [0, 1].
        masks: Of the portrait.
        landmarks: ``[478, 2 or 3]`` pixels.

    Returns:
        The masks with their ``fringe``.
    """
    size, height = portrait.shape[-1], face_axes(landmarks).height
    inside = torch.from_numpy(face_mask(landmarks, size, size))  # [S, S]
    face = erode(inside.float()[None, None], max(1, round(INSIDE * height)))  # [1, 1, S, S]
    if float(face.sum()) == 0.0:
        return masks
    skin = fill(portrait[None], face)[0]  # [3, S, S] of the nearest skin
    apart = skin_distance(portrait, skin, SHADE)  # [S, S]
    depth = torch.from_numpy(masks.depth)
    away = torch.from_numpy(ndimage.distance_transform_edt(~inside.numpy())) < BESIDE * height  # [S, S]
    near = step(depth, -RIM, 0.0) * (1.0 - step(depth, 0.0, INSIDE)) * (away & ~inside)  # [S, S]
    other = dilate((step(apart, *UNLIKE) * near)[None, None], max(1, round(MIXED * height)))[0, 0]  # [S, S]
    return masks._replace(fringe=masks.torso * other.numpy())
