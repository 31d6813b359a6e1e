"""The fourth channel of frames: how far a frame's own pixels count where it is put on something else."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from mggtalk.inpaint.follow import torso_warp, warp_torso
from mggtalk.inpaint.plates import Plates
from mggtalk.inpaint.shrink import shrink
from mggtalk.scene import MotionFrame

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
        self._torso, self._follow = plates.torso[3:], plates.follow  # [1, F, F]
        self._source, self._ratio, self._block = source, focal_ratio, block

    def __call__(self, alpha: Tensor, frame: MotionFrame) -> Tensor:
        """See :class:`Coverage`."""
        warp = torso_warp(self._follow, self._source, frame, self._ratio)
        torso = warp_torso(self._torso, warp, alpha.shape[-1])  # [B, 1, F, F]
        person = shrink(alpha + (1.0 - alpha) * torso, self._block)  # [B, 1, S, S]
        return ((person - FAINT) / (SOLID - FAINT)).clamp(0.0, 1.0)
