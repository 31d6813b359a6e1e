"""Strands of hair that the matte misses: they leave the background, and go with the head.

The matte is too coarse for single hairs. As background they would stand still, an outline of a person who has moved
away. A thin line around the person counts as hair where it differs from the background as the head nearby does, where
that background is plain and shows no such lines further away, and where the line does not go on there: wires, and the
pattern of a wall, stay. With the strands filled in from around, as behind the person, what the portrait ``I`` shows
beyond that background ``B`` is a layer, of the least alpha that can give it ::

    C = I - (1 - alpha) B,     0 <= C <= alpha

It is laid on the torso's plate, which moves above the rim of the head as the head's outline does
(:mod:`mggtalk.inpaint.follow`). So the portrait's own view shows the portrait. Where that layer goes with the head, it
leaves the torso as the head turns: the outline is then another one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from mggtalk.nets.maps import box_mean, fill, step

BAND = 0.12
"""How far from the person strands are looked for, over the side of the picture."""

CLOSE = 0.015
"""Nearer than this all that stands out is the person's, and nothing that comes in from the background."""

THIN = 0.014
"""Width of a strand or a curl, at most, over the side of the picture."""

LEAST, DEVIATIONS = 0.012, 3.0
"""Contrast of a strand, at least, two to three times the noise of a good photo on a plain wall; and standard deviations
by which it stands out from the thin lines of the background further away."""

SURE = 2.0
"""Contrast of the strongest pixel of a strand over the contrast that it needs at least."""

AROUND, ENOUGH = 0.15, 0.03
"""Side of the neighbourhood in which a background shows whether it is plain, over that of the picture, and share of it
that it has to be."""

COARSE = 4
"""Pixels, along both axes, that make one of the coarse picture on which this is measured."""

PLAIN = (0.006, 0.01)
"""Standard deviation of its colours from which on a background is less and less plain, and is not. Gray walls: .003 to
.006, painted boards .013, whose grooves are as thin as hair, leaves out of focus .02, streets and rooms .05 to .15."""

HEAD = (0.5, 0.9)
"""Share of the head's motion from which on what is found may be its hair, and is: further down it may be anything."""

BORDER = 0.05
"""How far from the borders of the picture strands are as surely found as anywhere, over its side. A plate goes on
beyond them as its mirror image: what is near shows twice when the head moves."""

ALIKE = (0.0, 0.5)
"""Cosine between the difference to the background of what is seen and that of the head nearby, from which on the one
may be the other's hair, and is: in sun or shade it may have another hue."""

ROOTS = (0.015, 0.03)
"""How far from a strand, over the side of the picture, what stands out from the background is the strand's or its
root's, and from where on it is not: elsewhere it may be a background that was filled otherwise."""

COVERED = 0.1
"""Share of the head in a pixel over which it needs no strand."""

ISLAND = 0.03
"""Root of the area of what is left of the background between strands, at most, over the side of the picture."""

SQUARE = np.ones((3, 3), bool)
"""Neighbours of a pixel."""


class Strands(NamedTuple):
    """What of a picture is hair that a matte missed."""

    found: np.ndarray  # [S, S] bool
    contrast: np.ndarray  # [S, S] from which on a thing is no part of the background
    sure: np.ndarray  # [S, S] how plain the background is, and near the head, in [0, 1]


