"""From a square portrait to an avatar: the part of the pipeline that runs once per person."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mggtalk.avatar.avatar import Avatar
from mggtalk.avatar.binding import Part
from mggtalk.avatar.folds import Folds
from mggtalk.avatar.mouth_sheet import COLUMNS, ROWS, MouthSheet
from mggtalk.avatar.neighbours import Neighbours
from mggtalk.avatar.window import MovingWindow
from mggtalk.config import PipelineConfig
from mggtalk.depth.estimator import DepthEstimator, HeadView
from mggtalk.depth.raster import MeshRaster, rasterize_mesh
from mggtalk.dsgr.back import STRIDE, back_cloud
from mggtalk.dsgr.mirror import mirrored_half
from mggtalk.dsgr.reconstruct import CropCamera, coarse_cloud
from mggtalk.dsgr.refine import RefineUNet
from mggtalk.errors import NoFaceError
from mggtalk.face.face_model import FaceModel
from mggtalk.face.fitting import fit_track
from mggtalk.face.masks import HeadMasks, below_rim, down_the_face, head_masks, rounded_off
from mggtalk.face.matte_edges import sharpen_edges
from mggtalk.geometry import camera_to_head, head_to_camera, project, unproject
from mggtalk.inpaint.plates import make_plates
from mggtalk.nets.maps import fill, to_colour_map
from mggtalk.portrait.bind import bind
from mggtalk.portrait.find_folds import MapView, find_folds
from mggtalk.render.harmonics import harmonics_from_colour
from mggtalk.scene import FaceTrack, Gaussians
from mggtalk.sgp.footprint import footprint, scales_and_rotation
from mggtalk.sgp.mouth.decoder import TEETH_EDGE, sheet_points, under_the_lip
from mggtalk.sgp.parameters import GaussianParameters

EARS = (234, 454)
"""Vertices in front of the ears."""

SKULL_OFFSET = (0.0, 0.3, -0.2)
"""Middle of the skull from the middle of the ears' vertices, decimetres."""

EYE_SETBACK, MOUTH_SETBACK = 0.03, 0.06
"""Decimetres that eyeballs and the seen inside of the mouth lie behind the lids and lips."""

FALLOFF = 0.22
"""Decimetres over which the face's expression fades out beyond the mesh."""

EYE_LEVEL = -0.12
"""Face heights from the middle of the face to just above the eyes (down is positive)."""

NAPE_LEVEL = 0.22
"""Face heights from the middle of the face down to where the back of the head becomes neck."""

LAYERS = 5
"""How many splats lie over each other on the map: parents, children and their neighbours."""

LIPS_MIDDLE = (13, 14)
"""Middle of the upper and the lower inner lip."""


def portrait_tensor(portrait: np.ndarray) -> Tensor:
    """uint8 ``[S, S, 3]`` to float ``[3, S, S]`` in [0, 1]."""
    return torch.from_numpy(np.array(portrait)).permute(2, 0, 1).float() / 255.0  # [3, S, S]


def head_crop(masks: HeadMasks, config: PipelineConfig, size: int) -> CropCamera:
    """The square around the head on which the position map stands.

    Raises:
        NoFaceError: If the matte leaves nothing of the head.
    """
    rows, columns = np.nonzero(masks.head > 0.05)
    if not len(rows):
        raise NoFaceError("The person around the face could not be told from the background.", "Use another picture.")
    x0, x1, y0, y1 = columns.min(), columns.max() + 1, rows.min(), rows.max() + 1
    side = max(x1 - x0, y1 - y0) * (1.0 + 2.0 * config.dsgr.crop_margin)
    return CropCamera(
        x0=(x0 + x1 - side) / 2,
        y0=(y0 + y1 - side) / 2,
        side=side,
        map_size=config.dsgr.map_size,
        focal=config.render.focal_ratio * size,
        centre=(size / 2, size / 2),
    )


def soft_opacity(weight: Tensor) -> Tensor:
    """Opacity of points so that several of them, one over the other, cover what the mask says.

    Args:
        weight: Head mask in [0, 1].

    Returns:
        Opacity of the same shape: ``1 - (1 - weight)^(1 / LAYERS)`` at soft edges, the weight itself inside.
    """
    weight = weight.clamp(0.0, 0.995)
    alone = 1.0 - (1.0 - weight) ** (1.0 / LAYERS)
    return alone + (weight - alone) * ((weight - 0.9) / 0.09).clamp(0.0, 1.0)


