"""Long hair beside the face belongs to head and torso, so that nothing opens between them when the head turns.

On the head alone, hair that reaches the shoulders would end with it. From the height of the eyes down the torso's plate
has such hair as well, at the depth of the head's (:mod:`mggtalk.portrait.hair_depth`), so that the two move as one
where they meet; and it goes on there behind the cheek. As the head turns (see :mod:`mggtalk.avatar.turning`) the head's
copy goes on the side that comes to be seen, where it was seen at a grazing angle, and at the cheek on both. On the
other side it covers the plate's. Cheek and ear are told from hair by their colour.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from mggtalk.face.masks import LEFT_EAR, RIGHT_EAR, SIDE_LEVEL, HeadMasks, between, face_axes, face_coordinates
from mggtalk.face.regions import face_mask
from mggtalk.nets.maps import erode, fill, step

HANGING = 0.6
"""Face heights above the level of the mouth from which on hair beside the face is the plate's."""

EYES = 0.35
"""Face heights above the level of the mouth that hair reaches, and a collar does not."""

LOWEST = 0.1
"""Face heights below the level of the mouth down to which there is a head beside the face."""

SURE = 0.3
"""Face heights above the rim of the head in which colours are taken for those of hair."""

TAPER, FULL = 0.065, 0.15
"""Face heights by which the plate's hair is narrower where it begins, and below which level above the mouth it is not:
it lies deeper than the outline of the head, and would stand out beside it when the head turns."""

NOSE = 1
"""Vertex of the tip of the nose."""

BEYOND, WIDEST = 0.16, 2.0
"""Face heights from a face that looks into the camera from which on all that hangs beside it is hair, of whatever
colour: ears end before. Of a turned face more of the ear is seen: that length times the square of the cheek's width
over the mean of both, this many times at most."""

CHIN = 0.3
"""Level below the mouth, face heights, down to which hair tells what goes on behind the cheek: below may be a scarf."""

BEHIND, SLOPE = 0.25, (-0.15, 0.35)
"""How far hair goes on behind the cheek, and from which level below the mouth on less and less so, to where it does
not, as there is the neck; face heights."""

NEAR, FAR = 0.03, 0.08
"""Face heights from the face from which on a pixel counts as hair where colours do not tell it, and from which on
colours are taken for those of hair."""

TOLD = 0.15
"""Difference of colour from which on hair can be told from skin."""

DARK = 0.5
"""Brightness over that of the skin under which a pixel beside the face is hair: it lies in shadow."""

LEAST = 0.01
"""Squared face heights of hair beside the jaw: with less of it nothing hangs."""

SPECK = 0.02
"""Side of the neighbourhood that is told as one, face heights."""

ASIDE = 1.5
"""Width of a cheek over the mean of both from which on the neck is seen behind it, which looks like hair in its shadow:
of such a head the outline tells whether hair hangs."""

SKULL, NECK = (-0.7, -0.6, -0.5, -0.4), (-0.1, 0.0)
"""Levels below the mouth, face heights, at which the outline is that of the skull, and that of what is below it."""

NARROWER = 0.015
"""Face heights by which the outline of a turned head draws in from skull to neck where no hair hangs: 0.03 to 0.24 in
sixteen such portraits with short or tied hair; with hanging hair, six of them, it does not."""


