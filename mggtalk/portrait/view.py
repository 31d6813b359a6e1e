"""``see``: what a square portrait shows, and where its head is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mggtalk.config import PipelineConfig
from mggtalk.depth.estimator import HeadView
from mggtalk.depth.raster import MeshRaster, rasterize_mesh
from mggtalk.dsgr.reconstruct import CropCamera
from mggtalk.errors import NoFaceError
from mggtalk.face.face_model import FaceModel
from mggtalk.face.fitting import FaceFit, fit_track
from mggtalk.face.masks import HeadMasks, down_the_face, head_masks
from mggtalk.face.matte_edges import sharpen_edges
from mggtalk.face.skin import like_skin
from mggtalk.geometry import head_to_camera, project
from mggtalk.nets.maps import erode, fill, in_picture, step, to_colour_map, to_float
from mggtalk.portrait.closed_lips import is_closed, move_closed_lips
from mggtalk.portrait.cloth import leave_cloth
from mggtalk.portrait.hair import part_hair
from mggtalk.portrait.jaw_edge import find_fringe
from mggtalk.portrait.skull import COARSE, SOFT, outermost, skull_level
from mggtalk.scene import FaceTrack

EARS = (234, 454)
"""Vertices in front of the ears."""

CHEEKS = (50, 280, 205, 425, 199)
"""Vertices whose colour is that of the skin: on the cheeks and the chin."""

NO_SKIN, HAIR = 0.3, 0.1
"""Likeness to skin under which what is above the middle of the face and beside it is hair, and the share of it that has
to be, for a head to have any."""

PAST = (0.0, 0.06)
"""How far behind a border, over the side of the picture, its pixels go on, and from where on the colour is all soft."""

SKULL_OFFSET = (0.0, 0.3, -0.2)
"""Middle of the skull from the middle of the ears' vertices, decimetres."""


def head_crop(masks: HeadMasks, beyond: Beyond | None, config: PipelineConfig, size: int) -> CropCamera:
    """The square around the head on which the position map stands.

    Raises:
        NoFaceError: If the matte leaves nothing of the head.
    """
    rows, columns = np.nonzero(masks.head > 0.05)
    if not len(rows):
        raise NoFaceError("The person around the face could not be told from the background.", "Use another picture.")
    x0, x1, y0, y1 = columns.min(), columns.max() + 1, rows.min(), rows.max() + 1
    if beyond is not None:  # only across a border that cuts the head
        left, right, top = beyond.box
        x0, x1 = (left if x0 == 0 else x0), (right if x1 == size else x1)
        y0 = top if y0 == 0 else y0
    side = max(x1 - x0, y1 - y0) * (1.0 + 2.0 * config.dsgr.crop_margin)
    return CropCamera(
        x0=(x0 + x1 - side) / 2,
        y0=(y0 + y1 - side) / 2,
        side=side,
        map_size=config.dsgr.map_size,
        focal=config.render.focal_ratio * size,
        centre=(size / 2, size / 2),
    )


class Beyond(NamedTuple):
    """A head that goes on behind the picture's borders."""

    outline: float  # level of its outline, see mggtalk.portrait.skull
    box: tuple[float, float, float]  # its left, right and upper end, portrait pixels


