"""Picture metrics of several methods on the same real frames."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mggtalk.evaluation import metrics
from mggtalk.evaluation.regions import Region, RegionScore, frame_regions
from mggtalk.evaluation.scores import PRIOR, STILL, Scores
from mggtalk.face import regions
from mggtalk.nets.maps import to_float
from mggtalk.nets.perceptual import LPIPS, masked_mean

HARD_MOUTH = 19.0
"""A frame is hard when the prior's mouth has a lower PSNR than this, in dB. The method under test has no say in it."""

LPIPS_STRIDE = 2
"""Perceptual distances and regions are taken of each so many-th measured frame: they cost more than all the rest."""

PSNR_CAP = 100.0
"""Equal pictures count as this many dB in a mean."""


class Perception(NamedTuple):
    """Perceptual networks. AlexNet's is what most publish; VGG's sees what training on AlexNet's does not repair."""

    lpips: LPIPS
    lpips_vgg: LPIPS | None = None

    @torch.inference_mode()
    def maps(self, images: Iterable[np.ndarray], truth: np.ndarray) -> dict[str, Tensor]:
        """Perceptual distances ``[B, 1, H, W]`` of B pictures uint8 ``[H, W, 3]``, by the name of the score."""
        stack = torch.stack([to_float(image) for image in images])  # [B, 3, H, W]
        wanted = to_float(truth)[None]  # [1, 3, H, W]
        return {name: network.map(stack, wanted) for name, network in self._asdict().items() if network}


class Comparison:
    """Compares the frames of all methods with the real ones, a frame of all methods at a time.

    Args:
        landmarks: Real landmarks of every frame, ``[T, 478, 2 or 3]`` in pixels of the compared frames.
        lpips: The perceptual networks; without them there are no perceptual distances. There are none of the still
            portrait.
        stride: See :data:`LPIPS_STRIDE`.
    """

    def __init__(self, landmarks: np.ndarray, lpips: Perception | None, stride: int = LPIPS_STRIDE) -> None:
        self._landmarks = landmarks
        self._lpips = lpips
        self._stride = stride
        self._rows: dict[str, list[Scores]] = {}
        self._regions: dict[str, list[dict[Region, RegionScore]]] = {}

    def looks_closely(self, index: int) -> bool:
        """Whether perceptual distances, and regions if a matte is given, are taken of a frame."""
        return index % self._stride == 0

    def watch(
        self, truth: np.ndarray, frames: Mapping[str, np.ndarray], index: int, matte: np.ndarray | None = None
    ) -> None:
        """Measure one moment.

        Args:
            truth: The real frame, uint8 ``[S, S, 3]``.
            frames: Method to its frame, the same shape; the same methods every time.
            index: Which of the real landmarks belong to it.
            matte: Person alpha ``[S, S]`` of the real frame, from which regions are told; none without it.
        """
        height, width = truth.shape[:2]
        face = regions.face_mask(self._landmarks[index], height, width)
        mouth = regions.mouth_mask(self._landmarks[index], height, width)
        rows = {name: _picture_scores(frame, truth, face, mouth) for name, frame in frames.items()}
        seen = {name: frame for name, frame in frames.items() if name != STILL}
        maps: dict[str, Tensor] = {}
        if self._lpips is not None and self.looks_closely(index):
            maps = self._lpips.maps(list(seen.values()), truth)  # network: [methods, 1, H, W]
            for network, distance in maps.items():
                for part, region in (("", np.ones_like(face)), ("_face", face), ("_mouth", mouth)):
                    values = masked_mean(distance, torch.from_numpy(region)[None, None])  # [methods]
                    for name, value in zip(seen, values.tolist()):
                        rows[name][network + part] = value
        if matte is not None:
            masks = frame_regions(self._landmarks[index], matte)
            for number, (name, frame) in enumerate(seen.items()):
                distances = {network: values[number, 0].numpy() for network, values in maps.items()}  # [H, W]
                scores = {key: _region_score(mask, frame, truth, distances) for key, mask in masks.items()}
                self._regions.setdefault(name, []).append(scores)
        # An unseen prior leaves the frame undecided.
        decision = rows[PRIOR]["psnr_mouth"] if PRIOR in rows else math.nan
        for name, row in rows.items():
            hard = row["psnr_mouth"] if decision < HARD_MOUTH else math.nan
            easy = row["psnr_mouth"] if decision >= HARD_MOUTH else math.nan
            self._rows.setdefault(name, []).append(Scores(**row, psnr_mouth_hard=hard, psnr_mouth_easy=easy))

    @property
    def regions(self) -> dict[str, dict[Region, RegionScore]]:
        """Means of all methods but the still portrait, region by region; empty without mattes."""
        return {
            name: {key: RegionScore.mean([row[key] for row in rows]) for key in rows[0]}
            for name, rows in self._regions.items()
        }

    @property
    def hard_frames(self) -> int:
        """Hard frames so far; none without a prior."""
        return sum(not math.isnan(row.psnr_mouth_hard) for row in self._rows.get(PRIOR, []))

    def scores(self, method: str) -> Scores:
        """Means of one method."""
        return Scores.mean(self._rows[method])

    def mouth_errors(self, method: str) -> np.ndarray:
        """PSNR of the mouth in every frame, ``[T]``."""
        return np.array([row.psnr_mouth for row in self._rows[method]])


def _picture_scores(image: np.ndarray, truth: np.ndarray, face: np.ndarray, mouth: np.ndarray) -> dict[str, float]:
    """Metrics of one frame that need no network."""
    similarity = metrics.ssim_map(image, truth)  # [H, W]
    row = {
        "psnr": metrics.psnr(image, truth),
        "psnr_wrapped": metrics.psnr_wrapped_uint8(image, truth),
        "psnr_face": metrics.psnr(image, truth, face),
        "psnr_mouth": metrics.psnr(image, truth, mouth),
    }
    row = {name: min(value, PSNR_CAP) for name, value in row.items()}
    row["ssim"] = float(similarity.mean())
    row["ssim_face"] = float(similarity[face].mean()) if face.any() else math.nan
    return row


def _region_score(
    mask: np.ndarray, frame: np.ndarray, truth: np.ndarray, distances: Mapping[str, np.ndarray]
) -> RegionScore:
    """One region ``[H, W]`` of one frame, with the perceptual maps ``[H, W]`` that there are."""
    if not mask.any():
        return RegionScore(0.0, math.nan, math.nan, math.nan)
    difference = np.abs(frame[mask].astype(np.float32) - truth[mask].astype(np.float32))  # [pixels, 3]
    seen = {name: float(values[mask].mean()) for name, values in distances.items()}
    return RegionScore(
        float(mask.mean()), float(difference.mean()), seen.get("lpips", math.nan), seen.get("lpips_vgg", math.nan)
    )
