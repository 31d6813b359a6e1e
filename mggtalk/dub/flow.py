"""The lower face of a real frame, moved: a backward flow on the face mesh, which fades out around the face.

Each pixel of the new frame is looked up where it was in the real one: inside the mesh piecewise linearly, by the
triangles whose corners are the landmarks before and after. Around the mesh, rings of copies of its outline move less
and less: cheeks, neck, beard and what is behind the chin give way softly, and nothing beyond the last ring changes.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from mggtalk.face.regions import hull_mask
from mggtalk.face.topology import FACE_OVAL, LIPS, MESH_VERTICES, triangles
from mggtalk.runtime.kernels import helper, kernel
from mggtalk.runtime.threads import run_ranges

RINGS = (1.08, 1.18, 1.3, 1.45, 1.65)
"""Distance of the rings from the middle of the face, over that of the outline; the last one stays where it is."""

SOFT = 0.015
"""Standard deviation over which the flow is smoothed around the lips, over the height of the face."""

STILL = 0.02
"""Pixels: what moves by less is left as it is."""

REACH = 3.0
"""Standard deviations around the lips within which the flow is not the smooth one alone."""

TAPS = 6
"""Pixels of a line that a sample is made of."""

PHASES = 128
"""Steps between two pixels for which the weights of a sample are known."""

ROWS = 32
"""Rows in a task."""


class Flow(NamedTuple):
    """Where the pixels of a window of the new frame come from."""

    left: int  # of the window, pixels
    top: int
    source: np.ndarray  # float32 [h, w, 2] places in the real frame, pixels, centres at +0.5
    moved: np.ndarray  # bool [h, w] what changes


def flow_of(before: np.ndarray, after: np.ndarray, depth: np.ndarray, width: int, height: int) -> Flow | None:
    """Find the flow of a face.

    Args:
        before: Landmarks ``[478, 2]`` in the real frame, pixels.
        after: The same in the new one.
        depth: ``[478]``, smaller is nearer: where parts of a turned face lie over each other, the nearer one is seen.
        width: Of the frame.
        height: Of the frame.

    Returns:
        The flow; None if nothing moves.
    """
    start = with_rings(before)  # [N, 2]
    end = start + with_fading(after - before)
    way = np.abs(end - start).max(-1)  # [N]
    if way.max() < STILL:
        return None
    faces = np.concatenate([ring_triangles(), triangles()])  # [F, 3]
    faces = faces[way[faces].max(-1) > STILL]
    behind = np.concatenate([depth[:MESH_VERTICES], np.full(len(end) - MESH_VERTICES, np.inf)])
    faces = faces[np.argsort(-behind[faces].max(-1), kind="stable")]  # the nearest is drawn last
    corners = end[faces].reshape(-1, 2)  # [3F, 2]
    left, top = (int(np.clip(np.floor(edge), 0, side)) for edge, side in zip(corners.min(0), (width, height)))
    right, bottom = (int(np.clip(np.ceil(edge), 0, side)) for edge, side in zip(corners.max(0), (width, height)))
    if right <= left or bottom <= top:
        return None
    mesh = start - (left, top), end - (left, top), faces
    shift = soften_around_lips(mesh, after - (left, top), right - left, bottom - top)  # [h, w, 2]
    moved = (np.abs(shift[..., 0]) > STILL) | (np.abs(shift[..., 1]) > STILL)
    shift[..., 0] += np.arange(left, right, dtype=np.float32) + 0.5
    shift[..., 1] += np.arange(top, bottom, dtype=np.float32)[:, None] + 0.5
    return Flow(left, top, shift, moved)


Mesh = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Corners ``[N, 2]`` in the real frame and in the new one, pixels of a window, and triangles ``[F, 3]``."""


