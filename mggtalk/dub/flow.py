"""The lower face of a real frame, moved: a backward flow on the face mesh, which fades out around the face.

Each pixel of the new frame is looked up where it was in the real one: inside the mesh piecewise linearly, by the
triangles whose corners are the landmarks before and after. Around the mesh, rings of copies of its outline move less
and less: cheeks, neck, beard and what is behind the chin give way softly, and nothing beyond the last ring changes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from torch.nn import functional as F

from mggtalk.face.regions import hull_mask
from mggtalk.face.topology import FACE_OVAL, LIPS, MESH_VERTICES, triangles
from mggtalk.runtime.kernels import kernel

RINGS = (1.08, 1.18, 1.3, 1.45, 1.65)
"""Distance of the rings from the middle of the face, over that of the outline; the last one stays where it is."""

SOFT = 0.015
"""Standard deviation over which the flow is smoothed around the lips, over the height of the face."""

STILL = 0.02
"""Pixels: what moves by less is left as it is."""


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
    x, y = np.meshgrid(np.arange(left, right) + 0.5, np.arange(top, bottom) + 0.5)
    still = np.stack([x, y], axis=-1).astype(np.float32)  # [h, w, 2]
    source = still.copy()
    _draw_flow(start, end, faces, float(left), float(top), source)
    shift = soften_around_lips(source - still, after - (left, top))  # [h, w, 2]
    moved = np.abs(shift).max(-1) > STILL
    return Flow(left, top, np.where(moved[..., None], still + shift, still), moved)


def soften_around_lips(shift: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Smooth the way of each pixel ``[h, w, 2]`` outside of the lips, across creases and the outline of a turned face.

    Args:
        shift: Pixels.
        landmarks: Of the new frame ``[478, 2]``, pixels of the window.
    """
    width = SOFT * float(np.linalg.norm(landmarks[10] - landmarks[152]))
    smooth = np.stack([gaussian_filter(part, width, mode="constant") for part in np.moveaxis(shift, -1, 0)], axis=-1)
    lips = gaussian_filter(hull_mask(landmarks[list(LIPS)], *shift.shape[:2]).astype(np.float32), width)[..., None]
    sharp = np.clip(2.0 * lips, 0.0, 1.0)
    return smooth + sharp * (shift - smooth)


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
    """Sample a picture between its pixels, and keep it as sharp: bicubically, on twice as many pixels (Lanczos).

    Args:
        picture: uint8 ``[H, W, 3]``.
        places: ``[h, w, 2]`` in pixels, centres at +0.5.

    Returns:
        float32 ``[h, w, 3]`` in [0, 255].
    """
    size = np.array([picture.shape[1], picture.shape[0]])
    flat = places.reshape(-1, 2)
    low = np.clip(np.floor(flat.min(0)).astype(int) - 4, 0, size - 1)
    high = np.clip(np.ceil(flat.max(0)).astype(int) + 4, low + 1, size)
    part = Image.fromarray(np.ascontiguousarray(picture[low[1] : high[1], low[0] : high[0]]))
    fine = np.array(part.resize((2 * part.width, 2 * part.height), Image.Resampling.LANCZOS))
    values = torch.from_numpy(fine).permute(2, 0, 1)[None].float()  # [1, 3, 2H', 2W']
    sides = torch.from_numpy((high - low).astype(np.float32))
    grid = torch.from_numpy((places - low).astype(np.float32))[None] / sides * 2.0 - 1.0  # [1, h, w, 2]
    found = F.grid_sample(values, grid, mode="bicubic", padding_mode="border", align_corners=False)  # [1, 3, h, w]
    return found[0].permute(1, 2, 0).clamp(0.0, 255.0).numpy()


@kernel
def _draw_flow(start, end, faces, left, top, source):  # type: ignore[no-untyped-def]
    """Draw triangles one over the other.

    Args:
        start: Corners in the real frame ``[N, 2]``.
        end: In the new one.
        faces: ``[F, 3]``, the nearest last.
        left: Of the window.
        top: Of the window.
        source: Places in the real frame ``[h, w, 2]``, written.
    """
    height, width = source.shape[0], source.shape[1]
    for face in range(len(faces)):
        a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
        ax, ay = end[a, 0] - left, end[a, 1] - top
        bx, by = end[b, 0] - left - ax, end[b, 1] - top - ay
        cx, cy = end[c, 0] - left - ax, end[c, 1] - top - ay
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
                    source[y, x, 0] = first * start[a, 0] + second * start[b, 0] + third * start[c, 0]
                    source[y, x, 1] = first * start[a, 1] + second * start[b, 1] + third * start[c, 1]
