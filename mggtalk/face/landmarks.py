"""The landmark and blendshape networks: one face in a known region."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mggtalk.face import assets
from mggtalk.face.network import Network
from mggtalk.face.roi import Roi, resample
from mggtalk.face.topology import BLENDSHAPE_INPUT, VERTICES
from mggtalk.runtime.threads import thread_count

INPUT = 256  # side of the landmark network's input


class Face(NamedTuple):
    """A face with its landmarks."""

    landmarks: np.ndarray  # [478, 3] float32 pixels; z has the scale of x, smaller is nearer to the camera
    blendshapes: np.ndarray  # [52] float32 scores in [0, 1]
    score: float  # of the landmark network: how sure it is that it sees a face
    box: tuple[float, float, float, float]  # x0, y0, x1, y1 of the landmarks, pixels

    @property
    def width(self) -> float:
        """Width of the box in pixels."""
        return self.box[2] - self.box[0]

    @property
    def centre(self) -> np.ndarray:
        """Centre of the box ``[2]``."""
        return np.array([self.box[0] + self.box[2], self.box[1] + self.box[3]]) / 2


class LandmarkNetworks:
    """478 landmarks and 52 blendshapes of the face in a region.

    Raises:
        WeightsMissingError: If the networks are not available.
    """

    def __init__(self) -> None:
        self._landmarks = Network(assets.LANDMARKS, thread_count())
        self._blendshapes = Network(assets.BLENDSHAPES)

    def __call__(self, image: np.ndarray, roi: Roi) -> Face:
        """Landmarks in ``image`` ``[H, W, 3]`` uint8; a low score means that the region shows no face."""
        pixels = resample(image, roi, INPUT)  # [256, 256, 3]
        pixels /= 255.0
        values, presence, _ = self._landmarks(pixels[None])  # [1, 1, 1, 1434], [1, 1, 1, 1]
        points = roi.to_image(values.reshape(VERTICES, 3) / INPUT).astype(np.float32)  # [478, 3]
        weights = self._blendshapes(points[None, list(BLENDSHAPE_INPUT), :2])[0].reshape(-1)  # [52]
        score = 1.0 / (1.0 + np.exp(-float(presence.reshape(()))))
        low, high = points[:, :2].min(0), points[:, :2].max(0)
        return Face(points, weights, score, (float(low[0]), float(low[1]), float(high[0]), float(high[1])))
