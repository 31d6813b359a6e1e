"""Picture metrics of a generated video beside the still portrait, taken while the frames pass by."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np

from mggtalk.evaluation import metrics
from mggtalk.evaluation.scores import Scores

HARD_MOUTH = 19.0
"""A frame is hard when the still portrait's mouth has a lower PSNR than this, in dB. No method decides which."""

PSNR_CAP = 100.0
"""Equal pictures count as this many dB in a mean."""

SHEET_COLUMNS = 8
"""Moments that a contact sheet shows, at most."""


class Comparison:
    """Compares frames with the real ones as they are made, and keeps a few for a contact sheet.

    Args:
        still: The portrait, uint8 ``[S, S, 3]``.
        landmarks: Real landmarks of every frame, ``[T, 478, 2 or 3]`` in pixels of a frame of side S.
    """

    def __init__(self, still: np.ndarray, landmarks: np.ndarray) -> None:
        self._still = still
        self._landmarks = landmarks
        self._kept = set(np.linspace(0, len(landmarks) - 1, SHEET_COLUMNS).round().astype(int).tolist())
        self._generated_rows: list[dict[str, float]] = []
        self._still_rows: list[dict[str, float]] = []
        self.hard_frames = 0
        self.sheet: list[tuple[np.ndarray, np.ndarray]] = []  # real and generated frames, uint8 [S, S, 3]

    def watch(self, real: Iterable[np.ndarray], generated: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Pass on the generated frames, each measured against its real one (both uint8 ``[S, S, 3]``)."""
        for index, (truth, frame) in enumerate(zip(real, generated, strict=False)):
            still = _picture_scores(self._still, truth, self._landmarks[index])
            moving = _picture_scores(frame, truth, self._landmarks[index])
            hard = still["psnr_mouth"] < HARD_MOUTH
            self.hard_frames += hard
            for row, rows in ((still, self._still_rows), (moving, self._generated_rows)):
                rows.append({**row, "psnr_mouth_hard": row["psnr_mouth"] if hard else math.nan})
            if index in self._kept:
                self.sheet.append((truth, frame))
            yield frame

    def generated_scores(self, motion: dict[str, float]) -> Scores:
        """Means of the generated video, completed by its motion scores."""
        return Scores.mean([Scores(**row, **motion) for row in self._generated_rows])

    def still_scores(self, motion: dict[str, float]) -> Scores:
        """Means of the still portrait, completed by its motion scores."""
        return Scores.mean([Scores(**row, **motion) for row in self._still_rows])


def _picture_scores(image: np.ndarray, truth: np.ndarray, landmarks: np.ndarray) -> dict[str, float]:
    """Picture metrics of one frame."""
    height, width = truth.shape[:2]
    face = metrics.face_mask(landmarks, height, width)
    mouth = metrics.mouth_mask(landmarks, height, width)
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
