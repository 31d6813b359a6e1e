"""The results of an evaluation, as they are saved."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

from mggtalk.evaluation.regions import REGIONS, Region, RegionScore
from mggtalk.evaluation.speech import AudioVisual, SpeechScore

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
    lpips_vgg: float = math.nan  # whole frame, shift-tolerant VGG
    psnr_face: float = math.nan  # dB, hull of the real frame's landmarks
    ssim_face: float = math.nan  # hull of the real frame's landmarks
    lpips_face: float = math.nan  # hull of the real frame's landmarks
    lpips_vgg_face: float = math.nan  # hull of the real frame's landmarks
    psnr_mouth: float = math.nan  # dB, enlarged hull of the real frame's lips
    lpips_mouth: float = math.nan  # the same region
    lpips_vgg_mouth: float = math.nan  # the same region
    psnr_mouth_hard: float = math.nan  # dB, hard frames alone; NaN if there are none, or nobody decided
    psnr_mouth_easy: float = math.nan  # dB, all others
    lmd: float = math.nan  # pixels at 256, lips centred in every frame
    lmd_uncentred: float = math.nan  # pixels at 256
    lip_gap: float = math.nan  # pixels at 256, mean absolute error of the gap between the inner lips
    lip_gap_correlation: float = math.nan  # of that gap over time with the real one
    lip_gap_slope: float = math.nan  # of that gap, on the head, over the driver's: 1 when it opens as far
    lip_width_slope: float = math.nan  # of the distance of the corners of the lips over the driver's
    lip_width_correlation: float = math.nan  # of that distance over time with the driver's
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
    regions: dict[str, dict[Region, RegionScore]] = field(default_factory=dict)  # method -> region -> its scores
    lip_gap_spread: float = math.nan  # decimetres, standard deviation of the driver's gap over time
    lip_width_spread: float = math.nan  # decimetres, of the driver's width
    speech: dict[str, SpeechScore] = field(default_factory=dict)  # method -> its lips, where sound moves them
    sync: AudioVisual = AudioVisual()  # whether sound and picture of the clip go together


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
    portrait_frame: str = "first"  # which frame of the clip the portrait is
    most: int | None = None  # frames of a clip that were measured at most; no limit without
    photos: int = 1  # of the person that methods could have

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the methods, in their order."""
        return tuple(self.clips[0].scores)

    @property
    def mean(self) -> ClipScore:
        """Mean over clips, each clip counting the same; frames are summed.

        Hard and easy frames are pooled instead: a clip counts there as often as it has such frames. So are the slopes
        of the lips: a clip counts as much as its driver's lips vary, which is the slope over all clips' deviations
        from their own means. FID is no mean.
        """
        weights = {
            "psnr_mouth_hard": [float(clip.hard_frames) for clip in self.clips],
            "psnr_mouth_easy": [float(clip.frames - clip.hard_frames) for clip in self.clips],
            "lip_gap_slope": _powers([clip.lip_gap_spread for clip in self.clips], self.clips),
            "lip_width_slope": _powers([clip.lip_width_spread for clip in self.clips], self.clips),
        }
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
            regions={
                method: {
                    region: RegionScore.mean([clip.regions[method][region] for clip in self.clips if clip.regions])
                    for region in REGIONS
                }
                for method in self.methods
                if all(method in clip.regions for clip in self.clips if clip.regions)
                and any(clip.regions for clip in self.clips)
            },
        )

    def mean_speech(self, clips: Sequence[ClipScore] | None = None) -> dict[str, SpeechScore]:
        """Method to the mean of its lips over clips, or over all of them."""
        heard = [clip for clip in (self.clips if clips is None else clips) if clip.speech]
        return (
            {name: SpeechScore.mean([clip.speech[name] for clip in heard]) for name in heard[0].speech} if heard else {}
        )

    def worst_first(self, method: str) -> tuple[ClipScore, ...]:
        """Clips from the worst face LPIPS of a method to the best; where there is none, from the worst AED."""

        def badness(clip: ClipScore) -> float:
            score = clip.scores[method]
            value = score.aed if math.isnan(score.lpips_face) else score.lpips_face
            return -math.inf if math.isnan(value) else value

        return tuple(sorted(self.clips, key=badness, reverse=True))


def _powers(spreads: Sequence[float], clips: Sequence[ClipScore]) -> list[float]:
    """Weights of clips for pooled slopes: squared deviations summed over frames; all alike where nobody knows them."""
    if any(math.isnan(spread) for spread in spreads):
        return [1.0] * len(spreads)
    return [clip.frames * spread**2 for clip, spread in zip(clips, spreads, strict=True)]