def part_hair(image: Tensor, masks: HeadMasks, landmarks: np.ndarray) -> HeadMasks:
    """Give long hair beside the face to the torso as well.

    Args:
        image: Portrait ``[3, S, S]``.
        masks: Its masks.
        landmarks: ``[478, 2 or 3]`` pixels.

    Returns:
        Masks with ``parted``, ``beside`` and ``behind``, whose ``hanging`` is hair alone.
    """
    place = measure_places(landmarks, masks.depth)
    told = find_hair(image, masks, place)
    if told is None:
        return masks._replace(hanging=np.zeros_like(masks.hanging))
    hair, like = told  # [S, S] each
    from_hair = distance(hair) / place.height
    edge = (from_hair < SPECK) & (like > 0.5) & ~place.inside  # dots of hair along the cheek
    top = HANGING + (SURE - HANGING) * (
        1.0 - step(place.away - place.ear, FAR - BEYOND, 0.0)
    )  # [S, S] ears stay with the head
    both = (hair | edge) * (1.0 - step(-place.level / top, 0.5, 1.0)) * (place.level < LOWEST)
    both = smooth(both, 0.7)
    both, leaving = step(both, 0.0, 0.5), step(both, 0.5, 1.0)  # where one of them ends the other has all of it
    at_cheek = (1.0 - step(place.away, 0.8 * FAR, FAR)) * step(place.depth, -SURE, -0.5 * SURE)
    person = torch.from_numpy(masks.person)
    narrower = TAPER * (1.0 - step(place.level, -HANGING, -FULL))
    kept = both * step(distance(person < 0.5) / place.height - narrower, -SPECK, 0.0)
    # Behind the cheek it goes on from where it hangs, less and less so further down.
    from_above = distance(hair & (place.level < LOWEST)) / place.height
    near = 1.0 - step(from_above - BEHIND * (1.0 - step(place.level, *SLOPE)), -SPECK, 0.0)
    within = (torch.from_numpy(masks.hanging) > 0.5) | place.inside
    behind = smooth(near * within * step(place.level, -0.9 * HANGING, -0.7 * HANGING), 0.5 * SPECK * place.height)
    # No slit stays between it and the hair outside.
    sides = (place.across > 0).float(), (place.across <= 0).float()
    closed = sum(torch.from_numpy(between((torch.maximum(kept, behind) * side).numpy())) for side in sides)
    behind = torch.maximum(behind, closed * (closed > kept))
    return masks._replace(
        neck=masks.neck * (step(from_hair, 0.5 * FAR, FAR) * (1.0 - behind)).numpy(),
        torso=np.maximum(masks.torso, (person * torch.maximum(kept, behind)).numpy()),
        hanging=hair.float().numpy(),
        parted=np.maximum(masks.parted, (leaving * at_cheek).numpy()),
        beside=(leaving * (1.0 - at_cheek)).numpy(),
        behind=behind.numpy(),
        strands=(hair & (place.level < CHIN) & (distance(person < 0.9) > SPECK * place.height)).float().numpy(),
        loose=masks.loose * (1.0 - both).numpy(),
    )


class Places(NamedTuple):
    """Where pixels of a portrait of side S are."""

    height: float  # of the face, pixels
    inside: Tensor  # [S, S] bool, in the face
    away: Tensor  # [S, S] face heights from the face
    depth: Tensor  # [S, S] face heights below the rim of the head
    level: Tensor  # [S, S] face heights below the level of the mouth
    ear: Tensor  # [S, S] face heights from the face at which an ear on this side ends
    across: Tensor  # [S, S] face heights from the middle of the ears to the side of the wider cheek
    wide: float  # width of that cheek over the mean of both


def measure_places(landmarks: np.ndarray, depth: np.ndarray) -> Places:
    """Measure where pixels are against a face of ``landmarks [478, 2 or 3]``, and how deep ``[S, S]`` below its rim."""
    size = len(depth)
    axes = face_axes(landmarks)
    inside = torch.from_numpy(face_mask(landmarks, size, size))  # [S, S]
    across, down = face_coordinates(landmarks, size)  # [S, S] each
    right, nose, left = (landmarks[[RIGHT_EAR, NOSE, LEFT_EAR], :2] - axes.centre) @ axes.x_axis / axes.height
    wide = 2.0 * np.where(across < nose, nose - right, left - nose) / (left - right)  # [S, S] over the mean of both
    to_wider = (across - 0.5 * (right + left)) * (1.0 if right + left >= 2.0 * nose else -1.0)
    lengths = depth, down - SIDE_LEVEL, BEYOND * np.clip(wide**2, 1.0, WIDEST), to_wider
    away = distance(inside) / axes.height
    below, level, ear, aside = (torch.from_numpy(length).float() for length in lengths)
    return Places(axes.height, inside, away, below, level, ear, aside, float(wide.max()))


