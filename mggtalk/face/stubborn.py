"""Faces that the detector does not see at once: painted, carved, drawn, tilted, very large, pale.

The picture is looked at turned by eighths, from farther away, with more contrast and in the mirror; of all that may be
a face, the landmark network confirms the one that it is surest of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from mggtalk.face.blendshapes import MIRROR
from mggtalk.face.detector import Detection, FaceDetector
from mggtalk.face.landmarks import Face
from mggtalk.face.roi import Roi
from mggtalk.face.topology import mirror_permutation

AWAY = (1.0, 1.5, 2.2)
"""Sides of the views over the picture's longer side: a face that fills the picture is too near."""

EIGHTHS = tuple(np.pi / 4 * step for step in (0, 1, -1, 2, -2, 3, -3, 4))
"""Turns of the views."""

TRIED = 8
"""Candidates that the landmark network looks at, in each variant of the picture."""

ROUNDS = 3
"""Times that it looks again where it saw the face."""

MAYBE, SURE = 0.4, 0.7
"""Score of what is looked at from near, and what it has to have there: cups have up to 0.45, cats 0.65, faces 0.79."""

VIEW = 1.5
"""Side of the view from near, over that of the landmark network's."""

Look = Callable[[np.ndarray, Roi], Face | None]


def search_stubbornly(image: np.ndarray, detector: FaceDetector, look: Look) -> list[Face]:
    """Find the one face that nothing else found; an empty list if there is none.

    Args:
        image: uint8 ``[H, W, 3]``.
        detector: Finds boxes.
        look: Gives the face in a region, or None.
    """
    found: list[Face] = []
    for picture, mirrored in variants(image):
        for candidate in _candidates(picture, detector):
            face = _settle(picture, candidate.roi, look)
            if face is not None and _confirmed(picture, face, detector):
                found.append(_unmirror(face, image.shape[1]) if mirrored else face)
        if found:
            return [max(found, key=lambda face: face.score)]
    return []


def variants(image: np.ndarray) -> Iterator[tuple[np.ndarray, bool]]:
    """Pictures to look at, and whether they are mirrored."""
    yield image, False
    clear = stretch(image)
    yield clear, False
    yield np.ascontiguousarray(image[:, ::-1]), True
    yield 255 - clear, False  # a negative, or a drawing in white on black


def stretch(image: np.ndarray) -> np.ndarray:
    """Brightness alone, its darkest and brightest hundredth at black and white: uint8 ``[H, W, 3]``."""
    grey = image.mean(-1)
    low, high = np.percentile(grey, (1, 99))
    scaled = np.clip((grey - low) / max(high - low, 1.0), 0.0, 1.0)
    return np.repeat((255.0 * scaled).astype(np.uint8)[..., None], 3, axis=-1)


def _candidates(picture: np.ndarray, detector: FaceDetector) -> list[Detection]:
    """What may be a face, the surest first."""
    height, width = picture.shape[:2]
    side = float(max(height, width))
    views = [Roi(width / 2, height / 2, away * side, angle) for away in AWAY for angle in EIGHTHS]
    views += [Roi(x * width, y * height, 0.6 * side, 0.0) for x in (0.3, 0.5, 0.7) for y in (0.3, 0.5, 0.7)]
    seen = [face for view in views if (face := detector.best_look(picture, view)) is not None]
    return sorted((face for face in seen if face.score >= MAYBE), key=lambda face: -face.score)[:TRIED]


def _settle(picture: np.ndarray, roi: Roi, look: Look) -> Face | None:
    """The face in a region, looked at again where it was seen; None if it is lost."""
    face = look(picture, roi)
    for _ in range(ROUNDS):
        if face is None:
            return None
        face = look(picture, Roi.from_landmarks(face.landmarks))
    return face


def _confirmed(picture: np.ndarray, face: Face, detector: FaceDetector) -> bool:
    """Whether the detector, looking from near, is sure of what the landmark network took for a face."""
    roi = Roi.from_landmarks(face.landmarks)
    seen = detector.best_look(picture, roi._replace(side=VIEW * roi.side))
    return seen is not None and seen.score >= SURE


def _unmirror(face: Face, width: int) -> Face:
    """A face of the mirrored picture in the picture itself."""
    landmarks = face.landmarks[mirror_permutation()].copy()
    landmarks[:, 0] = width - landmarks[:, 0]
    x0, y0, x1, y1 = face.box
    return Face(landmarks, face.blendshapes[list(MIRROR)], face.score, (width - x1, y0, width - x0, y1))
