"""The CPU rasterizer in numpy: runs the kernels in order; ``autograd`` beside it makes it differentiable.

In torch, to be read: :mod:`mggtalk.render.torch_reference`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mggtalk.render.compiled.composite import composite, composite_gradients, composite_sums, gather
from mggtalk.render.compiled.project import MOMENTS, SPLAT_FIELDS, project, project_gradients
from mggtalk.render.compiled.tiles import TILE, count_tiles, depth_order, fill_tiles, tile_starts
from mggtalk.runtime.threads import run_ranges

GAUSSIANS_PER_TASK = 4096
TILES_PER_TASK = 4
ORDER_PARTS = 8
"""Into how many parts the depth order is cut when the tile lists are written."""
CHANNELS_PER_PASS = 4
"""More channels are composited in several passes: the kernels keep a Gaussian's channels in registers."""


class Scene(NamedTuple):
    """Gaussians to draw, as contiguous arrays of one precision."""

    means: np.ndarray  # [N, 3]
    quaternions: np.ndarray  # [N, 4]
    scales: np.ndarray  # [N, 3]
    opacities: np.ndarray  # [N]
    colours: np.ndarray  # [N, C]
    view: np.ndarray  # [4, 4]
    background: np.ndarray  # [C]
    lens: np.ndarray  # [6] focal x, y, centre x, y, width, height

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the picture."""
        return int(self.lens[5]), int(self.lens[4])


class Projected(NamedTuple):
    """Gaussians in the picture, see :mod:`mggtalk.render.compiled.project`."""

    splats: np.ndarray  # [N, 6]
    boxes: np.ndarray  # [N, 4] int32
    depths: np.ndarray  # [N] float32


class Tiles(NamedTuple):
    """The Gaussians of each tile, nearest first."""

    offsets: np.ndarray  # [tiles + 1] int64
    members: np.ndarray  # [intersections] int32
    columns: int  # tiles in a row of the picture


class Gradients(NamedTuple):
    """Gradients by the fields of :class:`Scene`."""

    means: np.ndarray  # [N, 3]
    quaternions: np.ndarray  # [N, 4]
    scales: np.ndarray  # [N, 3]
    opacities: np.ndarray  # [N]
    colours: np.ndarray  # [N, C]
    view: np.ndarray  # [4, 4]
    background: np.ndarray  # [C]


def project_scene(scene: Scene) -> Projected:
    """Project all Gaussians, dropping those that cannot be seen or are not finite."""
    count, dtype = len(scene.means), scene.means.dtype
    projected = Projected(
        np.empty((count, SPLAT_FIELDS), dtype), np.empty((count, 4), np.int32), np.empty(count, np.float32)
    )
    run_ranges(
        project, count, GAUSSIANS_PER_TASK, scene.means, scene.quaternions, scene.scales, scene.opacities,
        scene.colours, scene.view, scene.lens, *projected,
    )  # fmt: skip
    return projected


def sort_into_tiles(projected: Projected, height: int, width: int) -> Tiles:
    """List the Gaussians of each tile in depth order."""
    columns, rows = -(-width // TILE), -(-height // TILE)
    order = depth_order(projected.depths)  # [M]
    chunk = max(1, -(-len(order) // ORDER_PARTS))
    counts, ranges = np.zeros((ORDER_PARTS, rows * columns), np.int64), np.empty((len(order), 4), np.int32)
    run_ranges(count_tiles, len(order), chunk, order, projected.boxes, columns, chunk, ranges, counts)
    ends = np.cumsum(counts.T).reshape(rows * columns, ORDER_PARTS).T  # [parts, tiles] tile by tile, then part by part
    offsets = np.concatenate([[0], ends[-1]])  # [tiles + 1]
    members = np.empty(offsets[-1], np.int32)
    cursors = np.ascontiguousarray(ends - counts)
    run_ranges(fill_tiles, len(order), chunk, order, ranges, columns, chunk, cursors, members)
    return Tiles(offsets, members, columns)


def _passes(channels: int) -> list[slice]:
    return [slice(start, min(channels, start + CHANNELS_PER_PASS)) for start in range(0, channels, CHANNELS_PER_PASS)]


def composite_tiles(scene: Scene, projected: Projected, tiles: Tiles, block: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Composite all channels; returns the image ``[H, W, C]`` and the transmittance ``[H, W]``.

    With a ``block`` that divides both sides and TILE, these are means over squares of that side.
    """
    dtype, (height, width) = scene.means.dtype, (side // block for side in scene.size)
    transmittance = np.ones((height, width), dtype)
    images = [np.empty((height, width, 0), dtype)]
    for part in _passes(scene.colours.shape[1]):
        images.append(np.empty((height, width, part.stop - part.start), dtype))
        run_ranges(
            composite, len(tiles.offsets) - 1, TILES_PER_TASK, tiles.offsets, tiles.members, projected.splats,
            projected.boxes, np.ascontiguousarray(scene.colours[:, part]), tuple(scene.background[part]),
            tiles.columns, block, images[-1], transmittance,
        )  # fmt: skip
    return images[1] if len(images) == 2 else np.concatenate(images, axis=2), transmittance


def draw(scene: Scene, block: int = 1) -> tuple[np.ndarray, np.ndarray, Projected, Tiles]:
    """Draw a scene: the image, the transmittance, and what :func:`draw_gradients` needs again (for blocks of 1)."""
    projected = project_scene(scene)
    tiles = sort_into_tiles(projected, *scene.size)
    return *composite_tiles(scene, projected, tiles, block), projected, tiles


def draw_gradients(
    scene: Scene,
    projected: Projected,
    tiles: Tiles,
    image: np.ndarray,
    transmittance: np.ndarray,
    grad_image: np.ndarray,
    grad_alpha: np.ndarray,
) -> Gradients:
    """Gradients of :func:`draw`, from those by the image ``[H, W, C]`` and by alpha ``[H, W]`` = 1 - transmittance."""
    count, dtype = len(scene.means), scene.means.dtype
    starts = tile_starts(projected.boxes)  # [N + 1]
    moments = np.zeros((count, MOMENTS), dtype)
    grad_colours = np.empty_like(scene.colours)
    for part in _passes(scene.colours.shape[1]):
        colours, behind = np.ascontiguousarray(scene.colours[:, part]), tuple(scene.background[part])
        images = [np.ascontiguousarray(array[:, :, part]) for array in (image, grad_image)]
        sums = np.empty((len(tiles.members), MOMENTS + len(behind)), dtype)
        run_ranges(
            composite_gradients, len(tiles.offsets) - 1, TILES_PER_TASK, tiles.offsets, tiles.members,
            projected.splats, projected.boxes, colours, behind, tiles.columns, images[0], transmittance,
            images[1], grad_alpha if part.start == 0 else np.zeros_like(grad_alpha), starts, sums,
        )  # fmt: skip
        by_colours = np.empty_like(colours)
        run_ranges(gather, count, GAUSSIANS_PER_TASK, starts, sums, moments, by_colours)
        grad_colours[:, part] = by_colours
    by_means, by_quaternions, by_scales, by_opacities = (np.empty_like(array) for array in scene[:4])
    grad_views = np.zeros((-(-count // GAUSSIANS_PER_TASK), 3, 4), dtype)
    run_ranges(
        project_gradients, count, GAUSSIANS_PER_TASK, scene.means, scene.quaternions, scene.scales, scene.view,
        scene.lens, projected.splats, projected.depths, moments, by_means, by_quaternions, by_scales,
        by_opacities, GAUSSIANS_PER_TASK, grad_views,
    )  # fmt: skip
    grad_view = np.concatenate([grad_views.sum(0), np.zeros((1, 4), dtype)])  # [4, 4]
    grad_background = (grad_image * transmittance[:, :, None]).sum((0, 1))  # [C]
    return Gradients(by_means, by_quaternions, by_scales, by_opacities, grad_colours, grad_view, grad_background)


def sum_values(scene: Scene, values: np.ndarray) -> np.ndarray:
    """Sum values ``[H, W, C]`` of pixels over what each Gaussian adds to them: ``[N, C]``."""
    projected = project_scene(scene)
    tiles = sort_into_tiles(projected, *scene.size)
    starts = tile_starts(projected.boxes)  # [N + 1]
    sums = np.zeros((len(tiles.members), values.shape[2]), values.dtype)
    run_ranges(
        composite_sums, len(tiles.offsets) - 1, TILES_PER_TASK, tiles.offsets, tiles.members, projected.splats,
        projected.boxes, tiles.columns, values, starts, sums,
    )  # fmt: skip
    found = np.zeros((len(scene.means), values.shape[2]), values.dtype)
    drawn = starts[1:] > starts[:-1]  # [N]
    if drawn.any():
        found[drawn] = np.add.reduceat(sums, starts[:-1][drawn], axis=0)
    return found
