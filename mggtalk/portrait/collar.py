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

CHEEKS = (50, 280, 205, 425)
"""Vertices on the cheeks."""

CHIN = (-0.1, -0.02)
"""Face heights below the rim between which the chin shows its colour, or that of a beard."""

CLOTH = (0.4, 0.7)
"""Unlikeness to cheeks and chin from which on a place may be cloth, and is: shaded skin has .1 to .4, a shirt .7 or
more."""

SMOOTH = 0.02
"""Face heights over which it is taken together: a mole is no cloth."""

EDGE = 0.03
"""Face heights below the rim over which the head ends where cloth begins."""

BESIDE = 0.1
"""Face heights beside a neck over which long hair goes with the head again."""


def leave_collar(portrait: np.ndarray, masks: HeadMasks, landmarks: np.ndarray) -> HeadMasks:
    """Take cloth right under the jaw from the head, and from its pull.

    Args:
        portrait: uint8 ``[S, S, 3]``.
        masks: Of the portrait.
        landmarks: ``[478, 2 or 3]`` pixels.

    Returns:
        The masks with another ``head`` and ``follow``.
    """
    size, height = len(portrait), face_axes(landmarks).height
    depth = below_rim(landmarks, size, behind=False)
    neck = masks.neck / np.maximum(masks.person, 1e-3)  # [S, S]
    chin = (depth > CHIN[0]) & (depth < CHIN[1]) & (neck > 0.5)
    below = (depth > 0.0) & (depth < LEAST_PULL) & (neck > 0.5) & (masks.person > 0.5)
    if not chin.any() or not below.any():
        return masks
    x, y = landmarks[list(CHEEKS), :2].astype(int).clip(0, size - 1).T
    colours = [torch.from_numpy(np.median(shown, axis=0) / 255.0).float() for shown in (portrait[y, x], portrait[chin])]
    like = torch.stack([like_skin(to_float(portrait), colour) for colour in colours]).amax(0).numpy()  # [S, S]
    unlike = ndimage.gaussian_filter(1.0 - like, SMOOTH * height) * neck * (masks.loose == 0)  # [S, S]
    cloth = smoothstep(unlike, *CLOTH)  # [S, S]
    head = masks.head * (1.0 - cloth * smoothstep(depth, 0.0, EDGE))
    higher = LEAST_PULL * cloth[below].mean()  # the more of it is cloth, the earlier the pull ends
    if masks.parted.any() or masks.beside.any():
        higher = higher * ndimage.gaussian_filter(neck, BESIDE * height)
    return masks._replace(head=head.astype(np.float32), follow=follow_weight(depth + higher, height))