def soften_around_lips(mesh: Mesh, landmarks: np.ndarray, width: int, height: int) -> np.ndarray:
    """Shifts whose way is smooth outside of the lips, across creases and the outline of a turned face.

    What is smooth is worked out on fewer pixels; only around the lips all are needed.

    Args:
        mesh: What moves.
        landmarks: Of the new frame ``[478, 2]``, pixels of the window.
        width: Of the window.
        height: Of the window.

    Returns:
        Places in the real frame less those in the new one, float32 ``[height, width, 2]`` pixels.
    """
    deviation = SOFT * float(np.linalg.norm(landmarks[10] - landmarks[152]))
    step = max(1, int(deviation / 2.0))
    coarse = draw_shift(mesh, 0, 0, -(-width // step), -(-height // step), step)  # [h', w', 2]
    shift = np.empty((height, width, 2), np.float32)
    for axis in range(2):
        smooth = gaussian_filter(coarse[..., axis], deviation / step, mode="constant")
        if step > 1:
            box = (0.0, 0.0, width / step, height / step)
            smooth = np.asarray(Image.fromarray(smooth).resize((width, height), Image.Resampling.BILINEAR, box))
        shift[..., axis] = smooth
    corners = landmarks[list(LIPS)]
    low = np.clip(np.floor(corners.min(0) - REACH * deviation).astype(int), 0, (width, height))
    high = np.clip(np.ceil(corners.max(0) + REACH * deviation).astype(int), low, (width, height))
    if (high > low).all():
        (left, top), (right, bottom) = low, high
        own = draw_shift(mesh, left, top, right - left, bottom - top)  # [h'', w'', 2]
        lips = hull_mask(corners - low, bottom - top, right - left).astype(np.float32)
        sharp = np.clip(2.0 * gaussian_filter(lips, deviation), 0.0, 1.0)[..., None]
        part = shift[top:bottom, left:right]
        part += sharp * (own - part)
    return shift


def draw_shift(mesh: Mesh, left: int, top: int, width: int, height: int, step: int = 1) -> np.ndarray:
    """Shifts of a mesh as they are, float32 ``[height, width, 2]`` pixels.

    Args:
        mesh: What moves.
        left: First column of the window in which it is drawn.
        top: First row.
        width: Of the picture that is drawn.
        height: Of the picture.
        step: Pixels of the mesh to one of the picture.
    """
    start, end, faces = mesh
    shift = np.zeros((height, width, 2), np.float32)
    _draw_shift((start - end), (end - (left, top)) / step, faces, shift)
    return shift


def with_rings(points: np.ndarray) -> np.ndarray:
    """Vertices of the mesh and of the rings around it: ``[478, 2]`` to ``[N, 2]``, without the irises."""
    outline = points[list(FACE_OVAL)]  # [36, 2]
    middle = outline.mean(0)
    rings = [middle + factor * (outline - middle) for factor in RINGS]
    return np.concatenate([points[:MESH_VERTICES], *rings]).astype(np.float64)


def with_fading(shift: np.ndarray) -> np.ndarray:
    """Shifts of the mesh's vertices ``[478, 2]``, and what of the outline's is left on the rings: ``[N, 2]``."""
    outline = shift[list(FACE_OVAL)]  # [36, 2]
    rest = [(factor - 1.0) / (RINGS[-1] - 1.0) for factor in RINGS]
    rings = [(1.0 - t * t * (3.0 - 2.0 * t)) * outline for t in rest]
    return np.concatenate([shift[:MESH_VERTICES], *rings]).astype(np.float64)


def ring_triangles() -> np.ndarray:
    """Triangles between outline and rings, ``[F, 3]``, outermost first."""
    count = len(FACE_OVAL)
    levels = [np.array(FACE_OVAL), *(MESH_VERTICES + count * ring + np.arange(count) for ring in range(len(RINGS)))]
    faces = []
    for inner, outer in list(zip(levels, levels[1:]))[::-1]:
        after_inner, after_outer = np.roll(inner, -1), np.roll(outer, -1)
        faces += [np.stack([inner, outer, after_outer], -1), np.stack([inner, after_outer, after_inner], -1)]
    return np.concatenate(faces)


def sample(picture: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Sample a picture between its pixels, and keep it as sharp, by ``L(x) = sinc(x) sinc(x / 3)`` (Lanczos).

    Args:
        picture: uint8 ``[H, W, 3]``; behind its border its last pixel goes on.
        places: float32 ``[h, w, 2]`` in pixels, centres at +0.5.

    Returns:
        uint8 ``[h, w, 3]``.
    """
    found = np.empty((*places.shape[:2], 3), np.uint8)
    everywhere = np.ones(places.shape[:2], bool)
    run_ranges(_move, len(places), ROWS, np.ascontiguousarray(picture), places, everywhere, lanczos(), found)
    return found


def move(picture: np.ndarray, flow: Flow, moved: np.ndarray) -> None:
    """Write what moves into a copy of a picture, both uint8 ``[H, W, 3]``."""
    height, width = flow.moved.shape
    part = moved[flow.top : flow.top + height, flow.left : flow.left + width]
    run_ranges(_move, height, ROWS, picture, flow.source, flow.moved, lanczos(), part)


@cache
def lanczos() -> np.ndarray:
    """Weights of the pixels around a place, by its phase between the middle two: float32 ``[PHASES + 1, TAPS]``."""
    phases, lobes = np.arange(PHASES + 1) / PHASES, TAPS // 2
    away = np.arange(1 - lobes, 1 + lobes) - phases[:, None]  # [PHASES + 1, TAPS]
    weights = np.where(np.abs(away) < lobes, np.sinc(away) * np.sinc(away / lobes), 0.0)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


@helper
def _byte(value):  # type: ignore[no-untyped-def]
    return np.uint8(min(max(value, np.float32(0)), np.float32(255)) + np.float32(0.5))


@kernel
def _move(first, last, picture, source, moved, taps, found):  # type: ignore[no-untyped-def]
    """Rows ``first .. last`` of a picture that is looked up in another one.

    Args:
        first: First row.
        last: One past the last row.
        picture: uint8 ``[H, W, 3]``.
        source: Places in it ``[h, w, 2]``, pixels, centres at +0.5.
        moved: bool ``[h, w]``; others are left alone.
        taps: See :func:`lanczos`.
        found: uint8 ``[h, w, 3]``, written.
    """
    height, width, phases = picture.shape[0], picture.shape[1], taps.shape[0] - 1
    half, zero = np.float32(0.5), np.float32(0)
    for row in range(first, last):
        for column in range(source.shape[1]):
            if not moved[row, column]:
                continue
            x, y = source[row, column, 0] - half, source[row, column, 1] - half
            low_x, low_y = math.floor(x), math.floor(y)
            across = taps[int((x - low_x) * np.float32(phases) + half)]
            down = taps[int((y - low_y) * np.float32(phases) + half)]
            left, top = int(low_x) - TAPS // 2 + 1, int(low_y) - TAPS // 2 + 1
            red, green, blue = zero, zero, zero
            inside = left >= 0 and top >= 0 and left + TAPS <= width and top + TAPS <= height
            for i in range(TAPS):
                line = picture[top + i if inside else min(max(top + i, 0), height - 1)]
                r, g, b = zero, zero, zero
                for j in range(TAPS):
                    pixel = line[left + j if inside else min(max(left + j, 0), width - 1)]
                    weight = across[j]
                    r += weight * np.float32(pixel[0])
                    g += weight * np.float32(pixel[1])
                    b += weight * np.float32(pixel[2])
                red, green, blue = red + down[i] * r, green + down[i] * g, blue + down[i] * b
            found[row, column, 0] = _byte(red)
            found[row, column, 1] = _byte(green)
            found[row, column, 2] = _byte(blue)


@kernel
def _draw_shift(shifts, end, faces, drawn):  # type: ignore[no-untyped-def]
    """Draw triangles one over the other.

    Args:
        shifts: Of the corners ``[N, 2]``.
        end: Their places in the picture that is drawn ``[N, 2]``.
        faces: ``[F, 3]``, the nearest last.
        drawn: Shifts ``[h, w, 2]``, written.
    """
    height, width = drawn.shape[0], drawn.shape[1]
    for face in range(len(faces)):
        a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
        ax, ay = end[a, 0], end[a, 1]
        bx, by = end[b, 0] - ax, end[b, 1] - ay
        cx, cy = end[c, 0] - ax, end[c, 1] - ay
        area = bx * cy - by * cx
        if abs(area) < 1e-6:
            continue
        x0 = max(0, int(np.floor(min(ax, ax + bx, ax + cx) - 0.5)))
        x1 = min(width, int(np.ceil(max(ax, ax + bx, ax + cx) + 0.5)))
        y0 = max(0, int(np.floor(min(ay, ay + by, ay + cy) - 0.5)))
        y1 = min(height, int(np.ceil(max(ay, ay + by, ay + cy) + 0.5)))
        for y in range(y0, y1):
            for x in range(x0, x1):
                px, py = x + 0.5 - ax, y + 0.5 - ay
                second = (px * cy - py * cx) / area
                third = (py * bx - px * by) / area
                first = 1.0 - second - third
                if first >= -1e-6 and second >= -1e-6 and third >= -1e-6:
                    drawn[y, x, 0] = first * shifts[a, 0] + second * shifts[b, 0] + third * shifts[c, 0]
                    drawn[y, x, 1] = first * shifts[a, 1] + second * shifts[b, 1] + third * shifts[c, 1]
