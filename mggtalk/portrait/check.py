"""A look at a portrait before any work: which faces it shows, and whether one of them is good enough."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage

from mggtalk.face.blendshapes import NAMES
from mggtalk.face.face_model import FaceModel
from mggtalk.face.fitting import fit_track
from mggtalk.face.masks import face_axes
from mggtalk.face.tracker import SECOND_FACE, FaceTracker
from mggtalk.face.upright import turn_upright
from mggtalk.geometry import rotation_to_euler
from mggtalk.scene import FaceTrack

GOOD_HEIGHT, FAIR_HEIGHT = 180, 90
"""Face heights in pixels from which a portrait is sharp, and usable."""

GOOD_TURN, FAIR_TURN = 15.0, 35.0
"""Degrees of yaw up to which both halves of a face are seen, and one is seen well."""

NORM_HEIGHT = 160
"""Height to which a face is scaled before its sharpness is measured, pixels."""

GOOD_SHARPNESS, FAIR_SHARPNESS = 0.06, 0.03
"""Finest-scale contrast over all contrast: of a sharp face, and of one that is soft."""

DARK, BRIGHT = 0.22, 0.85
"""Mean brightness of the face under and over which it is badly exposed."""

MOST_CLIPPED = 0.12
"""Share of the face's pixels that may be black or white."""


WHOLE, CUT = 0.02, 0.2
"""Shares of the landmarks outside the picture up to which a face is whole, and from which much of it is missing."""

SHUT = 0.55
"""Blink score of the more open eye from which both are shut."""


class Finding(NamedTuple):
    """One line of the check."""

    name: str
    value: str
    grade: str  # "good", "fair" or "poor"
    advice: str = ""


class PortraitCheck(NamedTuple):
    """Findings."""

    boxes: tuple[tuple[float, float, float, float], ...]  # x0, y0, x1, y1 of the usable faces, left to right, pixels
    chosen: int | None  # which one was looked at; None if there is none, or several and none was chosen
    findings: tuple[Finding, ...]

    @property
    def usable(self) -> bool:
        """Whether an avatar can be made of it."""
        return self.chosen is not None and all(finding.grade != "poor" for finding in self.findings[:1])


def check_portrait(
    image: np.ndarray, tracker: FaceTracker, face_model: FaceModel, focal_ratio: float, face: int | None = None
) -> PortraitCheck:
    """Look at a portrait.

    Args:
        image: uint8 ``[H, W, 3]``.
        tracker: Finds the faces.
        face_model: Tells how the face is turned.
        focal_ratio: Of the camera that is assumed.
        face: Which face, from left to right, when there are several.

    Returns:
        Boxes and findings; the first finding says whether there is a face to work with.
    """
    faces = tracker.find(image)
    counting = sorted(
        (seen for seen in faces if seen.width >= SECOND_FACE * faces[0].width), key=lambda seen: seen.centre[0]
    )
    boxes = tuple(seen.box for seen in counting)
    if not counting:
        advice = "Use a picture of one person, from the front, upright and well lit."
        return PortraitCheck((), None, (Finding("Face", "none found", "poor", advice),))
    if face is None and len(counting) > 1:
        value = f"{len(counting)} found"
        return PortraitCheck(
            boxes, None, (Finding("Face", value, "fair", "Choose one: click it, or pick its number."),)
        )
    chosen = min(face or 0, len(counting) - 1)
    found, height, width = counting[chosen], *image.shape[:2]
    track = FaceTrack(found.landmarks[None], found.blendshapes[None], np.ones(1, bool), 25.0, width, height)
    image, track, turned = turn_upright(image, track)
    which = "one found" if len(counting) == 1 else f"one of {len(counting)}"
    findings = [Finding("Face", which, "good")]
    if turned:
        findings.append(Finding("Upright", "no", "fair", turned.replace("was turned", "will be turned")))
    return PortraitCheck(boxes, chosen, (*findings, *judge_face(image, track, face_model, focal_ratio)))


def portrait_notes(findings: Iterable[Finding]) -> tuple[str, ...]:
    """Choose the findings that a user should know who does not see the page's list."""
    return tuple(f"Portrait: {f.name.lower()} {f.value}. {f.advice}" for f in findings if f.grade != "good")


