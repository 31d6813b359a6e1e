"""Cloth stays with the shoulders: the head neither takes it along nor pulls it up its neck.

Skin and beard below the jaw go with the head, softly less and less; cloth there does not, nor a shoulder or a collar
beside the face of a bowed head, or between the outline of the face model and the face. Cloth is told by its colour c
from that of the head, with the distance ``d`` to colours that each of them shows where it is sure ::

    s = d(c, head) / (d(c, head) + d(c, torso) + NOISE)

and it hangs together with the torso. Hair and skin that are seen on both have s of a half or less.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from scipy.spatial import KDTree

from mggtalk.face.masks import LEAST_PULL, HeadMasks, down_the_face, face_axes, follow_weight
from mggtalk.face.regions import face_mask
from mggtalk.face.skin import skin_distance

SAMPLES, NEAREST = 1000, 10
"""Number of pixels that show the colours of head and of torso, and which of the nearest of them gives the distance: a
hundredth of them may be something else."""

FACE = 0.05
"""Face heights inside the outline of the face model from where on all is the head's."""

SKULL, TORSO = (0.15, 0.35), (0.3, 0.2)
"""Face heights above the middle of the face and above the rim from where on all is the head's; and below both, the
torso's."""

NOISE = 0.03
"""Distance of two colours, square roots of RGB in [0, 1], that are hard to tell apart."""

SHADE = (0.6, 1.0)
"""Brightness of skin below the jaw over that of the face, square root."""

CLOTH, EVEN = 0.68, 0.6
"""Values of s from which on a place may be cloth, and from which on it is, next to such a place."""

SMOOTH, EDGE = 0.02, 0.06
"""Face heights over which s is taken together, as a mole is no cloth, and that are next to a place."""

FINE = 256
"""Pixels along a side of the picture on which it is measured."""

BESIDE = 0.1
"""Face heights beside a neck over which long hair goes with the head again."""


def leave_cloth(portrait: np.ndarray, masks: HeadMasks, landmarks: np.ndarray) -> HeadMasks:
    """Take cloth from the head, and from its pull.

    Args:
        portrait: uint8 ``[S, S, 3]``.
        masks: Of the portrait, whose hanging hair is known (:func:`mggtalk.portrait.hair.part_hair`).
        landmarks: ``[478, 2 or 3]`` pixels.

    Returns:
        The masks with another ``head``, ``torso`` and ``follow``.
    """
    height = face_axes(landmarks).height
    cloth = find_cloth(portrait, masks, landmarks)  # [S, S]
    if cloth is None:
        return masks
    neck = masks.neck / np.maximum(masks.person, 1e-3)  # [S, S]
    below = (masks.below_face > 0.0) & (masks.below_face < LEAST_PULL) & (neck > 0.5) & (masks.person > 0.5)
    higher = LEAST_PULL * cloth[below].mean() if below.any() else 0.0  # the more is cloth, the earlier the pull ends
    follow = follow_weight(masks.below_face + higher * ndimage.gaussian_filter(neck, BESIDE * height), height)
    head, torso = masks.head * (1.0 - cloth), np.maximum(masks.torso, masks.person * cloth)
    return masks._replace(head=head.astype(np.float32), torso=torso.astype(np.float32), follow=follow)


def find_cloth(portrait: np.ndarray, masks: HeadMasks, landmarks: np.ndarray) -> np.ndarray | None:
    """Find cloth: ``[S, S]`` in [0, 1]; None where the picture shows no torso, or no face.

    Args:
        portrait: uint8 ``[S, S, 3]``.
        masks: Of the portrait, whose hanging hair is known (:func:`mggtalk.portrait.hair.part_hair`).
        landmarks: ``[478, 2 or 3]`` pixels.
    """
    size, height = len(portrait), face_axes(landmarks).height
    step = max(1, size // FINE)
    colour = ndimage.uniform_filter(portrait.astype(np.float32) / 255.0, (step, step, 0))[::step, ::step]  # [s, s, 3]
    colour = np.sqrt(colour)
    person, depth = masks.person[::step, ::step] > 0.9, masks.depth[::step, ::step]  # [s, s]
    down = down_the_face(landmarks, size)[::step, ::step]
    face = ndimage.distance_transform_edt(face_mask(landmarks, size, size))[::step, ::step] > FACE * height
    head = person & (face | ((down < -SKULL[0]) & (depth < -SKULL[1])))
    hair = masks.hanging[::step, ::step] > 0.5  # it is of the head's colours, wherever it hangs
    torso = person & (down > TORSO[0]) & (depth > TORSO[1]) & ~hair
    face &= person
    if min(face.sum(), torso.sum()) < NEAREST:
        return None
    unsure = person & ~head
    seen, skin = colour[unsure], np.median(colour[face], axis=0)  # [U, 3], [3]
    in_light = torch.from_numpy(seen.T), torch.from_numpy(skin)[:, None]  # [3, U], [3, 1]
    from_skin = skin_distance(*in_light, lights=SHADE).numpy()  # [U] below the jaw skin lies in shadow
    from_head = np.minimum(distance(seen, colour[head | hair]), from_skin)  # [U]
    unlike = np.zeros(person.shape)
    unlike[unsure] = from_head / (from_head + distance(seen, colour[torso]) + NOISE)
    sums = [ndimage.gaussian_filter(part, SMOOTH * height / step) for part in (unlike, person.astype(float))]
    cloth = (sums[0] > CLOTH * np.maximum(sums[1], 0.1)) & ~(head | hair)
    cloth = ndimage.binary_propagation(torso & cloth, mask=cloth)
    near = ndimage.distance_transform_edt(~cloth) < EDGE * height / step
    nearest = ndimage.distance_transform_edt(~person, return_distances=False, return_indices=True)  # [2, s, s]
    cloth = (cloth | (near & (unlike > EVEN) & ~hair))[tuple(nearest)]  # [s, s] an outline is what is next to it
    cloth = ndimage.gaussian_filter(cloth.astype(np.float32), 1.0)
    return ndimage.zoom(cloth, size / len(cloth), order=1, grid_mode=True, mode="nearest")  # [S, S]


def distance(colour: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Measure the distance of colours ``[U, 3]`` to those that head or torso show ``[P, 3]``: ``[U]``."""
    samples = shown[np.linspace(0, len(shown) - 1, min(len(shown), SAMPLES)).astype(int)]  # [Q, 3]
    return KDTree(samples).query(colour, [min(NEAREST, len(samples))])[0][:, 0]
