"""Picture metrics of several methods on the same real frames."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor

from mggtalk.evaluation import metrics
from mggtalk.evaluation.scores import PRIOR, STILL, Scores
from mggtalk.face import regions
from mggtalk.nets.perceptual import LPIPS, masked_mean

HARD_MOUTH = 19.0
"""A frame is hard when the prior's mouth has a lower PSNR than this, in dB. The method under test has no say in it."""

LPIPS_STRIDE = 2
"""Perceptual distances are taken of each so many-th measured frame: they cost as much as all the rest."""

PSNR_CAP = 100.0
"""Equal pictures count as this many dB in a mean."""


class Comparison:
    """Compares the frames of all methods with the real ones, a frame of all methods at a time.

    Args:
        landmarks: Real landmarks of every frame, ``[T, 478, 2 or 3]`` in pixels of the compared frames.
        lpips: The perceptual network; without it there are no perceptual distances. There are none of the still
            portrait.
    """

    def __init__(self, landmarks: np.ndarray, lpips: LPIPS | None) -> None:
        self._landmarks = landmarks
        self._lpips = lpips
        self._rows: dict[str, list[Scores]] = {}

    def watch(self, truth: np.ndarray, frames: Mapping[str, np.ndarray], index: int) -> None:
        """Measure one moment.

        Args:
            truth: The real frame, uint8 ``[S, S, 3]``.
            frames: Method to its frame, the same shape; the same methods every time.
            index: Which of the real landmarks belong to it.
        """
        height, width = truth.shape[:2]
        face = regions.face_mask(self._landmarks[index], height, width)
        mouth = regions.mouth_mask(self._landmarks[index], height, width)
        rows = {name: _picture_scores(frame, truth, face, mouth) for name, frame in frames.items()}
        seen = {name: frame for name, frame in frames.items() if name != STILL}
        if self._lpips is not None and index % LPIPS_STRIDE == 0:
            distances = _distances(self._lpips, list(seen.values()), truth, face, mouth)  # [3, methods]
            for name, values in zip(seen, distances.T.tolist()):
                rows[name].update(zip(("lpips", "lpips_face", "lpips_mouth"), values))
        # An unseen prior leaves the frame undecided.
        decision = rows[PRIOR]["psnr_mouth"] if PRIOR in rows else math.nan
        for name, row in rows.items():
            hard = row["psnr_mouth"] if decision < HARD_MOUTH else math.nan
            easy = row["psnr_mouth"] if decision >= HARD_MOUTH else math.nan
            self._rows.setdefault(name, []).append(Scores(**row, psnr_mouth_hard=hard, psnr_mouth_easy=easy))

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


@torch.inference_mode()
def _distances(
    lpips: LPIPS, images: Iterable[np.ndarray], truth: np.ndarray, face: np.ndarray, mouth: np.ndarray
) -> Tensor:
    """Perceptual distances ``[3, B]`` of B pictures: whole frame, face, mouth."""
    stack = torch.stack([_to_tensor(image) for image in images])  # [B, 3, H, W]
    maps = lpips.map(stack, _to_tensor(truth)[None])  # [B, 1, H, W]
    regions = (np.ones_like(face), face, mouth)
    return torch.stack([masked_mean(maps, torch.from_numpy(region)[None, None]) for region in regions])


def _to_tensor(image: np.ndarray) -> Tensor:
    """uint8 ``[H, W, 3]`` to float ``[3, H, W]`` in [0, 1]."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255.0
