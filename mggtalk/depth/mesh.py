"""The embedded estimator: the tracked face mesh, extended over hair, ears and neck. Needs no weights."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from mggtalk.depth.estimator import DepthMap, HeadView
from mggtalk.depth.raster import rasterize_mesh
from mggtalk.runtime.progress import Progress, no_progress


class MeshDepthEstimator:
    """Depth of the face mesh inside the face; a quarter ellipse from its border to the silhouette outside.

    The silhouette of a head is where its surface turns away, about at the depth of the ears. Between the border of the
    face (depth known) and the silhouette, the surface is taken as a quarter of an ellipse, so that it leaves the face
    smoothly and is seen edge-on at the silhouette: hair gets volume and is not cardboard.

    Args:
        smoothing: Standard deviation in pixels of a 256-pixel crop of the smoothing outside the face.
    """

    name = "mesh"

    def __init__(self, smoothing: float = 4.0) -> None:
        self.smoothing = smoothing

    def __call__(
        self,
        view: HeadView,
        on_progress: Progress = no_progress,  # noqa: ARG002  # it takes no time
    ) -> DepthMap:
        """Estimate depth (decimetres, camera z) and normals of a head; see :class:`DepthEstimator`."""
        size = view.mask.shape[0]
        raster = rasterize_mesh(view.pixels, view.vertices[:, 2], view.triangles, size)
        face = raster.triangle >= 0
        depth = self._extend(raster.depth, face, view.mask > 0.05, float(view.centre[2]), size)
        return DepthMap(depth, normals_from_depth(depth, view.pixel_size))

    def _extend(
        self, mesh_depth: np.ndarray, face: np.ndarray, head: np.ndarray, silhouette: float, size: int
    ) -> np.ndarray:
        """Fill ``[H, W]`` mesh depth over the head; ``silhouette`` is the depth where the surface turns away."""
        sigma = self.smoothing * size / 256
        to_face, nearest = ndimage.distance_transform_edt(~face, return_indices=True)
        border = np.where(face, mesh_depth, 0.0)[nearest[0], nearest[1]]  # [H, W] depth of the nearest face pixel
        smooth = ndimage.gaussian_filter(border, 2 * sigma, mode="nearest")
        blend = np.clip(to_face / (3 * sigma), 0, 1)
        border = np.minimum(border + blend * (smooth - border), silhouette)
        to_outline = ndimage.distance_transform_edt(np.pad(head | face, 1, mode="edge"))[1:-1, 1:-1]
        share = to_outline / np.maximum(to_outline + to_face, 1e-6)  # 1 at the face, 0 at the silhouette
        height = np.sqrt(np.clip(1.0 - (1.0 - share) ** 2, 0.0, 1.0))
        depth = silhouette + (border - silhouette) * height
        depth = np.where(face, mesh_depth, depth)
        smooth = ndimage.gaussian_filter(depth, sigma, mode="nearest")
        keep = np.clip(to_face / (2 * sigma), 0, 1)  # the face itself stays as tracked
        return (depth + keep * (smooth - depth)).astype(np.float32)


def normals_from_depth(depth: np.ndarray, pixel_size: float) -> np.ndarray:
    """Normals of a depth map seen from far away.

    Args:
        depth: ``[H, W]`` camera z in decimetres.
        pixel_size: Decimetres per pixel.

    Returns:
        ``[3, H, W]`` unit normals; x right, y up, z toward the viewer.
    """
    slope_y, slope_x = np.gradient(depth / pixel_size)
    normals = np.stack(
        [slope_x, -slope_y, np.ones_like(depth)]
    )  # [3, H, W]; a surface that recedes rightward faces right
    return (normals / np.linalg.norm(normals, axis=0)).astype(np.float32)