def find_hair(image: Tensor, masks: HeadMasks, place: Places) -> tuple[Tensor, Tensor] | None:
    """Tell hair from all that hangs beside the face, by its colour c.

    ::

        t = (c - skin) . (hair - skin) / |hair - skin|^2,        skin and hair from around

    Args:
        image: Portrait ``[3, S, S]``.
        masks: Its masks.
        place: Of its pixels.

    Returns:
        ``[S, S]`` bool, and how much each pixel looks like it, ``[S, S]`` in [0, 1]; None where nothing hangs.
    """
    hanging, person = (torch.from_numpy(mask) > 0.5 for mask in (masks.hanging, masks.person))
    sure = hanging & (place.away > FAR) & (place.depth > -SURE) & (place.depth < 0.0)
    face = erode(place.inside.float()[None, None], max(1, round(SPECK * place.height)))  # [1, 1, S, S]
    if float(sure.sum()) < LEAST * place.height**2 or float(face.sum()) == 0.0 or draws_in(person, place):
        return None
    skin, hair = fill(image[None], face)[0], fill(image[None], sure.float()[None, None])[0]  # [3, S, S]
    apart = hair - skin
    like = ((image - skin) * apart).sum(0) / apart.square().sum(0).clamp(min=1e-4)  # [S, S]
    like = torch.where(apart.norm(dim=0) > TOLD, like.clamp(0.0, 1.0), (place.away > NEAR).float())
    like = torch.where(image.sum(0) < DARK * skin.sum(0), 1.0, like)
    hairy = (smooth(like, SPECK / 2 * place.height) > 0.5) & (like > 0.5) & ~place.inside
    # What curls inward below hangs as well, where it is connected with hair that reaches the shoulders.
    band = (place.level > -HANGING) & (place.level < LOWEST)  # [S, S]
    found = connected(hairy & hanging, (hairy | (place.away > place.ear)) & person & band)
    # A collar of the same colour ends below the eyes.
    found = connected(found & (place.level < -EYES), found)
    return (found, like) if float((found & band).sum()) > LEAST * place.height**2 else None


def draws_in(person: Tensor, place: Places) -> bool:
    """Tell a turned head whose outline draws in below the skull, so that a neck stands there and no hair hangs.

    Args:
        person: ``[S, S]`` bool.
        place: Of its pixels.
    """
    if place.wide < ASIDE:
        return False
    skull = max(outline_reach(person, place, level) for level in SKULL)
    return min(outline_reach(person, place, level) for level in NECK) < skull - NARROWER


def outline_reach(person: Tensor, place: Places, level: float) -> float:
    """How far a person ``[S, S]`` (bool) reaches to the side of the wider cheek at a level, face heights."""
    band = (place.level > level) & (place.level < level + 0.1)
    beside = band & ~person & (place.across > 0.0)
    if float(beside.sum()) < (SPECK * place.height) ** 2:  # the person goes on to the border of the picture
        return float(place.across[band].max()) if bool(band.any()) else 0.0
    return float(place.across[beside].quantile(0.02))


def distance(region: Tensor) -> Tensor:
    """Distance in pixels ``[S, S]`` of what is outside a region ``[S, S]`` (bool) from it; infinite without one."""
    if not bool(region.any()):
        return torch.full(region.shape, torch.inf)
    return torch.from_numpy(ndimage.distance_transform_edt(~region.numpy())).float()


def smooth(values: Tensor, sigma: float) -> Tensor:
    """Blur ``[S, S]`` by a Gaussian of so many pixels."""
    return torch.from_numpy(ndimage.gaussian_filter(values.float().numpy(), sigma))


def connected(parts: Tensor, around: Tensor) -> Tensor:
    """Grow parts ``[S, S]`` (bool) over all of a region ``[S, S]`` (bool) that is connected with them."""
    return torch.from_numpy(ndimage.binary_propagation(parts.numpy(), mask=(parts | around).numpy()))
