"""The CPU rasterizer: runs the kernels, and gives torch their gradients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mggtalk.render.cpu_composite import composite
from mggtalk.render.cpu_harmonics import shade, shade_gradients
from mggtalk.render.cpu_project import SPLAT_FIELDS, project
from mggtalk.render.cpu_tiles import TILE, count_tiles, depth_order, fill_tiles
from mggtalk.render.harmonics import camera_centre
from mggtalk.render.threads import run_ranges
from mggtalk.scene import Camera, Gaussians

GAUSSIANS_PER_TASK = 4096
TILES_PER_TASK = 4
ORDER_PARTS = 8
"""Into how many parts the depth order is cut when the tile lists are written."""
CHANNELS_PER_PASS = 4
"""More channels are composited in several passes: the kernels keep a pixel's channels in registers."""


@dataclass(frozen=True)
class Projected:
    """Gaussians in the picture, see :mod:`mggtalk.render.cpu_project`."""

    splats: np.ndarray  # [N, 6]
    boxes: np.ndarray  # [N, 4] int32
    depths: np.ndarray  # [N] float32


@dataclass(frozen=True)
class Tiles:
    """The Gaussians of each tile, nearest first."""

    offsets: np.ndarray  # [tiles + 1] int64
    members: np.ndarray  # [intersections] int32
    columns: int  # tiles in a row of the picture


def project_gaussians(
    means: np.ndarray,
    quaternions: np.ndarray,
    scales: np.ndarray,
    opacities: np.ndarray,
    colours: np.ndarray,
    view: np.ndarray,
    lens: np.ndarray,
) -> Projected:
    """Project all Gaussians, dropping those that cannot be seen or are not finite."""
    count = len(means)
    projected = Projected(
        np.empty((count, SPLAT_FIELDS), means.dtype), np.empty((count, 4), np.int32), np.empty(count, np.float32)
    )
    run_ranges(
        project, count, GAUSSIANS_PER_TASK, means, quaternions, scales, opacities, colours, view, lens,
        projected.splats, projected.boxes, projected.depths,
    )  # fmt: skip
    return projected


def sort_into_tiles(projected: Projected, height: int, width: int) -> Tiles:
    """List the Gaussians of each tile in depth order."""
    columns, rows = -(-width // TILE), -(-height // TILE)
    order = depth_order(projected.depths)  # [M]
    chunk = max(1, -(-len(order) // ORDER_PARTS))
    counts = np.zeros((ORDER_PARTS, rows * columns), np.int64)
    run_ranges(count_tiles, len(order), chunk, order, projected.boxes, columns, chunk, counts)
    ends = np.cumsum(counts.T).reshape(rows * columns, ORDER_PARTS).T  # tile by tile, and part by part in a tile
    offsets = np.concatenate([[0], ends[-1]])  # [tiles + 1]
    members = np.empty(offsets[-1], np.int32)
    cursors = np.ascontiguousarray(ends - counts)
    run_ranges(fill_tiles, len(order), chunk, order, projected.boxes, columns, chunk, cursors, members)
    return Tiles(offsets, members, columns)


def composite_tiles(
    projected: Projected, tiles: Tiles, colours: np.ndarray, background: np.ndarray, height: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Composite all channels; returns the image ``[H, W, C]`` and the transmittance ``[H, W]``."""
    dtype, channels = colours.dtype, colours.shape[1]
    image, transmittance = np.empty((height, width, channels), dtype), np.empty((height, width), dtype)
    for start in range(0, channels, CHANNELS_PER_PASS):
        part = slice(start, min(channels, start + CHANNELS_PER_PASS))
        run_ranges(
            composite, len(tiles.offsets) - 1, TILES_PER_TASK, tiles.offsets, tiles.members, projected.splats,
            projected.boxes, colours[:, part], tuple(background[part]), tiles.columns, image[:, :, part], transmittance,
        )  # fmt: skip
    return image, transmittance


def _array(tensor: Tensor, dtype: torch.dtype) -> np.ndarray:
    """A contiguous array of a tensor's numbers, shared where possible."""
    return tensor.detach().to(dtype).contiguous().numpy()


def _lens(camera: Camera, dtype: np.dtype) -> np.ndarray:
    return np.array([camera.focal, camera.focal, *camera.centre, camera.width, camera.height], dtype)


def shade_gaussians(gaussians: Gaussians, view: Tensor) -> Tensor:
    """RGB ``[N, 3]`` of the Gaussians as the camera sees them, differentiable."""
    return _Shade.apply(gaussians.means, gaussians.harmonics, camera_centre(view))


class _Shade(torch.autograd.Function):
    """Colours from spherical harmonics."""

    @staticmethod
    def forward(ctx, means: Tensor, harmonics: Tensor, centre: Tensor) -> Tensor:
        arrays = [_array(tensor, means.dtype) for tensor in (means, harmonics, centre)]
        colours = np.empty((len(means), 3), arrays[0].dtype)
        run_ranges(shade, len(means), GAUSSIANS_PER_TASK, *arrays, colours)
        ctx.arrays = (*arrays, colours)
        return torch.from_numpy(colours)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        means, harmonics, centre, colours = ctx.arrays
        grad_means, grad_harmonics = np.empty_like(means), np.empty_like(harmonics)
        run_ranges(
            shade_gradients, len(means), GAUSSIANS_PER_TASK, means, harmonics, centre, colours,
            _array(grad, grad.dtype), grad_means, grad_harmonics,
        )  # fmt: skip
        grad_centre = -grad_means.sum(0)
        return torch.from_numpy(grad_means), torch.from_numpy(grad_harmonics), torch.from_numpy(grad_centre)


def composite_cpu(gaussians: Gaussians, colours: Tensor, camera: Camera, background: Tensor) -> tuple[Tensor, Tensor]:
    """Splat per-Gaussian channels.

    Args:
        gaussians: N Gaussians on the CPU, float32 or float64.
        colours: ``[N, C]``.
        camera: The view; moved to the Gaussians' precision.
        background: ``[C]``.

    Returns:
        The image ``[H, W, C]`` and the alpha ``[H, W]``.
    """
    dtype = gaussians.means.dtype
    arrays = [_array(tensor, dtype) for tensor in (*gaussians[:4], colours, camera.view)]
    lens, behind = _lens(camera, arrays[0].dtype), _array(background, dtype)
    projected = project_gaussians(*arrays, lens)
    tiles = sort_into_tiles(projected, camera.height, camera.width)
    image, rest = composite_tiles(projected, tiles, arrays[4], behind, camera.height, camera.width)
    return torch.from_numpy(image), torch.from_numpy(1 - rest)
