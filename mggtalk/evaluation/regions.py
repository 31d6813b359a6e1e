"""Regions by which errors are told apart: disjoint parts of the real frame, from its landmarks and person matte."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal, get_args

import numpy as np
from scipy import ndimage

from mggtalk.face.masks import below_rim, face_axes, head_masks
from mggtalk.face.regions import Array, face_mask, hull_mask, mouth_mask
from mggtalk.face.topology import LEFT_EYE, RIGHT_EYE

Region = Literal["mouth", "eyes", "face", "outline", "hair", "neck", "torso", "background"]

REGIONS: tuple[Region, ...] = get_args(Region)
"""Names of the regions; ``face`` is what mouth, eyes and outline leave of it, ``hair`` is head outside the face."""

EYE_MARGIN = 1.4
"""The eye regions are the hulls of the lids, enlarged by this factor."""

OUTLINE = 0.04
"""Half the width of the band along the outline of the face, over the height of the face."""

NECK = 0.4
"""How far below the jaw a neck reaches, over the height of the face."""


@dataclass(frozen=True)
class RegionScore:
    """Means over the pixels of one region, and over frames or clips. NaN where something could not be measured."""

    area: float  # share of the frame
    l1: float  # mean absolute difference, of 255
    lpips: float  # shift-tolerant AlexNet
    lpips_vgg: float  # shift-tolerant VGG

    @staticmethod
    def mean(scores: Sequence[RegionScore]) -> RegionScore:
        """Mean over those that are not NaN: a frame without a torso says nothing about the torso."""
        columns = {column.name: [getattr(score, column.name) for score in scores] for column in fields(RegionScore)}
        known = {name: [value for value in values if not np.isnan(value)] for name, values in columns.items()}
        return RegionScore(**{name: float(np.mean(values)) if values else np.nan for name, values in known.items()})


def frame_regions(landmarks: Array, matte: np.ndarray) -> dict[Region, np.ndarray]:
    """Split a frame into regions.

    Args:
        landmarks: ``[478, 2 or 3]`` in pixels of the frame.
        matte: Person alpha ``[S, S]`` in [0, 1].

    Returns:
        Region to its mask ``[S, S]`` bool. Every pixel is in one of them.
    """
    points = np.asarray(landmarks, dtype=np.float64)
    size = len(matte)
    axes = face_axes(points)
    hull = face_mask(points, size, size)
    inside, outside = ndimage.distance_transform_edt(hull), ndimage.distance_transform_edt(~hull)  # pixels
    person = matte > 0.5
    head = head_masks(matte, points).head > 0.5
    grid = np.stack(np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5), axis=-1) - axes.centre  # [S, S, 2]
    half = np.abs((points[:, :2] - axes.centre) @ axes.x_axis).max()
    neck = (np.abs(grid @ axes.x_axis) < half) & (below_rim(points, size) < NECK)
    claims: dict[Region, np.ndarray] = {
        "mouth": mouth_mask(points, size, size),
        "eyes": _enlarged_hull(points[list(RIGHT_EYE)], size) | _enlarged_hull(points[list(LEFT_EYE)], size),
        "outline": np.where(hull, inside, outside) <= OUTLINE * axes.height,
        "face": hull,
        "hair": head,
        "neck": person & neck,
        "torso": person,
        "background": np.ones_like(hull),
    }
    free = np.ones_like(hull)
    regions: dict[Region, np.ndarray] = {}
    for name, claim in claims.items():
        regions[name] = claim & free
        free &= ~claim
    return {name: regions[name] for name in REGIONS}


def _enlarged_hull(points: np.ndarray, size: int) -> np.ndarray:
    """Hull ``[S, S]`` of points ``[P, 2 or 3]``, enlarged about their middle by :data:`EYE_MARGIN`."""
    centre = points[:, :2].mean(axis=0)
    return hull_mask(centre + EYE_MARGIN * (points[:, :2] - centre), size, size)
