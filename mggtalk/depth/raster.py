"""Rasterizer of the face mesh: a small z-buffer, run once per portrait."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class MeshRaster(NamedTuple):
    """The mesh on the pixels of a square."""

    triangle: np.ndarray  # [H, W] int32 index of the nearest triangle, -1 where there is none
    barycentric: np.ndarray  # [H, W, 3] weights of its three vertices
    depth: np.ndarray  # [H, W] interpolated depth, inf where there is none


def rasterize_mesh(pixels: np.ndarray, depth: np.ndarray, triangles: np.ndarray, size: int) -> MeshRaster:
    """Z-buffer a mesh.

    Args:
        pixels: Vertices ``[V, 2]`` in pixels (x right, y down, centres at +0.5).
        depth: Depth ``[V]`` of the vertices; the smallest wins.
        triangles: ``[F, 3]`` vertex indices, either winding.
        size: Side of the square in pixels.

    Returns:
        Triangle, barycentric weights and depth of each pixel centre.
    """
    nearest = np.full((size, size), np.inf, np.float32)
    index = np.full((size, size), -1, np.int32)
    weights = np.zeros((size, size, 3), np.float32)
    corners = pixels[triangles].astype(np.float64)  # [F, 3, 2]
    low = np.clip(np.floor(corners.min(1) - 0.5), 0, size).astype(int)  # [F, 2]
    high = np.clip(np.ceil(corners.max(1) + 0.5), 0, size).astype(int)
    edge_a, edge_b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = edge_a[:, 0] * edge_b[:, 1] - edge_a[:, 1] * edge_b[:, 0]  # [F]
    for face in np.flatnonzero((np.abs(area) > 1e-9) & (high > low).all(1)):
        (x0, y0), (x1, y1) = low[face], high[face]
        x = np.arange(x0, x1) + 0.5 - corners[face, 0, 0]
        y = (np.arange(y0, y1) + 0.5 - corners[face, 0, 1])[:, None]
        second = (x * edge_b[face, 1] - y * edge_b[face, 0]) / area[face]  # [h, w]
        third = (y * edge_a[face, 0] - x * edge_a[face, 1]) / area[face]
        first = 1.0 - second - third
        a, b, c = depth[triangles[face]]
        z = first * a + second * b + third * c
        window = np.s_[y0:y1, x0:x1]
        better = (first >= -1e-6) & (second >= -1e-6) & (third >= -1e-6) & (z < nearest[window])
        nearest[window][better] = z[better]
        index[window][better] = face
        weights[window][better] = np.stack([first, second, third], axis=-1)[better]
    return MeshRaster(index, weights, nearest)