@dataclass(frozen=True)
class PortraitView:
    """View of a square portrait of S x S pixels. H and W are the sides of the position map."""

    image: Tensor  # [3, S, S] RGB in [0, 1]
    foreground: Tensor  # [3, S, S] colour of the head alone: no background mixes in at soft edges
    matte: Tensor  # [S, S] person alpha
    masks: HeadMasks
    fit: FaceFit
    face_model: FaceModel
    camera: CropCamera  # of the position map
    grid: Tensor  # [H, W, 2] portrait pixels of the position map
    pixel_size: float  # decimetres that a map pixel covers at the head's distance
    head: Tensor  # [H, W] weight of the head
    rim: Tensor  # [H, W] face heights below the rim of the jaw
    height: Tensor  # [H, W] face heights from the middle of the face down
    pixels: np.ndarray  # [V, 2] tracked landmarks in map pixels
    vertices: Tensor  # [V, 3] fitted mesh, head frame
    in_camera: Tensor  # [V, 3] the same, camera frame
    raster: MeshRaster  # the mesh on the position map
    skull: Tensor  # [3] middle of the skull, camera frame

    @property
    def size(self) -> int:
        """Side of the portrait in pixels."""
        return self.image.shape[-1]

    @property
    def rotation(self) -> Tensor:
        """Head to camera, ``[3, 3]``."""
        return self.fit.rotation[0]

    @property
    def translation(self) -> Tensor:
        """Head to camera, ``[3]`` decimetres."""
        return self.fit.translation[0]

    @property
    def expression(self) -> Tensor:
        """Expression of the portrait, ``[K]``."""
        return self.fit.expression[0]

    @property
    def skin(self) -> Tensor:
        """Colour of the face ``[3]``."""
        return self.colours_at(self.vertices[list(CHEEKS)]).median(0).values

    @property
    def hair(self) -> Tensor:
        """What hangs beside the face ``[H, W]`` in [0, 1]."""
        return self.sample(torch.from_numpy(self.masks.hanging)[None])[0]

    def sample(self, image: Tensor) -> Tensor:
        """Sample ``[C, S, S]`` on the position map: ``[C, H, W]``."""
        return sample(image, self.grid)

    @property
    def shown(self) -> Tensor:
        """Where the position map ``[H, W]`` shows the picture, not what goes on behind its borders."""
        return in_picture(self.grid, self.size)

    def head_colours(self) -> Tensor:
        """Colour of the head on the position map ``[3, H, W]``; behind the picture's borders hair goes on softly."""
        colour, known = self.sample(self.foreground), self.shown * self.head
        if bool(self.shown.all()) or not bool(known.any()):
            return colour
        outside = torch.from_numpy(self.raster.triangle < 0) * (self.height < 0)  # above the middle of the face
        hair = known * outside * (like_skin(colour, self.skin) < NO_SKIN)  # [H, W]
        bald = float(hair.sum()) <= HAIR * float((known * outside).sum())
        soft = fill(colour[None], (known if bald else hair)[None, None])[0]  # [3, H, W]
        past = torch.maximum(-self.grid, self.grid - self.size).amax(-1) / self.size  # [H, W]
        return torch.lerp(colour, soft, step(past, *PAST))

    def colours_at(self, points: Tensor) -> Tensor:
        """Colours ``[N, 3]`` of the portrait where head points ``[N, 3]`` project."""
        in_camera = head_to_camera(points, self.rotation, self.translation)
        return to_colour_map(self.image, project(in_camera, self.camera.focal, self.camera.centre), self.size)

    def for_depth(self) -> HeadView:
        """Prepare the input of a depth estimator: the picture as fine as the portrait is."""
        fine = self.camera._replace(map_size=max(self.camera.map_size, round(self.camera.side)))
        return HeadView(
            image=to_colour_map(self.image, fine.pixel_grid(), self.size).numpy(),
            mask=self.head.numpy(),
            vertices=self.in_camera.numpy(),
            pixels=self.pixels,
            triangles=self.face_model.triangles.numpy(),
            centre=self.skull.numpy(),
            pixel_size=self.pixel_size,
        )


def sample(image: Tensor, grid: Tensor) -> Tensor:
    """Sample a picture ``[C, S, S]`` at its pixels ``[H, W, 2]``: ``[C, H, W]``."""
    return to_colour_map(image, grid, image.shape[-1]).permute(2, 0, 1)  # [C, H, W]