class PortraitBuilder:
    """Builds one avatar; holds what its steps share. One instance per portrait.

    Args:
        portrait: uint8 ``[S, S, 3]``.
        track: Landmarks of the portrait in its own pixels.
        matte: Person alpha ``[S, S]``.
        face_model: The landmark 3DMM.
        config: The pipeline's configuration.
    """

    def __init__(
        self, portrait: np.ndarray, track: FaceTrack, matte: np.ndarray, face_model: FaceModel, config: PipelineConfig
    ) -> None:
        self.config = config
        self.face_model = face_model
        self.size = portrait.shape[0]
        self.image = portrait_tensor(portrait)
        self.fit = fit_track(face_model, track, config.render.focal_ratio)
        self.rotation, self.translation = self.fit.rotation[0], self.fit.translation[0]
        self.vertices = face_model.vertices(self.fit.identity, self.fit.expression[0])  # [V, 3]
        landmarks = track.landmarks[0]
        self.matte = torch.from_numpy(matte)  # [S, S]
        self.masks = head_masks(sharpen_edges(portrait, matte), landmarks)
        self.camera = head_crop(self.masks, config, self.size)
        self.pixel_size = self.camera.side / self.camera.map_size * float(self.translation[2]) / self.camera.focal
        self.grid = self.camera.pixel_grid()  # [H, W, 2]
        self.head = self._sample(torch.from_numpy(self.masks.head)[None])[0] * self._inside()  # [H, W]
        self.rim = self._sample(torch.from_numpy(below_rim(landmarks, self.size)).float()[None])[0]  # [H, W]
        self.height = self._sample(torch.from_numpy(down_the_face(landmarks, self.size)).float()[None])[0]  # [H, W]
        self.pixels = self.camera.to_crop(torch.from_numpy(landmarks[:, :2])).numpy()  # [V, 2] tracked, exact
        in_camera = head_to_camera(self.vertices, self.rotation, self.translation)
        self.raster: MeshRaster = rasterize_mesh(
            self.pixels, in_camera[:, 2].numpy(), face_model.triangles.numpy(), self.camera.map_size
        )
        self.in_camera = in_camera
        skull = self.vertices[list(EARS)].mean(0) + torch.tensor(SKULL_OFFSET)
        self.skull = head_to_camera(skull[None], self.rotation, self.translation)[0]  # [3] its middle, camera frame
        # Colour of the head alone: under a soft edge the portrait mixes it with the background.
        edge = max(1, self.size // 128)
        solid = -F.max_pool2d(-torch.from_numpy(self.masks.head)[None, None], 2 * edge + 1, stride=1, padding=edge)
        self.foreground = fill(self.image[None], solid.clamp(0, 1).pow(4))[0]  # [3, S, S]

    def _sample(self, image: Tensor) -> Tensor:
        """Sample ``[C, S, S]`` on the position map: ``[C, H, W]``."""
        return to_colour_map(image, self.grid, self.size).permute(2, 0, 1)

    def _inside(self) -> Tensor:
        """1 where the position map ``[H, W]`` shows the portrait; a head that is cut off is rounded off behind."""
        x, y = self.grid.numpy()[..., 0], self.grid.numpy()[..., 1]
        head, size = self.masks.head, self.size
        borders = ((head[0], x, -y), (head[-1], x, y - size), (head[:, 0], y, -x), (head[:, -1], y, x - size))
        weight = [torch.from_numpy(rounded_off(*border)) for border in borders]
        return torch.stack(weight).amin(0)

    def view(self) -> HeadView:
        """What a depth estimator sees: the picture as fine as the portrait is."""
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

    @torch.no_grad()
    def build(
        self,
        estimator: DepthEstimator,
        refine: RefineUNet,
        on_progress: Callable[[str, int, int], None],
    ) -> Avatar:
        """Run DSGR and collect the avatar (colours not yet calibrated).

        Args:
            estimator: Depth and normals.
            refine: ``Phi_refine``.
            on_progress: Called with stage, steps done and steps in all.

        Returns:
            The avatar.
        """
        config = self.config.dsgr
        view = self.view()
        on_progress("depth", 0, 3)
        estimate = estimator(view, on_progress)
        on_progress("surface", 1, 3)
        coarse, _ = coarse_cloud(view, estimate, self.raster, self.camera, self.rotation, self.translation, config)
        colour = self._sample(self.foreground)  # [3, H, W]
        device = next(refine.parameters()).device
        head_image = (colour * self.head)[None].to(device)  # [1, 3, H, W]
        eye = camera_to_head(torch.zeros(1, 3), self.rotation, self.translation)[0].to(device)
        mask = self.head > 0.02  # [H, W]
        cloud = coarse if refine.untrained else refine((coarse * mask)[None].to(device), head_image, eye)[0].cpu()
        on_progress("symmetry", 2, 3)
        half = mirrored_half(cloud, mask & (self.head > 0.9), self.camera, self.rotation, self.translation, config)
        binding = bind(
            self.raster,
            self.face_model.triangles.numpy(),
            mask.numpy(),
            self.pixels,
            FALLOFF / self.pixel_size,
            colour.permute(1, 2, 0).numpy(),
        )
        points = self._set_back(cloud[:, mask].T.contiguous(), binding.part)  # [N, 3]
        mirrored = torch.nonzero(half.kept[mask]).squeeze(-1)  # [M]
        step = self.camera.side / self.camera.map_size / 2
        child = to_colour_map(self.foreground, self.grid[mask] + step, self.size)  # [N, 3]
        own = colour[:, mask].T.contiguous()
        on_progress("avatar", 3, 3)
        return Avatar(
            identity=self.fit.identity,
            expression=self.fit.expression[0],
            rotation=self.rotation,
            translation=self.translation,
            vertices=self.vertices,
            mask=mask,
            neighbours=Neighbours.of(mask),
            points=points,
            colour=own,
            colour_step=child - own,
            opacity=soft_opacity(self.head[mask]),
            binding=binding,
            mirrored=mirrored,
            mirrored_points=half.points,
            mirrored_binding=binding.select(mirrored).mirrored(self.face_model.mirror),
            back=self._back(cloud, colour),
            mouth=self._mouth(points, own, binding.part),
            folds=self._folds(colour, mask, binding.part == Part.SKIN),
            head_image=torch.cat([head_image.cpu(), self.head[None, None]], dim=1),
            window=MovingWindow.of(mask, binding.weights.sum(-1)),
            plates=make_plates(self.image, self.masks, self.matte),
            pixel_size=torch.tensor(self.pixel_size),
        )

    def _set_back(self, points: Tensor, part: Tensor) -> Tensor:
        """Push eyeballs and the seen inside of the mouth back along the portrait's rays."""
        setback = torch.zeros(len(points))
        setback[(part == Part.RIGHT_EYE) | (part == Part.LEFT_EYE)] = EYE_SETBACK
        setback[part >= Part.UPPER_MOUTH] = MOUTH_SETBACK
        in_camera = head_to_camera(points, self.rotation, self.translation)
        in_camera = in_camera * (1.0 + setback / in_camera[:, 2])[:, None]
        return camera_to_head(in_camera, self.rotation, self.translation)

    def _back(self, cloud: Tensor, colour: Tensor) -> Gaussians:
        """The closed back of the head as Gaussians."""
        front = head_to_camera(cloud.flatten(1).T, self.rotation, self.translation)[:, 2].view(self.head.shape)
        face = torch.from_numpy(self.raster.triangle >= 0)
        ring = self.camera.map_size // 16
        outside = F.max_pool2d(1.0 - self.head[None, None], 2 * ring + 1, stride=1, padding=ring)[0, 0]
        crown = ~face & (self.height < EYE_LEVEL) & (outside > 0.5)
        above = (self.rim < -0.08) & (self.height < NAPE_LEVEL)
        silhouette = float(self.skull[2])
        depth, spread, keep = back_cloud(front, colour, self.head, crown, above, silhouette)
        grid = self.grid[::STRIDE, ::STRIDE]
        points = unproject(grid, depth, self.camera.focal, self.camera.centre)[keep]  # [B, 3]
        points = camera_to_head(points, self.rotation, self.translation)
        surface = footprint(points, Neighbours.of(keep), STRIDE * self.pixel_size, most=3.0)
        log_scales, quaternions = scales_and_rotation(surface, spread=0.8)
        logits = torch.full((len(points),), 4.0)
        harmonics = harmonics_from_colour(spread[:, keep].T)
        return GaussianParameters(log_scales, quaternions, harmonics, logits).activate(points)

    def _mouth(self, points: Tensor, colour: Tensor, part: Tensor) -> MouthSheet:
        """Colours of the inside of the mouth, from the lips, the whites of the eyes and what the portrait shows."""
        lips = self._at(self.vertices[[0, 17, 13, 14, 82, 312, 87, 317]]).mean(0)
        eyes = colour[(part == Part.RIGHT_EYE) | (part == Part.LEFT_EYE)]
        skin = self._at(self.vertices[[50, 280, 151, 199]])
        white = torch.maximum(eyes.mean(1).quantile(0.85), 1.1 * skin.mean())
        neutral = self.face_model.vertices(self.fit.identity, torch.zeros_like(self.fit.expression[0]))
        places, gap = sheet_points(self.vertices)
        colour, apart = under_the_lip(self._at(places), gap)
        middle = places[:, 1].view(ROWS, COLUMNS)[ROWS // 2, COLUMNS // 2]
        return MouthSheet(
            colour=colour,
            known=apart,
            cavity=lips * torch.tensor((0.34, 0.26, 0.26)),
            teeth=(0.92 * white * torch.tensor((1.0, 0.96, 0.90))).clamp(0, 0.95),
            edge=torch.minimum(neutral[LIPS_MIDDLE[0], 1] - TEETH_EDGE, middle),
            closed_gap=torch.tensor(0.015),
        )

    def _folds(self, colour: Tensor, mask: Tensor, skin: Tensor) -> Folds:
        """What the portrait's closed lips and open eyes hide."""
        return find_folds(MapView(colour, mask, skin, torch.from_numpy(self.pixels), self.vertices, self.pixel_size))

    def _at(self, points: Tensor) -> Tensor:
        """Colours ``[N, 3]`` of the portrait where head points ``[N, 3]`` project."""
        in_camera = head_to_camera(points, self.rotation, self.translation)
        return to_colour_map(self.image, project(in_camera, self.camera.focal, self.camera.centre), self.size)
