"""Bind the pixels of a portrait to the face model."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage

from mggtalk.avatar.binding import Binding, Part
from mggtalk.depth.raster import MeshRaster
from mggtalk.face.topology import (
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    LEFT_IRIS,
    LIPS_INNER_LOWER,
    LIPS_INNER_UPPER,
    LOWER_LIDS,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
    RIGHT_IRIS,
    UPPER_LIDS,
)
from mggtalk.portrait.closed_lips import is_closed
from mggtalk.portrait.mouth_pixels import inside_pixels
from mggtalk.portrait.novelty import SHUT, open_eyes
from mggtalk.portrait.teeth_border import ALL_UPPER, teeth_border

LASH_BAND = 2.0
"""Factor by which, faster than linear, the lid's motion sets in above its rim; 2: its lower half moves as one piece."""


def triangle_parts(triangles: np.ndarray) -> np.ndarray:
    """Part of each triangle ``[F, 3]``: those spanned by one eye's rim, or by the inner lips, are not skin."""
    parts = np.full(len(triangles), int(Part.SKIN))
    rims = {
        Part.RIGHT_EYE: (*RIGHT_EYE_UPPER, *RIGHT_EYE_LOWER),
        Part.LEFT_EYE: (*LEFT_EYE_UPPER, *LEFT_EYE_LOWER),
        Part.UPPER_MOUTH: (*LIPS_INNER_UPPER, *LIPS_INNER_LOWER),
    }
    for part, rim in rims.items():
        parts[np.isin(triangles, rim).all(1)] = part
    return parts


def bind(
    raster: MeshRaster,
    triangles: np.ndarray,
    mask: np.ndarray,
    pixels: np.ndarray,
    falloff_pixels: float,
    image: np.ndarray,
) -> Binding:
    """Bind the pixels of the head to the mesh that was rasterised over them.

    Args:
        raster: The tracked mesh on the crop.
        triangles: ``[F, 3]`` vertex indices.
        mask: ``[H, W]`` bool, N pixels that show the head.
        pixels: ``[V, 2]`` vertices in crop pixels.
        falloff_pixels: Outside the mesh a pixel takes the displacement of the nearest mesh pixel, times a Gaussian of
            its distance with this standard deviation.
        image: The portrait on the crop ``[H, W, 3]``, which tells upper from lower teeth.

    Returns:
        The binding of the N pixels in row-major order.
    """
    face = raster.triangle >= 0
    distance, nearest = ndimage.distance_transform_edt(~face, return_indices=True)
    rows, columns = nearest[0][mask], nearest[1][mask]  # [N]
    triangle = raster.triangle[rows, columns]
    vertices = triangles[triangle]  # [N, 3]
    share = np.exp(-0.5 * (distance[mask] / falloff_pixels) ** 2)
    weights = raster.barycentric[rows, columns] * share[:, None]  # [N, 3]
    part = np.where(distance[mask] == 0, triangle_parts(triangles)[triangle], int(Part.SKIN))
    lower_lip = np.isin(vertices, LIPS_INNER_LOWER[1:-1])  # [N, 3]
    down = _share(weights, lower_lip)  # [N] from the upper lip to the lower
    grid = np.argwhere(mask)[:, ::-1] + 0.5  # [N, 2] x, y
    # Where nothing of the inside shows, what lies between lips or lids belongs to one of them, never to both.
    if is_closed(pixels, len(mask)):
        inside = part == Part.UPPER_MOUTH
        weights = np.where(inside[:, None], _on_one_side(weights, lower_lip), weights)
        part = np.where(inside, int(Part.SKIN), part)
    if open_eyes(pixels[None])[0] < SHUT:
        inside = (part == Part.RIGHT_EYE) | (part == Part.LEFT_EYE)
        weights = np.where(inside[:, None], _on_one_side(weights, np.isin(vertices, LOWER_LIDS)), weights)
        part = np.where(inside, int(Part.SKIN), part)
    rim = part == Part.UPPER_MOUTH
    if rim.any():
        inside, lower = _sort_mouth(rim, down, mask, image, pixels)
        weights = np.where((rim & ~inside)[:, None], _on_one_side(weights, lower_lip), weights)
        part = np.where(rim & ~inside, int(Part.SKIN), part)
        part = np.where(inside, np.where(lower, int(Part.LOWER_MOUTH), int(Part.UPPER_MOUTH)), part)
    gaze = np.zeros(len(grid))
    for eye, iris in ((Part.RIGHT_EYE, RIGHT_IRIS), (Part.LEFT_EYE, LEFT_IRIS)):
        centre = pixels[list(iris)].mean(0)
        radius = np.linalg.norm(pixels[list(iris[1:])] - centre, axis=1).mean()
        reach = np.linalg.norm(grid - centre, axis=1) / max(radius, 1e-3)
        gaze = np.where(part == eye, np.clip(1.0 - (reach - 1.1) / 1.6, 0.0, 1.0), gaze)
    thin = _keep_lashes_thin(weights, np.isin(vertices, UPPER_LIDS))
    weights = np.where((part == Part.SKIN)[:, None], thin, weights)
    return Binding(
        vertices=torch.from_numpy(vertices.astype(np.int64)),
        weights=torch.from_numpy(weights.astype(np.float32)),
        part=torch.from_numpy(part.astype(np.int64)),
        gaze=torch.from_numpy(gaze.astype(np.float32)),
    )