@torch.no_grad()
def see(
    portrait: np.ndarray,
    track: FaceTrack,
    matte: np.ndarray,
    face_model: FaceModel,
    config: PipelineConfig,
    identity: Tensor | None = None,
) -> PortraitView:
    """Fit the face model, find the head and lay the position map over it.

    Args:
        portrait: uint8 ``[S, S, 3]``.
        track: Landmarks of the portrait in its own pixels.
        matte: Person alpha ``[S, S]``.
        face_model: The landmark 3DMM.
        config: The pipeline's configuration.
        identity: Known identity ``[I]``, such as that of several photos; None to estimate it.

    Raises:
        NoFaceError: If the matte leaves nothing of the head.
    """
    size, landmarks = portrait.shape[0], track.landmarks[0]
    image = to_float(portrait)
    fit = fit_track(face_model, track, config.render.focal_ratio, identity)
    rotation, translation = fit.rotation[0], fit.translation[0]
    vertices = face_model.vertices(fit.identity, fit.expression[0])  # [V, 3]
    in_camera = head_to_camera(vertices, rotation, translation)
    masks = part_hair(image, head_masks(sharpen_edges(portrait, matte), landmarks), landmarks)
    masks = find_fringe(image, leave_cloth(portrait, masks, landmarks), landmarks)
    skull = vertices[list(EARS)].mean(0) + torch.tensor(SKULL_OFFSET)

    def level(pixels: Tensor) -> Tensor:
        rays = (pixels - size / 2) / (config.render.focal_ratio * size)
        return skull_level(rays, vertices, skull, rotation, translation)

    beyond = find_beyond(masks, level)
    camera = head_crop(masks, beyond, config, size)
    grid = camera.pixel_grid()  # [H, W, 2]
    pixels = camera.to_crop(torch.from_numpy(landmarks[:, :2])).numpy()  # [V, 2] tracked, exact
    if is_closed(pixels, camera.map_size):
        pixels = move_closed_lips(sample(image, grid).permute(1, 2, 0).numpy(), pixels)

    def measure(heights: np.ndarray) -> Tensor:
        return sample(torch.from_numpy(heights).float()[None], grid)[0]  # [H, W]

    return PortraitView(
        image=image,
        foreground=_clean_edges(image, masks),
        matte=torch.from_numpy(matte),
        masks=masks,
        fit=fit,
        face_model=face_model,
        camera=camera,
        grid=grid,
        pixel_size=camera.side / camera.map_size * float(translation[2]) / camera.focal,
        head=sample(torch.from_numpy(masks.head)[None], grid)[0] * _inside(grid, size, beyond, level),
        rim=measure(masks.depth),
        height=measure(down_the_face(landmarks, size)),
        pixels=pixels,
        vertices=vertices,
        in_camera=in_camera,
        raster=rasterize_mesh(pixels, in_camera[:, 2].numpy(), face_model.triangles.numpy(), camera.map_size),
        skull=head_to_camera(skull[None], rotation, translation)[0],
    )


def _clean_edges(image: Tensor, masks: HeadMasks) -> Tensor:
    """Colour of the head alone ``[3, S, S]``: under a soft edge the portrait mixes it with the background."""
    edge = max(1, image.shape[-1] // 128)
    solid = erode(torch.from_numpy(masks.head)[None, None], edge)
    return fill(image[None], solid.clamp(0, 1).pow(4))[0]


def find_beyond(masks: HeadMasks, level: Callable[[Tensor], Tensor]) -> Beyond | None:
    """Find how a head goes on beyond the picture; None where the picture does not cut it, but for the neck.

    Args:
        masks: Of the portrait.
        level: Of the skull, at portrait pixels ``[..., 2]``.
    """
    size = masks.head.shape[0]
    steps = torch.arange(size) + 0.5
    own = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1)  # [S, S, 2] x, y
    outline = outermost(level(own), torch.from_numpy(masks.head))
    if outline is None:
        return None
    steps = torch.linspace(-size, 2 * size, COARSE)
    around = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1)  # [C, C, 2]
    inside = around[level(around) < outline + SOFT]  # [P, 2]
    low, high = inside.amin(0), inside.amax(0)
    return Beyond(outline, (float(low[0]), float(high[0]), float(low[1])))


def _inside(grid: Tensor, size: int, beyond: Beyond | None, level: Callable[[Tensor], Tensor]) -> Tensor:
    """1 where the position map ``[H, W]`` shows the portrait; beyond its borders the head ends with the skull."""
    shown = in_picture(grid, size)  # [H, W]
    if beyond is None:
        return shown.float()
    behind = step(-level(grid), -beyond.outline - SOFT, -beyond.outline + SOFT)
    return torch.where(shown, 1.0, torch.where(grid[..., 1] > size, 0.0, behind))
