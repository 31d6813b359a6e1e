"""BlazeFace: boxes and key points of faces, also of small and of rotated ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from mggtalk.face import assets
from mggtalk.face.network import Network
from mggtalk.face.roi import Roi, resample

INPUT = 128  # side of the network's input
STRIDES = (8, 16, 16, 16)
ANCHORS_PER_CELL = 2
OVERLAP = 0.3  # intersection over union at which two boxes are the same face
SMALLEST_TILE = 64  # pixels


class Detection(NamedTuple):
    """A face found by the detector, pixels."""

    box: np.ndarray  # [4] x0, y0, x1, y1
    keypoints: np.ndarray  # [6, 2] right eye, left eye, nose, mouth, right ear, left ear
    score: float

    @property
    def roi(self) -> Roi:
        """The region that the landmark network looks at."""
        return Roi.from_box(self.box, self.keypoints[0], self.keypoints[1])


class Sighting(NamedTuple):
    """What one stage of a search found."""

    faces: list[Detection]  # best score first; some can be mistakes, the landmark network has to confirm them
    side: float  # of its views, pixels


UNSURE = 0.05
"""Score of what may be a face at all."""


class FaceDetector:
    """Finds faces in the whole picture, in turned pictures and in ever smaller tiles.

    Args:
        threshold: Least score of a face.

    Raises:
        WeightsMissingError: If the network is not available.
    """

    def __init__(self, threshold: float) -> None:
        self._network = Network(assets.DETECTOR)
        self._threshold = threshold
        self._anchors = anchors()

    def search(self, image: np.ndarray, thorough: bool = True) -> Iterator[Sighting]:
        """Look for faces in ``image`` ``[H, W, 3]`` uint8, farther and farther until the caller is content.

        Args:
            image: The picture.
            thorough: After the whole view, look in turned pictures and in tiles as well.

        Yields:
            What each stage of the search found.
        """
        stages = _searches(*image.shape[:2]) if thorough else [[_whole(*image.shape[:2])]]
        for views in stages:
            yield Sighting(suppress([face for view in views for face in self._look(image, view)]), views[0].side)

    def best_look(self, image: np.ndarray, view: Roi) -> Detection | None:
        """The surest face in one square view, however little sure."""
        return max(self._look(image, view, least=UNSURE), key=lambda face: face.score, default=None)

    def _look(self, image: np.ndarray, view: Roi, least: float | None = None) -> list[Detection]:
        """Faces in one square view."""
        pixels = resample(image, view, INPUT, padding="zeros")  # [128, 128, 3]
        regressors, logits = self._network(pixels[None] / 127.5 - 1.0)  # [1, 896, 16], [1, 896, 1]
        scores = 1.0 / (1.0 + np.exp(-np.clip(logits[0, :, 0], -80.0, 80.0)))  # [896]
        chosen = np.flatnonzero(scores >= (self._threshold if least is None else least))
        values = regressors[0, chosen].reshape(-1, 8, 2) / INPUT  # [n, 8, 2] centre, size, six key points
        faces = []
        for anchor, value, score in zip(self._anchors[chosen], values, scores[chosen]):
            points = view.to_image(np.concatenate([value[:1], value[2:]]) + anchor)  # [7, 2]
            half = value[1] * view.side / 2
            if half.min() > 0:
                box = np.concatenate([points[0] - half, points[0] + half])  # [4]
                faces.append(Detection(box, points[1:], float(score)))
        return suppress(faces)


def anchors() -> np.ndarray:
    """Centres of the 896 anchors in units of the input's side, ``[896, 2]`` x, y."""
    layers: dict[int, int] = {}
    for stride in STRIDES:
        layers[stride] = layers.get(stride, 0) + ANCHORS_PER_CELL
    centres = []
    for stride, count in layers.items():
        cells = INPUT // stride
        steps = (np.arange(cells) + 0.5) / cells
        grid = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)  # [cells², 2] x runs fastest
        centres.append(np.repeat(grid, count, axis=0))  # [cells² * count, 2]
    return np.concatenate(centres)


def overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union ``[...]`` of boxes ``[..., 4]``."""
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])  # [..., 2]
    shared = np.maximum(sides, 0.0).prod(-1)  # [...]
    return shared / ((a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - shared)


def suppress(faces: list[Detection]) -> list[Detection]:
    """Join overlapping detections to their score-weighted mean; best score first."""
    remaining = sorted(faces, key=lambda face: -face.score)
    joined = []
    while remaining:
        best = remaining[0]
        apart = overlap(best.box, np.stack([face.box for face in remaining])) <= OVERLAP  # [n]
        group = [face for face, other in zip(remaining, apart) if not other]
        remaining = [face for face, other in zip(remaining, apart) if other]
        weights = np.array([face.score for face in group])
        weights /= weights.sum()
        box = sum(weight * face.box for weight, face in zip(weights, group))
        keypoints = sum(weight * face.keypoints for weight, face in zip(weights, group))
        joined.append(Detection(box, keypoints, best.score))
    return joined


def _whole(height: int, width: int) -> Roi:
    """The square that holds the whole picture."""
    return Roi(width / 2, height / 2, float(max(height, width)), 0.0)


def _searches(height: int, width: int) -> Iterator[list[Roi]]:
    """Sets of views, in the order in which they are tried."""
    whole = _whole(height, width)
    yield [whole]
    yield [whole._replace(angle=angle) for angle in (np.pi / 2, -np.pi / 2, np.pi)]
    side = min(float(min(height, width)), whole.side / 2)
    while side >= SMALLEST_TILE and whole.side / side < 12:
        views = _tiles(height, width, side)
        yield views
        side /= 2
    side = whole.side / 2
    if side >= SMALLEST_TILE:
        yield [view._replace(angle=angle) for view in _tiles(height, width, side) for angle in (np.pi / 2, -np.pi / 2)]


def _tiles(height: int, width: int, side: float) -> list[Roi]:
    """Squares that cover the picture and overlap by at least 40 %."""
    columns = int(np.ceil(max(width - side, 0.0) / (0.6 * side))) + 1
    rows = int(np.ceil(max(height - side, 0.0) / (0.6 * side))) + 1
    xs = np.linspace(side / 2, width - side / 2, columns) if columns > 1 else [width / 2]
    ys = np.linspace(side / 2, height - side / 2, rows) if rows > 1 else [height / 2]
    return [Roi(float(x), float(y), side, 0.0) for y in ys for x in xs]
