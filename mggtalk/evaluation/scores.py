"""The results of an evaluation, as they are saved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields


@dataclass(frozen=True)
class Scores:
    """Means over the measured frames of a clip, or over clips. NaN where something could not be measured."""

    psnr: float  # dB, whole frame
    psnr_wrapped: float  # dB, computed with eight-bit wrap-around: only for comparison with published columns
    ssim: float  # whole frame
    psnr_face: float  # dB, hull of the real frame's landmarks
    ssim_face: float  # hull of the real frame's landmarks
    psnr_mouth: float  # dB, enlarged hull of the real frame's lips
    psnr_mouth_hard: float  # the same on the hard frames alone; NaN if there are none
    lmd: float  # pixels at 256, lips centred in every frame
    lmd_uncentred: float  # pixels at 256
    aed: float  # standard deviations of expression coefficients
    apd: float  # radians
    jitter: float  # pixels at 256 per frame², generated minus real

    @staticmethod
    def mean(scores: Sequence[Scores]) -> Scores:
        """Mean of every field over those that are not NaN."""
        means = {}
        for column in fields(Scores):
            values = [value for value in (getattr(score, column.name) for score in scores) if not math.isnan(value)]
            means[column.name] = sum(values) / len(values) if values else math.nan
        return Scores(**means)


@dataclass(frozen=True)
class ClipScore:
    """One clip: what was generated, beside the portrait that does not move."""

    clip: str  # file name
    frames: int  # measured frames
    hard_frames: int  # of these, frames in which the still portrait's mouth is far off
    generated: Scores
    still: Scores


@dataclass(frozen=True)
class Evaluation:
    """A self-reenactment of several clips."""

    size: int  # side of the compared frames in pixels
    every: int  # each so many-th frame was measured
    clips: tuple[ClipScore, ...]
    skipped: dict[str, str] = field(default_factory=dict)  # clip -> why it could not be measured

    @property
    def mean(self) -> ClipScore:
        """Mean over clips, each clip counting the same; frames are summed."""
        return ClipScore(
            clip="mean",
            frames=sum(clip.frames for clip in self.clips),
            hard_frames=sum(clip.hard_frames for clip in self.clips),
            generated=Scores.mean([clip.generated for clip in self.clips]),
            still=Scores.mean([clip.still for clip in self.clips]),
        )
