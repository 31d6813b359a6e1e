"""The fourth channel of frames: how far a frame's own pixels count where it is put on something else."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from mggtalk.inpaint.follow import shed_loose, torso_warp, warp_torso
from mggtalk.inpaint.plates import Plates
from mggtalk.inpaint.shrink import shrink
from mggtalk.scene import MotionFrame

MOVED = (0.1, 0.6)
"""Pixels of the frame by which the torso has to move to be drawn anew: not at all below the first, fully above."""

RIM = 0.006
"""How far around the person the picture is drawn anew, over its side; what is guessed behind should not show beyond."""

SOLID = 0.99
"""Coverage that counts as full: splats let a hundredth through."""

FAINT = 0.01
"""Coverage that counts as none: the matte is not sure of it."""


class Coverage(Protocol):
    """What an :class:`~mggtalk.animate.animator.Animator` asks for the fourth channel of its frames."""

    def __call__(self, alpha: Tensor, frame: MotionFrame) -> Tensor:
        """Compute the channel.

        Args:
            alpha: Of the drawn head ``[B, 1, F, F]``.
            frame: Its pose, or B poses.

        Returns:
            ``[B, 1, S, S]`` in [0, 1].
        """


class PersonCoverage:
    """Alpha of the person, head over torso: ``A = a + (1 - a) t``, with the torso's warp.

    Args:
        plates: Of the avatar, at the side F on which frames are composed.
        source: Pose of the portrait.
        focal_ratio: Focal length over the side.
        block: F over the side S of the frame.
    """

    def __init__(self, plates: Plates, source: MotionFrame, focal_ratio: float, block: int) -> None:
        self._plates = plates._replace(torso=plates.torso[3:])  # [1, F, F]
        self._source, self._ratio, self._block = source, focal_ratio, block

    def __call__(self, alpha: Tensor, frame: MotionFrame) -> Tensor:
        """See :class:`Coverage`."""
        warp = torso_warp(self._plates, self._source, frame, self._ratio)
        torso = shed_loose(self._plates, self._source, frame).torso
        torso = warp_torso(torso, warp, alpha.shape[-1])  # [B, 1, F, F]
        person = shrink(alpha + (1.0 - alpha) * torso, self._block)  # [B, 1, S, S]
        return ((person - FAINT) / (SOLID - FAINT)).clamp(0.0, 1.0)


class ChangeCoverage:
    """How far a pixel of a frame can differ from the portrait: where the head was or is, and where the torso moves.

    Args:
        plates: Of the avatar, at the side F on which frames are composed.
        source: Pose of the portrait.
        focal_ratio: Focal length over the side.
        block: F over the side S of the frame.
        head: Coverage of the portrait's own head ``[1, 1, F, F]``.
    """

    def __init__(self, plates: Plates, source: MotionFrame, focal_ratio: float, block: int, head: Tensor) -> None:
        self._plates = plates._replace(torso=plates.torso[3:])  # [1, F, F]
        self._source, self._ratio, self._block = source, focal_ratio, block
        self._head = head

    def __call__(self, alpha: Tensor, frame: MotionFrame) -> Tensor:
        """See :class:`Coverage`."""
        size = alpha.shape[-1]
        warp = torso_warp(self._plates, self._source, frame, self._ratio)  # [B, 2, G, G] in sides
        way = warp.norm(dim=1, keepdim=True) * (size / self._block)  # [B, 1, G, G] pixels of the frame
        moved = ((way - MOVED[0]) / (MOVED[1] - MOVED[0])).clamp(0.0, 1.0)
        moved = F.interpolate(moved, size=(size, size), mode="bilinear", align_corners=False)  # [B, 1, F, F]
        reach = max(1, round(RIM * size))
        torso = self._plates.torso
        torso = torch.maximum(warp_torso(torso, warp, size), torso)  # [B, 1, F, F] where it is or was
        head = grow(torch.maximum(alpha, self._head), reach)
        return shrink(torch.maximum(head, moved * grow(torso, reach)), self._block).clamp(0.0, 1.0)  # [B, 1, S, S]


def grow(mask: Tensor, reach: int) -> Tensor:
    """Grow a mask ``[B, 1, S, S]`` by ``reach`` pixels, and fade it out over as many."""
    grown = mask
    for axis in ((2 * reach + 1, 1), (1, 2 * reach + 1)):
        grown = F.max_pool2d(grown, axis, stride=1, padding=(axis[0] // 2, axis[1] // 2))
    for axis in ((2 * reach + 1, 1), (1, 2 * reach + 1)):
        padding = (axis[0] // 2, axis[1] // 2)
        grown = F.avg_pool2d(grown, axis, stride=1, padding=padding, count_include_pad=False)
    return grown
