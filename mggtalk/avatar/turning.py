"""What of a head belongs to the portrait's view: opacities that change as it turns away, and as its lips open.

Of the far side of a turned head the portrait shows a grazing strip, which is true from where the portrait was taken and
worthless from the front, where the twins of the near side were seen better. Both are kept, and change places. With the
azimuth ``a`` of the camera in the head frame, 0 in front of the face, ::

    share of the twins = step((a_s - a) / a_s, NEAR, FAR),        a_s that of the portrait's camera

The twins come first, a little behind the strip (:data:`mggtalk.dsgr.seam.BEHIND`), then the strip goes: two halves that
faded together would let the back of the head show through.

What was seen at a grazing angle, beside the face, is drawn out when it is looked at from the side, and shows the
background through its soft edges: such points, and their twins, go as the head turns, and the back of the head
(:mod:`mggtalk.dsgr.back`) stands there.

The edge of the neck under the jaw, which softly ends the head in the portrait's view, stays with the torso as the head
turns; else it would go along as a dark line below the jaw. Long hair beside the face belongs to the head as long as it
is seen as in the portrait, where head and torso have one surface, and is the torso's from an angle on
(:data:`mggtalk.inpaint.follow.PARTING`): on the side that comes to be seen, and at the cheek on both
(:mod:`mggtalk.portrait.hair`).

Two things depend on the expression instead: the dark line between the teeth of a smile and the lower lip, which neither
of them keeps when the mouth opens further, and the dark between lips that are hardly open, which tells nothing of a
mouth that is. They go with the way that the lips open beyond the portrait's (:data:`OPENED`).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from mggtalk.geometry import view_direction
from mggtalk.inpaint.follow import PARTING, parting
from mggtalk.nets.maps import step
from mggtalk.scene import Gaussians, MotionFrame

NEAR, FAR = 0.25, 0.75
"""Parts of the portrait's own turn, on the way to the front, from which on twins are seen, and they alone: halfway the
camera is as far from where the one strip was seen well as from where the other was."""

GRAZED = (math.radians(16.0), math.radians(36.0))
"""Azimuths from one view to another from which on points of the side that comes to be seen, which the first one saw at
a grazing angle, begin to go, and are gone."""

OPENED = (0.01, 0.04)
"""Decimetres by which the lips open beyond the portrait's from which on the line before the lower lip and the dark
of a slit go, and are gone."""

LAYERS = 5
"""Number of splats that lie over each other on the map: parents, children and their neighbours."""


class Turning(NamedTuple):
    """Shares in [0, 1] of N visible and M mirrored points, how the lips open, and the back of the head by itself."""

    replaced: Tensor  # [N] of each visible point that gives way to twins
    replacing: Tensor  # [M] of each mirrored point that stands where a visible one gives way
    parted: Tensor  # [N] of each visible point that is neck at the jaw, or hair, which the torso has as well
    beside: Tensor  # [N] the same of hair that goes only where it comes to be seen; with the sign of its x
    beside_twins: Tensor  # [M] the same of the twins
    grazed: Tensor  # [N] of each visible point seen too badly to be looked at from the side; with the sign of its x
    grazed_twins: Tensor  # [M] the same of the twins
    lip_line: Tensor  # [N] of each visible point that is the line between teeth and lower lip, or the dark of a slit
    opening: Tensor  # [K] by how much the lips open with the expression, decimetres per unit
    back_alone: Tensor  # [B] opacity of the back of the head where no torso is drawn, which has long hair there

    def visible(self, shares: Shares) -> Tensor:
        """Share ``[..., N]`` of each visible point that is drawn."""
        twins, torso, beside, side, opened = (share[..., None] for share in shares)  # [..., 1]
        going = (2.0 * twins - 1.0).clamp(min=0.0)  # [..., 1]
        drawn = (1.0 - going * self.replaced) * (1.0 - torso * self.parted)  # [..., N]
        drawn = drawn * _staying(beside, self.beside) * _staying(side, self.grazed)
        return drawn * (1.0 - opened * self.lip_line)


class Shares(NamedTuple):
    """How far a head has turned away from its portrait, and its lips have opened, in [0, 1]."""

    twins: Tensor  # [...] 0 where the portrait was taken, 1 from the front and beyond
    torso: Tensor  # [...] 0 where the portrait was taken
    beside: Tensor  # [...] the same, for turns to a side; with the sign of the x that more is seen of, in [-1, 1]
    side: Tensor  # [...] the same, for larger turns; with the sign of the x that more is seen of, in [-1, 1]
    opened: Tensor  # [...] 0 with lips as in the portrait or closer, 1 well open


def turn_shares(source: MotionFrame, frame: MotionFrame, turning: Turning | None = None) -> Shares:
    """Compare the portrait with a frame, or with B frames; without ``turning`` the poses alone."""
    own, now = (view_direction(pose.rotation, pose.translation) for pose in (source, frame))  # [3], [..., 3]
    start, end = (torch.atan2(eye[..., 0], eye[..., 2]) for eye in (own, now))
    start = torch.where(start.abs() < 1e-3, 1e-3, start)
    aside = end - start  # [...]
    beside, side = (step(aside.abs(), *turns) * aside.sign() for turns in (PARTING, GRAZED))
    opened = torch.zeros_like(aside)
    if turning is not None:
        opened = step((frame.expression - source.expression) @ turning.opening, *OPENED)
    return Shares(step(1.0 - end / start, NEAR, FAR), parting(source, frame), beside, side, opened)


def turn_opacities(gaussians: Gaussians, turning: Turning | None, shares: Shares, sets: int) -> Gaussians:
    """Show what belongs to a pose.

    Args:
        gaussians: ``[..., G]`` of a head, which begin with its visible and mirrored points, and perhaps their children.
        turning: Of its avatar; None where nothing depends on the pose.
        shares: Of the pose, or of B poses.
        sets: 2 with children, 1 without.
    """
    if turning is None:
        return gaussians
    visible, coming = turning.visible(shares), (2.0 * shares.twins[..., None]).clamp(max=1.0)  # [..., N], [..., 1]
    beside, side = shares.beside[..., None], shares.side[..., None]  # [..., 1]
    mirrored = 1.0 - (1.0 - coming) * turning.replacing  # [..., M]
    mirrored = mirrored * _staying(beside, turning.beside_twins) * _staying(side, turning.grazed_twins)
    shown = torch.cat([soft_opacity(torch.cat([visible, mirrored], dim=-1))] * sets, dim=-1)  # [..., sets (N + M)]
    shown = F.pad(shown, (0, gaussians.opacities.shape[-1] - shown.shape[-1]), value=1.0)  # [..., G]
    return gaussians._replace(opacities=gaussians.opacities * shown)


def _staying(turned: Tensor, going: Tensor) -> Tensor:
    """Share ``[..., P]`` that is drawn of points which go on the side that comes to be seen.

    Args:
        turned: ``[..., 1]`` of :class:`Shares`, with the sign of the x that more is seen of.
        going: ``[P]`` of each point, with the sign of its x.
    """
    return 1.0 - (turned * going).clamp(min=0.0)


def soft_opacity(weight: Tensor) -> Tensor:
    """Opacity of points so that several of them, one over the other, cover what the mask says.

    Args:
        weight: Head mask in [0, 1].

    Returns:
        Opacity of the same shape: ``1 - (1 - weight)^(1 / LAYERS)`` at soft edges, the weight itself inside.
    """
    weight = weight.clamp(0.0, 0.995)
    alone = 1.0 - (1.0 - weight) ** (1.0 / LAYERS)
    return alone + (weight - alone) * ((weight - 0.9) / 0.09).clamp(0.0, 1.0)
