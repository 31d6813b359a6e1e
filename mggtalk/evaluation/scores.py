"""The results of an evaluation, as they are saved."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

STILL = "still portrait"
"""Name of the portrait that does not move, the least that a method must beat."""

PRIOR = "prior"
"""Name of the analytic reenactor without learned residuals. It decides which frames are hard."""

TRAINED = "trained"
"""Name of the pipeline with its learned residuals."""

REAL = "real frames"
"""Name of what the real video itself reaches, where that says something."""


@dataclass(frozen=True)
class Scores:
    """Means over the measured frames of a clip, or over clips. NaN where something could not be measured."""

    psnr: float = math.nan  # dB, whole frame
    psnr_wrapped: float = math.nan  # dB, computed with eight-bit wrap-around: only beside published columns
    ssim: float = math.nan  # whole frame
    lpips: float = math.nan  # whole frame, shift-tolerant AlexNet
    psnr_face: float = math.nan  # dB, hull of the real frame's landmarks
    ssim_face: float = math.nan  # hull of the real frame's landmarks
    lpips_face: float = math.nan  # hull of the real frame's landmarks
    psnr_mouth: float = math.nan  # dB, enlarged hull of the real frame's lips
    lpips_mouth: float = math.nan  # the same region
    psnr_mouth_hard: float = math.nan  # dB, hard frames alone; NaN if there are none, or nobody decided
    psnr_mouth_easy: float = math.nan  # dB, all others
    lmd: float = math.nan  # pixels at 256, lips centred in every frame
    lmd_uncentred: float = math.nan  # pixels at 256
    lip_gap: float = math.nan  # pixels at 256, mean absolute error of the gap between the inner lips
    lip_gap_correlation: float = math.nan  # of that gap over time with the real one
    lip_offset: float = math.nan  # measured frames by which that gap is late; in the mean, of either sign
    aed: float = math.nan  # standard deviations of expression coefficients
    apd: float = math.nan  # radians
    jitter: float = math.nan  # pixels at 256 per frame², generated minus real
    csim_sface: float = math.nan  # cosine of SFace's directions of frame and portrait
    fid: float = math.nan  # of the frames of all clips together; NaN for one clip

    @staticmethod
    def mean(scores: Sequence[Scores], weights: Mapping[str, Sequence[float]] | None = None) -> Scores:
        """Mean of every field over those that are not NaN.

        Args:
            scores: What is averaged.
            weights: Of some fields, one for each of the scores; all count alike without.
        """
        means = {}
        for column in fields(Scores):
            shares = (weights or {}).get(column.name, [1.0] * len(scores))
            pairs = [(getattr(score, column.name), share) for score, share in zip(scores, shares, strict=True)]
            pairs = [(value, share) for value, share in pairs if not math.isnan(value) and share > 0]
            total = sum(share for _, share in pairs)
            means[column.name] = sum(value * share for value, share in pairs) / total if pairs else math.nan
        return Scores(**means)


@dataclass(frozen=True)
class ClipScore:
    """One clip under every method."""

    clip: str  # file name
    frames: int  # measured frames
    hard_frames: int  # of these, frames in which the prior's mouth is far off
    scores: dict[str, Scores]  # method -> its scores


@dataclass(frozen=True)
class Evaluation:
    """Several clips under every method."""

    mode: str  # what drove the portrait
    size: int  # side of the compared frames in pixels
    every: int  # each so many-th frame was measured
    clips: tuple[ClipScore, ...]
    skipped: dict[str, str] = field(default_factory=dict)  # clip -> why it could not be measured
    not_computed: dict[str, str] = field(default_factory=dict)  # metric -> why it is not given
    fid: dict[str, float] = field(default_factory=dict)  # method -> FID of the frames of all clips together

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the methods, in their order."""
        return tuple(self.clips[0].scores)

    @property
    def mean(self) -> ClipScore:
        """Mean over clips, each clip counting the same; frames are summed.

        Hard and easy frames are pooled instead: a clip counts there as often as it has such frames. FID is no mean.
        """
        hard = [float(clip.hard_frames) for clip in self.clips]
        easy = [float(clip.frames - clip.hard_frames) for clip in self.clips]
        weights = {"psnr_mouth_hard": hard, "psnr_mouth_easy": easy}
        return ClipScore(
            clip="mean",
            frames=sum(clip.frames for clip in self.clips),
            hard_frames=sum(clip.hard_frames for clip in self.clips),
            scores={
                method: replace(
                    Scores.mean([clip.scores[method] for clip in self.clips], weights),
                    fid=self.fid.get(method, math.nan),
                )
                for method in self.methods
            },
        )
