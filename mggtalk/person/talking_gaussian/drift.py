"""Places that follow expression and pose, in closed form: hair whose depth was guessed, a jaw line, folds.

After eq. 9 and the rig, landmarks are where they belong; what lies between and around them is still off by a pixel or
two. Descending finds that way slowly, by single pixels. So all of it is solved for as optical flow is (Lucas and
Kanade), with a flow that is linear in expression and pose (:mod:`mggtalk.person.talking_gaussian.linear_map`)::

    x_i(t) = x_i + D_i g_t
    D = argmin sum_t sum_p w_p |dI_p J_it D g_t + r_p|^2 + ridge |D|^2

over the pixels p that a square of Gaussians paints in frame t, with the slope dI of the drawn picture, what is missing
r (both without their low frequencies, which are light), and the Jacobian J of the projection: depth is told by heads
that turn. The outline of the head is a picture of its own: its alpha, drawn and real. Squares are large, and each is
held by those beside it, so that nothing tears.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from mggtalk.nets.maps import box_mean
from mggtalk.person.talking_gaussian.conditions import POSE
from mggtalk.person.talking_gaussian.linear_map import LinearMap
from mggtalk.scene import Camera

SIDE = 8
"""Side of the squares of the position map that share their drift."""

FIXED, POSED, EXPRESSED, SMOOTH = 4.0, 40.0, 2500.0, 1500.0
"""Squared RGB per decimetre and frame that counts for no drift at all, for none with the pose, for none with the
expression, and for the same drift as in the squares beside. What a face model misses of an expression, the rig has;
held any less, seconds of the clip that were left out are told worse, however much film there is."""

REACH = 3.0
"""Standard deviations of the pose in which drift is followed: a depth that was guessed wrong goes on being wrong."""

SWEEPS = 40
"""Times that squares look at those beside them."""

DEEP = 4.0
"""How many times as much along the view of the head, which pictures hardly tell."""

SLOW = 13
"""Side of the box that tells low frequencies, pixels."""

BLUR = 7
"""Side of the box that blurs outlines, pixels."""

OUTLINE = 1.0
"""How much they count, over RGB."""

LONGEST = 0.06
"""Decimetres that a place drifts in one pass, at most: pictures are linear no further."""


class Drawn(NamedTuple):
    """What one frame says about the places of the visible points."""

    features: Tensor  # [F]
    sums: Tensor  # [N, 6] of :func:`slopes` over painted pixels
    jacobian: Tensor  # [N, 2, 3] pixels per decimetre


class Drift(LinearMap):
    """Displacements, decimetres, head frame, on the head's part of the position map; none before :meth:`add`."""

    side, reach = SIDE, REACH

    @torch.no_grad()
    def add(self, frames: Iterable[Drawn], cells: Tensor) -> None:
        """Solve for what frames miss, and add it.

        Args:
            frames: What they say.
            cells: Of the visible points ``[N]``, row-major on the map.
        """
        count, _, height, width = self.weights.shape
        squares = self.squares(cells)  # [N]
        total = height * width
        normal = torch.zeros(total, count, 3, count, 3)
        wanted = torch.zeros(total, count, 3)
        pairs = torch.zeros(total, count, count)
        every = list(frames)
        for drawn in every:
            xx, xy, yy, x, y, weight = drawn.sums.unbind(1)  # [N] each
            slope = torch.stack([torch.stack([xx, xy], 1), torch.stack([xy, yy], 1)], 1)  # [N, 2, 2]
            turned = drawn.jacobian.mT  # [N, 3, 2]
            square = turned @ slope @ drawn.jacobian  # [N, 3, 3]
            way = (turned @ torch.stack([x, y], 1)[..., None])[..., 0]  # [N, 3]
            square, way, weight = (
                value.new_zeros(total, *value.shape[1:]).index_add(0, squares, value) for value in (square, way, weight)
            )
            both = drawn.features[:, None] * drawn.features  # [F, F]
            normal += torch.einsum("sij,fg->sfigj", square, both)
            wanted += drawn.features[:, None] * way[:, None]
            pairs += weight[:, None, None] * both
        self.follow(pairs)
        ridge = torch.full((count,), EXPRESSED)
        ridge[0], ridge[1 : 1 + POSE] = FIXED, POSED
        ridge = len(every) * (ridge[:, None] * torch.tensor((1.0, 1.0, DEEP))).flatten()  # [F 3]
        smooth = len(every) * SMOOTH
        there = self.weights.flatten(2).permute(2, 0, 1).flatten(1)  # [S, F 3]
        factor = torch.linalg.cholesky(normal.flatten(3).flatten(1, 2) + torch.diag(ridge + smooth))
        held = wanted.flatten(1) - (ridge + smooth) * there  # [S, F 3]
        step = torch.zeros_like(held)
        for _ in range(SWEEPS):
            beside = _beside((there + step).view(height, width, -1)).flatten(0, 1)  # [S, F 3]
            step = torch.cholesky_solve((held + smooth * beside)[..., None], factor)[..., 0]
        found = step.view(total, count, 3).permute(1, 2, 0).unflatten(2, (height, width))  # [F, 3, h, w]
        far = found[:1].norm(dim=1, keepdim=True).clamp(min=LONGEST) / LONGEST  # [1, 1, h, w]
        self.weights += found / far


