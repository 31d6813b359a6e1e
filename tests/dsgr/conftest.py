"""An egg-shaped head with a face mesh, seen by a camera: what DSGR works on, known in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from mggtalk.depth.estimator import DepthMap, HeadView
from mggtalk.depth.mesh import normals_from_depth
from mggtalk.depth.raster import MeshRaster, rasterize_mesh
from mggtalk.dsgr.reconstruct import CropCamera
from mggtalk.geometry import camera_to_head, euler_to_rotation, head_to_camera, project, unproject

RADII = (0.8, 1.1, 0.9)
"""Half axes of the head in decimetres."""


@dataclass(frozen=True)
class SyntheticHead:
    """A head seen under some yaw."""

    camera: CropCamera
    rotation: Tensor
    translation: Tensor
    points: Tensor  # [3, H, W] true surface in the head frame
    depth: Tensor  # [H, W] true camera depth
    mask: Tensor  # [H, W] bool
    view: HeadView
    raster: MeshRaster

    def estimate(self, scale: float = 1.0, shift: float = 0.0) -> DepthMap:
        """The true surface as a depth estimator sees it, up to scale and shift."""
        normals = normals_from_depth(self.depth.numpy(), self.view.pixel_size)
        return DepthMap(scale * self.depth.numpy() + shift, normals)


def face_mesh(rings: int = 8, spokes: int = 16) -> tuple[Tensor, np.ndarray]:
    """A patch of the head's front: vertices ``[V, 3]`` and triangles ``[F, 3]``."""
    vertices, triangles = [(0.0, 0.0, RADII[2])], []
    for ring in range(1, rings + 1):
        polar = 0.9 * ring / rings
        for spoke in range(spokes):
            angle = 2 * math.pi * spoke / spokes
            x, y = RADII[0] * math.sin(polar) * math.cos(angle), RADII[1] * math.sin(polar) * math.sin(angle)
            vertices.append((x, y, RADII[2] * math.cos(polar)))
            beside = (spoke + 1) % spokes
            outer, inner = 1 + (ring - 1) * spokes, 1 + (ring - 2) * spokes
            if ring == 1:
                triangles.append((0, outer + spoke, outer + beside))
            else:
                triangles.append((inner + spoke, outer + spoke, outer + beside))
                triangles.append((inner + spoke, outer + beside, inner + beside))
    return torch.tensor(vertices), np.array(triangles)


def synthetic_head(yaw: float, map_size: int = 64) -> SyntheticHead:
    """The head under a yaw in degrees."""
    rotation = euler_to_rotation(torch.tensor((0.0, math.radians(yaw), 0.0)))
    translation = torch.tensor((0.1, -0.05, 10.0))
    camera = CropCamera(x0=30.0, y0=25.0, side=200.0, map_size=map_size, focal=640.0, centre=(128.0, 128.0))
    grid = camera.pixel_grid()
    # Ray against ellipsoid, in the head frame.
    origin = camera_to_head(torch.zeros(1, 3), rotation, translation)[0]
    rays = unproject(grid, torch.ones(grid.shape[:2]), 640.0, camera.centre).view(-1, 3)
    ahead = camera_to_head(rays, rotation, translation)
    ray = (ahead - origin).view(*grid.shape[:2], 3)
    radii = torch.tensor(RADII)
    a = (ray / radii).square().sum(-1)
    b = (ray / radii * (origin / radii)).sum(-1)
    c = (origin / radii).square().sum() - 1.0
    root = b.square() - a * c
    mask = root > 0.003
    depth = torch.where(mask, (-b - root.clamp(min=0).sqrt()) / a, 10.0)
    points = origin + ray * depth[..., None]  # [H, W, 3]
    vertices, triangles = face_mesh()
    in_camera = head_to_camera(vertices, rotation, translation)
    pixels = camera.to_crop(project(in_camera, 640.0, camera.centre)).numpy()
    pixel_size = 200.0 / map_size * 10.0 / 640.0
    view = HeadView(
        image=np.zeros((map_size, map_size, 3), np.float32),
        mask=mask.numpy().astype(np.float32),
        vertices=in_camera.numpy(),
        pixels=pixels,
        triangles=triangles,
        centre=np.array([0.1, -0.05, 10.0], np.float32),
        pixel_size=pixel_size,
    )
    raster = rasterize_mesh(pixels, in_camera[:, 2].numpy(), triangles, map_size)
    return SyntheticHead(camera, rotation, translation, points.permute(2, 0, 1).contiguous(), depth, mask, view, raster)


@pytest.fixture(scope="session")
def frontal_head() -> SyntheticHead:
    """The head looks into the camera."""
    return synthetic_head(0.0)


@pytest.fixture(scope="session")
def turned_head() -> SyntheticHead:
    """The head is turned by 40 degrees toward the viewer's right."""
    return synthetic_head(40.0)


@pytest.fixture(scope="session")
def half_turned_head() -> SyntheticHead:
    """A head of which both cheeks are seen, one of them at an angle, on a map as fine as the real one's middle."""
    return synthetic_head(20.0, map_size=128)
