"""The background behind a person, continued with its own structure and texture.

Completion by patches, from coarse to fine (Wexler et al. 2007, with the search of PatchMatch, Barnes et al. 2009):
every patch that reaches into the hole looks for the known patch that it resembles most, and every pixel of the hole
becomes the mean of what the patches that overlap it propose. Patches may be made a little lighter or darker, so that a
wall keeps its gradient. What lies deep in the hole, where no motion of a head uncovers it, is filled smoothly.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from mggtalk.inpaint.compiled.patches import RADIUS, match, vote
from mggtalk.nets.maps import fill

COARSEST = 32
"""Side of the coarsest picture."""

REACH = 0.2
"""How far into the hole patches are laid, over the side of the picture: a head moves by less."""

ROUNDS, SWEEPS = (6, 4, 3, 2, 1), (2, 2, 2, 1, 1)
"""Rounds of search and vote from coarse to fine, and sweeps of each search."""

FINE = 300
"""Above this side patches take over the coarser match and its neighbours', and search no further."""

PULL = 0.05
"""Cost of a patch from the other end of the picture, in squared differences summed over a patch."""

SHARPNESS = 150.0
"""A mean squared difference of 1 / SHARPNESS lowers a patch's vote by e."""

FADE = 1.3
"""By this factor a patch's vote falls from pixel to pixel into the hole."""

LEAST = 20
"""Known patches that are needed."""


def fill_background(picture: Tensor, hole: np.ndarray, wanted: np.ndarray | None = None) -> Tensor:
    """Fill a hole from around it.

    Args:
        picture: ``[3, S, S]`` RGB in [0, 1].
        hole: ``[S, S]`` bool.
        wanted: ``[S, S]`` bool, what of it will be seen: the rest is filled smoothly; None for all.

    Returns:
        ``[3, S, S]``; the picture outside the hole.
    """
    levels = [(picture, torch.from_numpy(~hole)[None].float())]  # colours [3, s, s], 1 where known [1, s, s]
    while levels[-1][0].shape[-1] > COARSEST and levels[-1][0].shape[-1] % 2 == 0:
        colour, known = levels[-1]
        mass = F.avg_pool2d(known, 2)  # [1, s / 2, s / 2]
        levels.append((F.avg_pool2d(colour * known, 2) / mass.clamp(min=1e-6), (mass >= 0.5).float()))
    seen = torch.from_numpy(hole if wanted is None else hole & wanted)[None].float()  # [1, S, S]
    made: np.ndarray | None = None
    field: np.ndarray | None = None
    for depth, (colour, known) in enumerate(reversed(levels)):
        smooth = fill((colour * known)[None], known[None])[0].permute(1, 2, 0).contiguous().numpy()  # [s, s, 3]
        seen_here = F.adaptive_max_pool2d(seen, colour.shape[-2:])[0].numpy() > 0  # [s, s]
        made, field = _complete(smooth, known[0].numpy() < 0.5, seen_here, made, field, depth)
    assert made is not None
    return torch.where(torch.from_numpy(hole), torch.from_numpy(made).permute(2, 0, 1).clamp(0, 1), picture)


def _complete(
    smooth: np.ndarray,
    hole: np.ndarray,
    seen: np.ndarray,
    coarser: np.ndarray | None,
    coarser_field: np.ndarray | None,
    depth: int,
) -> tuple[np.ndarray, np.ndarray | None]:
    """One level.

    Args:
        smooth: ``[s, s, 3]`` known colours and their smooth continuation.
        hole: ``[s, s]`` bool.
        seen: ``[s, s]`` bool, what of it patches are laid over.
        coarser: ``[s / 2, s / 2, 3]`` result of the level before.
        coarser_field: ``[s / 2, s / 2, 2]`` its matches.
        depth: Number of the level.

    Returns:
        The result and the matches; none where too little is known.
    """
    side, margin = len(hole), RADIUS
    distance = ndimage.distance_transform_edt(hole)
    active = hole & seen & (distance < REACH * side)
    image = smooth
    if coarser is not None:
        finer = ndimage.zoom(coarser, (2, 2, 1), order=1, mode="nearest", grid_mode=True)
        image = np.where(active[..., None], finer, smooth)
    image = np.ascontiguousarray(np.pad(image, ((margin, margin), (margin, margin), (0, 0)), "edge"), np.float32)
    inside = np.pad(np.ones_like(hole), margin)
    patch = np.ones((2 * RADIUS + 1, 2 * RADIUS + 1), bool)
    valid = ~ndimage.binary_dilation(np.pad(hole, margin, constant_values=True), patch)
    active_here = np.pad(active, margin)
    targets = np.argwhere(ndimage.binary_dilation(active_here, patch) & inside)  # [T, 2]
    if valid.sum() < LEAST or not len(targets):
        return np.ascontiguousarray(image[margin:-margin, margin:-margin]), None
    field = np.full((*valid.shape, 2), -1, np.int32)
    rows, columns = targets.T
    nearest = ndimage.distance_transform_edt(~valid, return_distances=False, return_indices=True)  # [2, H, W]
    start = nearest[:, rows, columns].T  # [T, 2]
    if coarser_field is not None:
        place = targets - margin
        half = np.minimum(place // 2, len(coarser_field) - 1)
        matched = coarser_field[half[:, 0], half[:, 1]]  # [T, 2]
        guess = np.clip(2 * matched + place % 2 + margin, 0, len(valid) - 1)
        known = (matched[:, 0] >= 0) & valid[guess[:, 0], guess[:, 1]]
        start = np.where(known[:, None], guess, start)
    field[rows, columns] = start
    costs = np.zeros(valid.shape, np.float32)
    trust = np.maximum(FADE ** -np.pad(distance, margin, "edge"), 1e-6).astype(np.float32)
    pull = np.float32(PULL / side**2)
    for turn in range(ROUNDS[min(depth, len(ROUNDS) - 1)]):
        means = ndimage.uniform_filter(image, (*patch.shape, 1))
        search = side < FINE
        match(image, means, targets, valid, field, costs, pull, SWEEPS[min(depth, len(SWEEPS) - 1)], search, 1 + turn)
        sums = np.zeros((*valid.shape, 4), np.float32)
        vote(image, means, targets, active_here, field, costs, trust, np.float32(SHARPNESS), sums)
    cut = (slice(margin, -margin), slice(margin, -margin))
    matches = np.where(field[cut] >= 0, field[cut] - margin, -1)
    return np.ascontiguousarray(image[cut]), matches
