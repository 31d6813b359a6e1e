"""The voxel filter of eq. 3: which mirrored points are kept.

The paper drops a mirrored point if an original point stands in the same voxel, or if it occludes original points. The
supplement words the second rule with "the maximum z", which has two readings (the axis may point either way). This
code takes the one that the main text intends: a mirrored point must never cover something that the portrait shows. In
the head frame (z toward the viewer) that means: drop it if it lies in front of the farthest original point of its
(x, y) column. ``drop_hidden`` adds the other reading, which also drops what lies behind the nearest original.

Two more facts of the portrait are used, which the paper does not mention. A mirrored point that would be seen in the
portrait, beside the person or in front of them, contradicts the photograph, so it is dropped as well (asymmetric hair
would otherwise float beside the head). Both tests are one: the source view, not only the frontal one, must stay clean.
"""

from __future__ import annotations

import torch
from torch import Tensor


def voxel_indices(points: Tensor, voxel_size: float) -> Tensor:
    """Integer voxel ``[N, 3]`` of each point ``[N, 3]``."""
    return torch.floor(points / voxel_size).to(torch.int64)


def _keys(indices: Tensor) -> Tensor:
    """One integer per voxel or column: ``[N, 2 or 3]`` (within ±2^19) to ``[N]``."""
    shifted = indices + (1 << 19)
    key = shifted[:, 0]
    for axis in range(1, indices.shape[1]):
        key = (key << 20) + shifted[:, axis]
    return key


def same_voxel(original: Tensor, mirrored: Tensor, voxel_size: float, thickness: float = 0.0) -> Tensor:
    """Rule (1): ``[M]`` bool, True where an original point stands in a mirrored point's voxel or near it.

    Args:
        original: ``[N, 3]`` head frame.
        mirrored: ``[M, 3]`` head frame.
        voxel_size: Side of a voxel, decimetres.
        thickness: 0 for the supplement's reading, the same voxel. Otherwise the main text's, "neighbouring voxels":
            originals of the same column, up to this far before or behind (decimetres). Two halves of a real head never
            coincide to a voxel; without some thickness the mirrored half shows through the seen one.
    """
    if thickness <= 0:
        occupied = _keys(voxel_indices(original, voxel_size)).unique()
        return torch.isin(_keys(voxel_indices(mirrored, voxel_size)), occupied)
    hit, farthest, nearest = _columns(original, mirrored, voxel_size)
    return hit & (mirrored[:, 2] > farthest - thickness) & (mirrored[:, 2] < nearest + thickness)


def occludes(original: Tensor, mirrored: Tensor, voxel_size: float, drop_hidden: bool = False) -> Tensor:
    """Rule (2): ``[M]`` bool, True where a mirrored point covers an original one in the frontal canonical view.

    Args:
        original: ``[N, 3]`` head frame.
        mirrored: ``[M, 3]`` head frame.
        voxel_size: Side of a voxel, decimetres.
        drop_hidden: Also drop mirrored points behind the nearest original of their column.
    """
    hit, farthest, nearest = _columns(original, mirrored, voxel_size)
    drop = mirrored[:, 2] > farthest
    if drop_hidden:
        drop |= mirrored[:, 2] < nearest
    return hit & drop


def _columns(original: Tensor, queries: Tensor, voxel_size: float) -> tuple[Tensor, Tensor, Tensor]:
    """The originals in the (x, y) column of each query.

    Returns:
        Whether there are any ``[M]``, and the z of the farthest and the nearest ``[M]`` (z toward the viewer).
    """
    columns, inverse = _keys(voxel_indices(original, voxel_size)[:, :2]).unique(return_inverse=True)
    infinity = float("inf")
    farthest = original.new_full((len(columns),), infinity).scatter_reduce(0, inverse, original[:, 2], "amin")
    nearest = original.new_full((len(columns),), -infinity).scatter_reduce(0, inverse, original[:, 2], "amax")
    keys = _keys(voxel_indices(queries, voxel_size)[:, :2])
    slot = torch.searchsorted(columns, keys).clamp(max=len(columns) - 1)
    return columns[slot] == keys, farthest[slot], nearest[slot]


def voxel_filter(
    original: Tensor, mirrored: Tensor, voxel_size: float, thickness: float = 0.0, drop_hidden: bool = False
) -> Tensor:
    """Both rules of eq. 3.

    Args:
        original: Points of ``P_f``, ``[N, 3]``, head frame, decimetres.
        mirrored: Points of ``P_f * [-1, 1, 1]``, ``[M, 3]``.
        voxel_size: Side of a voxel, decimetres.
        thickness: See :func:`same_voxel`.
        drop_hidden: See :func:`occludes`.

    Returns:
        ``[M]`` bool: True for the mirrored points that are kept.
    """
    if len(original) == 0:
        return torch.ones(len(mirrored), dtype=torch.bool, device=mirrored.device)
    near = same_voxel(original, mirrored, voxel_size, thickness)
    return ~(near | occludes(original, mirrored, voxel_size, drop_hidden))