def slopes(image: Tensor, missed: Tensor, weight: Tensor) -> Tensor:
    """What pixels say about a flow of a picture.

    Args:
        image: The picture drawn ``[1, C, h, w]``.
        missed: The real one less it.
        weight: How much pixels count ``[1, 1, h, w]``.

    Returns:
        ``[1, 6, h, w]``: squared slopes xx, xy and yy, slopes x and y times what is too much, all summed over channels,
        and the weight.
    """
    wide = F.pad(image, (1, 1, 1, 1), mode="replicate")
    along = (wide[..., 1:-1, 2:] - wide[..., 1:-1, :-2]) / 2
    down = (wide[..., 2:, 1:-1] - wide[..., :-2, 1:-1]) / 2
    products = (along * along, along * down, down * down, -along * missed, -down * missed)
    summed = [product.sum(1, keepdim=True) * weight for product in products]
    return torch.cat([*summed, weight], dim=1)


def inner_slopes(image: Tensor, missed: Tensor, weight: Tensor) -> Tensor:
    """The same without low frequencies."""
    return slopes(image - _low(image, weight), missed - _low(missed, weight), weight)


def outline_slopes(alpha: Tensor, missed: Tensor, weight: Tensor) -> Tensor:
    """The same of a head's alpha ``[1, 1, h, w]``, blurred, so that outlines meet that are pixels apart."""
    alpha, missed = (box_mean(value, BLUR) for value in (alpha, missed))
    return slopes(alpha, missed, OUTLINE * weight)


def jacobian(points: Tensor, camera: Camera) -> Tensor:
    """How places ``[N, 3]`` of the head frame move in a picture, ``[N, 2, 3]`` pixels per decimetre."""
    turn = camera.view[:3, :3]
    x, y, z = (points @ turn.T + camera.view[:3, 3]).unbind(1)
    none = torch.zeros_like(z)
    across = torch.stack([1 / z, none, -x / z**2], dim=-1)  # [N, 3]
    down = torch.stack([none, 1 / z, -y / z**2], dim=-1)
    return camera.focal * torch.stack([across, down], dim=1) @ turn


def _low(value: Tensor, weight: Tensor) -> Tensor:
    """Low frequencies of ``[1, 3, h, w]`` where pixels count."""
    mean = box_mean(torch.cat([value * weight, weight], dim=1), SLOW)
    return mean[:, :3] / (mean[:, 3:] + 1e-3)


def _beside(values: Tensor) -> Tensor:
    """Mean of the four squares beside each of ``[h, w, C]``; at the border it counts itself."""
    wide = F.pad(values.movedim(2, 0)[None], (1, 1, 1, 1), mode="replicate")[0]  # [C, h + 2, w + 2]
    total = wide[:, 1:-1, :-2] + wide[:, 1:-1, 2:] + wide[:, :-2, 1:-1] + wide[:, 2:, 1:-1]
    return total.movedim(0, 2) / 4
