"""A collar right under the chin stays with the shoulders: the head neither takes it along nor pulls it up its neck.

Skin and beard below the jaw go with the head, softly less and less. Cloth there does not: where the chin rises from it,
the neck behind comes to be seen.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage

from mggtalk.face.masks import LEAST_PULL, HeadMasks, below_rim, face_axes, follow_weight, smoothstep
from mggtalk.inpaint.plates import like_skin
from mggtalk.nets.maps import to_float

CHIN = (-0.1, -0.02)
"""Face heights below the rim between which the chin has its colour, or the beard its own."""

EDGE = 0.03
"""Face heights below the rim over which the head ends where cloth begins."""

SMOOTH = 0.02
"""Spread of what counts as cloth, face heights: a shadow or a mole is none."""

CHEEKS = (50, 280, 205, 425)
"""Vertices on the cheeks."""


def leave_collar(portrait: np.ndarray, masks: HeadMasks, landmarks: np.ndarray) -> HeadMasks:
    """Take from the head, and from its pull, the cloth right under the jaw.

    Args:
        portrait: uint8 ``[S, S, 3]``.
        masks: Of the portrait.
        landmarks: ``[478, 2 or 3]`` pixels.

    Returns:
        The masks with another ``head`` and ``follow``.
    """
    size, height = len(portrait), face_axes(landmarks).height
    depth = below_rim(landmarks, size)
    column = masks.neck / np.maximum(masks.person, 1e-3)  # [S, S]
    chin = (depth > CHIN[0]) & (depth < CHIN[1]) & (column > 0.5)
    below = (depth > 0.0) & (depth < LEAST_PULL) & (column > 0.5) & (masks.person > 0.5)
    if not chin.any() or not below.any():
        return masks
    x, y = np.clip(landmarks[list(CHEEKS), :2].astype(int), 0, size - 1).T
    image = to_float(portrait)
    own = [np.median(colours, axis=0) / 255.0 for colours in (portrait[y, x], portrait[chin])]  # [3] each
    like = torch.stack([like_skin(image, torch.from_numpy(colour).float()) for colour in own]).amax(0).numpy()
    cloth = ndimage.gaussian_filter(1.0 - like, SMOOTH * height) * column * (masks.loose == 0)  # [S, S]
    ends = smoothstep(depth, 0.0, EDGE)
    head = masks.head * (1.0 - smoothstep(cloth, 0.4, 0.7) * ends)
    share = smoothstep(cloth[below], 0.4, 0.7).mean()
    higher = LEAST_PULL * share
    if masks.parted.any() or masks.beside.any():  # long hair beside it goes with the head
        higher = higher * ndimage.gaussian_filter(column, 0.1 * height)
    return masks._replace(head=head.astype(np.float32), follow=follow_weight(depth + higher, height))