def judge_face(image: np.ndarray, track: FaceTrack, face_model: FaceModel, focal_ratio: float) -> list[Finding]:
    """Grades of one face: size, turn, place, eyes, sharpness and light.

    Args:
        image: uint8 ``[H, W, 3]``, upright.
        track: Of the face, one frame.
        face_model: Tells how it is turned.
        focal_ratio: Of the camera that is assumed.
    """
    landmarks = track.landmarks[0]  # [478, 3]
    findings = []
    height = face_axes(landmarks).height
    grade = _grade(height, GOOD_HEIGHT, FAIR_HEIGHT)
    advice = "" if grade == "good" else "A larger or closer picture gives a sharper head."
    findings.append(Finding("Size", f"{height:.0f} pixels high", grade, advice))
    angles = torch.rad2deg(rotation_to_euler(fit_track(face_model, track, focal_ratio).rotation[0]))
    yaw = float(angles[1])
    grade = _grade(-abs(yaw), -GOOD_TURN, -FAIR_TURN)
    advice = "" if grade == "good" else "A view from the front shows both halves; the hidden one has to be mirrored."
    side = "straight ahead" if abs(yaw) < 3 else f"{abs(yaw):.0f}° to the {'right' if yaw > 0 else 'left'}"
    findings.append(Finding("Turned", side, grade, advice))
    findings += [_framing(landmarks, track.width, track.height), _eyes(track.blendshapes[0])]
    grey = _face_pixels(image, landmarks)
    sharpness = _sharpness(grey)
    grade = _grade(sharpness, GOOD_SHARPNESS, FAIR_SHARPNESS)
    words = {"good": "sharp", "fair": "a little soft", "poor": "blurred"}
    advice = "" if grade == "good" else "What is blurred in the photo stays blurred."
    findings.append(Finding("Sharpness", words[grade], grade, advice))
    findings.append(_exposure(grey))
    return findings


def _framing(landmarks: np.ndarray, width: int, height: int) -> Finding:
    """Whether the whole face is in the picture."""
    inside = ((landmarks[:, :2] >= 0) & (landmarks[:, :2] < (width, height))).all(-1)
    outside = 1.0 - float(inside.mean())
    if outside <= WHOLE:
        return Finding("Place", "all in the picture", "good")
    value = f"{100 * outside:.0f} % outside the picture"
    return Finding("Place", value, "fair" if outside <= CUT else "poor", "Use a picture that shows the whole head.")


def _eyes(blendshapes: np.ndarray) -> Finding:
    """Whether an eye is open."""
    shut = min(float(blendshapes[NAMES.index(name)]) for name in ("eyeBlinkLeft", "eyeBlinkRight"))
    if shut < SHUT:
        return Finding("Eyes", "open", "good")
    return Finding("Eyes", "shut", "fair", "Opened, they are guessed: what is under the lids is not in the picture.")


def _face_pixels(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Brightness of the face in [0, 1], float32 ``[h, w]``, at least one pixel."""
    height, width = image.shape[:2]
    (x0, y0), (x1, y1) = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
    top, left = (int(np.clip(low, 0, side - 1)) for low, side in ((y0, height), (x0, width)))
    rows, columns = slice(top, max(top + 1, int(np.ceil(y1)))), slice(left, max(left + 1, int(np.ceil(x1))))
    patch = image[rows, columns].astype(np.float32) / 255.0
    return patch @ np.array([0.2126, 0.7152, 0.0722], np.float32)  # [h, w]


def _sharpness(grey: np.ndarray) -> float:
    """Contrast that a blur of one pixel takes away, over all contrast, at a standard size."""
    scale = min(1.0, NORM_HEIGHT / grey.shape[0])
    if scale < 1.0:
        grey = ndimage.zoom(ndimage.gaussian_filter(grey, 0.4 / scale), scale, order=1)
    fine = grey - ndimage.gaussian_filter(grey, 1.0)
    return float(fine.std() / max(float(grey.std()), 1e-3))


def _exposure(grey: np.ndarray) -> Finding:
    """Whether the face is too dark or too bright."""
    mean = float(grey.mean())
    clipped = float(((grey < 0.02) | (grey > 0.985)).mean())
    if mean < DARK or mean > BRIGHT:
        return Finding("Light", "too dark" if mean < DARK else "too bright", "fair", "Use a picture with even light.")
    if clipped > MOST_CLIPPED:
        return Finding(
            "Light", "harsh", "fair", "Deep shadows and white spots stay where they are when the head turns."
        )
    return Finding("Light", "even", "good")


def _grade(value: float, good: float, fair: float) -> str:
    """``good``, ``fair`` or ``poor``; more is better."""
    return "good" if value >= good else "fair" if value >= fair else "poor"
