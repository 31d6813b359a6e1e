"""Gaussians in the ``.ply`` layout of the original 3DGS, which splat viewers open."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike

import numpy as np
import plyfile
import torch
from torch import Tensor

from mggtalk.errors import MediaError
from mggtalk.geometry import FLIP, multiply_quaternions, rotate_harmonics, rotation_to_quaternion
from mggtalk.media.provenance import mark_text

VIEWER_ROTATION = ((FLIP[0], 0.0, 0.0), (0.0, FLIP[1], 0.0), (0.0, 0.0, FLIP[2]))
"""Head frame to the world of splat files: x right, y down, z away from the viewer, like an OpenCV camera.

Splat files come from structure-from-motion, so viewers take y as down. Gradio's ``Model3D`` (gsplat.js) starts on the
negative z side and so sees the face. SuperSplat turns files by half a turn about z: the head is upright there too;
``((-1, 0, 0), (0, -1, 0), (0, 0, 1))`` makes it face SuperSplat's positive z.
"""

PROPERTIES = (
    *("x", "y", "z", "nx", "ny", "nz"),
    *(f"f_dc_{k}" for k in range(3)),
    *(f"f_rest_{k}" for k in range(9)),
    "opacity",
    *(f"scale_{k}" for k in range(3)),
    *(f"rot_{k}" for k in range(4)),
)
"""``f_rest`` holds the three degree-1 coefficients of red, then of green, then of blue; ``opacity`` is a logit,
``scale`` a logarithm, ``rot`` a unit quaternion w, x, y, z."""


def turn(
    parts: tuple[Tensor, Tensor, Tensor], rotation: Sequence[Sequence[float]] | Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Turn means ``[N, 3]``, quaternions ``[N, 4]`` and harmonics ``[N, 4, 3]`` by a rotation ``[3, 3]``."""
    means, quaternions, harmonics = parts
    matrix = torch.as_tensor(rotation, dtype=means.dtype)
    quaternion = rotation_to_quaternion(matrix)
    turned = multiply_quaternions(quaternion.expand_as(quaternions), quaternions)
    return means @ matrix.T, turned, rotate_harmonics(harmonics, matrix)


def write_ply(
    splats: tuple[Tensor, ...],
    path: str | PathLike[str],
    rotation: Sequence[Sequence[float]] = VIEWER_ROTATION,
) -> None:
    """Write Gaussians to a ``.ply`` file; those that are not finite are left out.

    Args:
        splats: Means ``[N, 3]``, quaternions ``[N, 4]``, scales ``[N, 3]``, opacities ``[N]`` and harmonics
            ``[N, 4, 3]`` in the head frame, as in :class:`mggtalk.scene.Gaussians`.
        path: The file.
        rotation: Rotation ``[3, 3]`` from the head frame to the file's.

    Raises:
        MediaError: If the file cannot be written.
    """
    head = [tensor.detach().to("cpu", torch.float64) for tensor in splats]
    flat = torch.cat([tensor.reshape(len(head[0]), -1) for tensor in head], dim=1)  # [N, 23]
    finite = flat.isfinite().all(dim=1)  # [N]
    means, quaternions, harmonics = turn((head[0][finite], head[1][finite], head[4][finite]), rotation)
    scales, opacities, count = head[2][finite], head[3][finite], len(means)
    columns = torch.cat(
        [
            means,
            torch.zeros(count, 3, dtype=torch.float64),
            harmonics[:, 0],
            harmonics[:, 1:].transpose(1, 2).reshape(count, 9),  # [N, 3 coefficients, RGB] channel by channel
            opacities.clamp(1e-6, 1 - 1e-6).logit()[:, None],
            scales.clamp_min(1e-12).log(),
            torch.nn.functional.normalize(quaternions, dim=1),
        ],
        dim=1,
    )  # [N, 26]
    rows = np.rec.fromarrays(columns.float().numpy().T, dtype=[(name, "<f4") for name in PROPERTIES])
    element = plyfile.PlyElement.describe(np.asarray(rows), "vertex")
    try:
        plyfile.PlyData([element], byte_order="<", comments=[mark_text()]).write(str(path))
    except OSError as error:
        raise MediaError(f"{path} cannot be written: {error.strerror}.", "Choose another place.") from error


def read_ply(
    path: str | PathLike[str], rotation: Sequence[Sequence[float]] = VIEWER_ROTATION
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Read Gaussians that :func:`write_ply` or another 3DGS program wrote.

    Degrees of the harmonics over 1 are dropped, missing ones are 0.

    Args:
        path: The file.
        rotation: Rotation ``[3, 3]`` from the head frame to the file's, as it was given to :func:`write_ply`.

    Returns:
        float32 means, quaternions, scales, opacities and harmonics in the head frame.

    Raises:
        MediaError: If the file is not such a ``.ply``.
    """
    try:
        vertex = plyfile.PlyData.read(str(path))["vertex"].data
    except (OSError, plyfile.PlyParseError, KeyError) as error:
        raise MediaError(f"{path} cannot be read as a .ply file: {error}.", "Give a Gaussian splat file.") from error
    missing = [name for name in PROPERTIES if not name.startswith(("n", "f_rest")) and name not in vertex.dtype.names]
    if missing:
        raise MediaError(f"{path} has no property {missing[0]}.", "Give a Gaussian splat file, not a mesh or cloud.")

    def read(*names: str) -> Tensor:
        return torch.from_numpy(np.stack([vertex[name].astype(np.float64) for name in names], axis=1))  # [N, names]

    count, channel_length = len(vertex), sum(name.startswith("f_rest_") for name in vertex.dtype.names) // 3
    harmonics = torch.zeros(count, 4, 3, dtype=torch.float64)  # [N, 4, 3]
    harmonics[:, 0] = read("f_dc_0", "f_dc_1", "f_dc_2")
    if channel_length >= 3:
        for channel in range(3):
            harmonics[:, 1:, channel] = read(*(f"f_rest_{channel * channel_length + k}" for k in range(3)))
    parts = read("x", "y", "z"), read("rot_0", "rot_1", "rot_2", "rot_3"), harmonics
    means, quaternions, harmonics = turn(parts, torch.tensor(rotation, dtype=torch.float64).T)
    scales, opacities = read("scale_0", "scale_1", "scale_2").exp(), read("opacity")[:, 0].sigmoid()  # [N, 3], [N]
    return means.float(), quaternions.float(), scales.float(), opacities.float(), harmonics.float()