def find_strands(portrait: Tensor, hole: np.ndarray, hair: Tensor, follow: np.ndarray) -> Strands:
    """Find strands of hair around a person.

    Args:
        portrait: ``[3, S, S]`` RGB in [0, 1].
        hole: The person and a rim ``[S, S]`` bool.
        hair: Colour of the head nearby ``[3, S, S]``.
        follow: Share of the head's motion that each pixel would take ``[S, S]``.
    """
    size = len(hole)
    away = ndimage.distance_transform_edt(~hole) / size  # [S, S] sides of the picture
    far = away > BAND
    if not far.any():
        nothing = np.zeros((size, size), np.float32)
        return Strands(nothing > 0, nothing + LEAST, nothing)
    thin = thin_lines(portrait, hole, hair)  # [S, S]
    moments = fill(torch.stack([thin, thin.square()])[None], torch.from_numpy(far)[None, None].float())[0]
    deviation = (moments[1] - moments[0].square()).clamp(min=0.0).sqrt()
    contrast = (moments[0] + DEVIATIONS * deviation).clamp(min=LEAST).numpy()  # [S, S]
    over = np.where(hole, 0.0, thin.numpy() / contrast)  # [S, S]
    apart = away > CLOSE
    ends = np.pad(away[1:-1, 1:-1], 1, constant_values=np.inf)  # at the picture's borders all goes on
    line = thin.numpy() > np.maximum(LEAST, 0.5 * ndimage.maximum_filter(thin.numpy(), round(BAND / 2 * size)))
    weak = (over > 1.0) & ~parts_over(ends, line & apart, BAND)
    strands = parts_over(over, weak & apart, SURE) | (weak & ~apart)
    strands = ndimage.binary_dilation(strands, SQUARE, max(1, size // 128)) & ~hole
    near = inside(size) * step(torch.from_numpy(follow), *HEAD)  # [S, S]
    sure = (find_plain(portrait, apart & ~strands) * near).numpy()
    strands |= islands(~(hole | strands))
    return Strands(strands & (sure > 0.5), contrast, sure)


def parts_over(values: np.ndarray, region: np.ndarray, least: float) -> np.ndarray:
    """Keep the connected parts of a region ``[S, S]`` (bool) in which a value ``[S, S]`` is more than ``least``."""
    labels, count = ndimage.label(region, SQUARE)
    over = ndimage.maximum(values, labels, np.arange(1, count + 1)) > least
    return np.concatenate([[False], over])[labels]


def thin_lines(portrait: Tensor, hole: np.ndarray, hair: Tensor) -> Tensor:
    """Measure the contrast of thin lines that are darker than what is around if hair is, or lighter.

    Args:
        portrait: ``[3, S, S]`` RGB in [0, 1].
        hole: ``[S, S]`` bool, where none are looked for.
        hair: Colour of the head nearby ``[3, S, S]``.

    Returns:
        ``[S, S]``.
    """
    window = odd(THIN * len(hole))
    light = fill(portrait.mean(0)[None, None], torch.from_numpy(~hole)[None, None].float())[0, 0]  # [S, S]
    light = ndimage.gaussian_filter(light.numpy(), 0.6)
    closed, opened = ndimage.grey_closing(light, (window, window)), ndimage.grey_opening(light, (window, window))
    dark = hair.mean(0).numpy() < 0.5 * (closed + opened)
    return torch.from_numpy(np.where(dark, closed - light, light - opened))


def thin_parts(alpha: Tensor) -> Tensor:
    """Keep of a layer ``[S, S]`` what is thin: what is not is no hair, but a background that was filled otherwise."""
    window = odd(2.0 * THIN * len(alpha))
    return alpha - torch.from_numpy(ndimage.grey_opening(alpha.numpy(), (window, window)))


def odd(length: float) -> int:
    """The odd number of pixels, 3 at least, that is nearest to a length."""
    return 2 * max(1, round((length - 1.0) / 2)) + 1


def find_plain(colours: Tensor, known: np.ndarray) -> Tensor:
    """Measure how plain a background ``[3, S, S]`` is around each pixel, where it is known ``[S, S]`` (bool).

    Returns:
        ``[S, S]`` in [0, 1]; 0 where no background is near.
    """
    size = len(known)
    side = 2 * round(AROUND * size / COARSE / 2) + 1
    weight = torch.from_numpy(known)[None].float()  # [1, S, S]
    sums = torch.cat([weight, weight * colours, weight * colours.square()])[None]  # [1, 7, S, S]
    share, first, second = box_mean(F.avg_pool2d(sums, COARSE, ceil_mode=True), side).split((1, 3, 3), dim=1)
    variance = second / share.clamp(min=ENOUGH) - (first / share.clamp(min=ENOUGH)).square()  # [1, 3, s, s]
    plain = 1.0 - step(variance.amax(1, keepdim=True).clamp(min=0.0).sqrt(), *PLAIN)
    plain = torch.where(share > ENOUGH, plain, 0.0)
    return F.interpolate(plain, size=(size, size), mode="bilinear", align_corners=False)[0, 0]


def islands(known: np.ndarray) -> np.ndarray:
    """Find small parts of a background ``[S, S]`` (bool) between strands: they show more hair than background."""
    labels, _ = ndimage.label(known)
    small = np.bincount(labels.ravel()) < (ISLAND * len(known)) ** 2
    small[0] = False
    return small[labels]


def inside(size: int) -> Tensor:
    """Weigh pixels ``[S, S]`` of a picture by whether they are away from its borders, in [0, 1]."""
    steps = torch.arange(size) + 0.5
    border = torch.minimum(steps, size - steps) / size  # [S]
    return step(torch.minimum(border[:, None], border), 0.0, BORDER)


def without_strands(portrait: Tensor, hole: np.ndarray, strands: Strands) -> Tensor:
    """Fill the strands in a portrait ``[3, S, S]`` from around: the background there is plain."""
    if not strands.found.any():
        return portrait
    known = torch.from_numpy(~(hole | strands.found))[None, None].float()  # [1, 1, S, S]
    return torch.where(torch.from_numpy(strands.found), fill(portrait[None], known)[0], portrait)


def add_strands(
    portrait: Tensor, torso: Tensor, background: Tensor, head: Tensor, hair: Tensor, strands: Strands
) -> Tensor:
    """Lay what neither torso nor background gives over the torso.

    Args:
        portrait: ``[3, S, S]`` RGB in [0, 1].
        torso: ``[4, S, S]`` premultiplied RGB and alpha.
        background: ``[3, S, S]``, filled behind person and strands.
        head: Weight of the head ``[S, S]``.
        hair: Colour of the head nearby ``[3, S, S]``.
        strands: Of the portrait.

    Returns:
        The torso with strands.
    """
    if not strands.found.any():
        return torso
    from_strands = torch.from_numpy(ndimage.distance_transform_edt(~strands.found)).float() / portrait.shape[-1]
    behind = torso[:3] + (1.0 - torso[3:]) * background  # [3, S, S]
    beyond = portrait - behind
    least = torch.where(beyond > 0, beyond / (1.0 - behind).clamp(min=1e-3), -beyond / behind.clamp(min=1e-3))
    stands_out = step(beyond.abs().amax(0) / torch.from_numpy(strands.contrast), 0.5, 1.0)  # [S, S]
    contrast = hair - behind
    alike = (beyond * contrast).sum(0) / (beyond.norm(dim=0) * contrast.norm(dim=0)).clamp(min=1e-6)  # [S, S] cosine
    share = (
        (1.0 - step(from_strands, *ROOTS))
        * stands_out
        * step(alike, *ALIKE)
        * torch.from_numpy(strands.sure)
        * (1.0 - head / COVERED).clamp(min=0.0)
    )
    alpha = thin_parts(share * least.amax(0).clamp(0.0, 1.0))  # [S, S]
    colour = (portrait - (1.0 - alpha) * behind).clamp(min=0.0).minimum(alpha)  # [3, S, S] premultiplied
    return torch.cat([colour, alpha[None]]) + (1.0 - alpha) * torso