def _sort_mouth(
    rim: np.ndarray, down: np.ndarray, mask: np.ndarray, image: np.ndarray, pixels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Tell which of N points are the inside of an open mouth, and which of those go with the jaw.

    Args:
        rim: ``[N]`` bool, inside the tracked rim of the lips.
        down: ``[N]`` from the upper lip (0) to the lower (1).
        mask: ``[H, W]`` bool, the pixels of the points.
        image: ``[H, W, 3]``.
        pixels: ``[V, 2]`` vertices in crop pixels.

    Returns:
        Two masks ``[N]`` bool.
    """
    border = teeth_border(down[rim], image[mask][rim])
    opening = np.zeros(mask.shape, bool)
    opening[mask] = rim
    inside, toothed = inside_pixels(image, opening, pixels)
    if border < ALL_UPPER:  # two rows of teeth are seen
        return inside[mask], ~rim | (down > border)
    upper = toothed[np.nonzero(mask)[1]]  # [N] where upper teeth reach the lip
    return inside[mask], rim & (down > border) & ~upper


def _share(weights: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Share ``[N]`` of weights ``[N, 3]`` that chosen vertices ``[N, 3]`` (bool) have."""
    share: np.ndarray = (weights * chosen).sum(1) / np.maximum(weights.sum(1), 1e-9)
    return share


def _on_one_side(weights: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """Give points between two rims to the nearer one.

    Args:
        weights: ``[N, 3]``.
        lower: ``[N, 3]`` bool, vertices on the lower rim.

    Returns:
        ``[N, 3]`` with the same sums; unchanged where no vertex of the nearer rim is known.
    """
    nearer = lower == (_share(weights, lower) > 0.5)[:, None]
    one_side = np.where(nearer, weights, 0.0)
    one_side *= weights.sum(1, keepdims=True) / np.maximum(one_side.sum(1, keepdims=True), 1e-6)
    return np.where(one_side.sum(1, keepdims=True) > 0, one_side, weights)


def _keep_lashes_thin(weights: np.ndarray, on_lid: np.ndarray) -> np.ndarray:
    """Let the band above the rim of the upper lid move with the rim.

    A lid that closes unfolds skin; the mesh stretches everything between the rim and the crease instead, lashes too.
    With this, lashes keep their width and the stretch falls on the skin above them.

    Args:
        weights: ``[N, 3]``.
        on_lid: ``[N, 3]`` bool, vertices on the rims of the upper lids.

    Returns:
        ``[N, 3]`` with the same sums.
    """
    total = weights.sum(1, keepdims=True)
    share = (weights * on_lid).sum(1, keepdims=True) / np.maximum(total, 1e-9)
    wanted = np.minimum(LASH_BAND * share, 1.0)
    rim = weights * wanted / np.maximum(share, 1e-9)
    rest = weights * (1.0 - wanted) / np.maximum(1.0 - share, 1e-9)
    return np.where(share > 0, np.where(on_lid, rim, rest), weights)
