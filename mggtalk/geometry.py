"""The frames of reference, and the only place that converts between them.

===========  ==========================================================================================
frame        axes
===========  ==========================================================================================
image        pixels, x right, y down, pixel centres at +0.5
camera       OpenCV: x right, y down, z forward (away from the viewer), decimetres
head         canonical: x to the viewer's right, y up, z toward the viewer; x = 0 is the symmetry plane
===========  ==========================================================================================

A head pose ``(R, t)`` takes head points to camera points: ``X_cam = FLIP @ R @ X_head + t``. A head that looks straight
into the camera has ``R = I``; ``t`` is where the head's origin is in the camera frame, so ``t[2] > 0``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

FLIP = (1.0, -1.0, -1.0)
"""Diagonal of the rotation between the head's axes (y up, z back) and the camera's (y down, z forward)."""


def constant(values: Sequence[float], like: Tensor) -> Tensor:
    """Numbers ``[n]`` as a tensor of the precision and on the device of another one. Not to be changed.

    Kept between calls: sending numbers to a GPU makes the program wait for it.
    """
    return _constant(tuple(values), like.dtype, like.device)


def indices(values: Sequence[int], like: Tensor) -> Tensor:
    """Indices ``[n]`` on the device of a tensor, kept like a :func:`constant`."""
    return _constant(tuple(values), torch.int64, like.device)


@lru_cache(maxsize=256)
def _constant(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # it may serve training later
        return torch.tensor(values, dtype=dtype, device=device)


def view_matrix(rotation: Tensor, translation: Tensor) -> Tensor:
    """Head pose to the 4x4 world-to-camera matrix of a world that is the head frame (gsplat's convention).

    Args:
        rotation: Head rotation, ``[..., 3, 3]``.
        translation: Head origin in the camera frame, ``[..., 3]``, decimetres.

    Returns:
        ``[..., 4, 4]`` matrix that takes homogeneous head points to the OpenCV camera frame.
    """
    flip = constant(FLIP, rotation)
    matrix = torch.zeros(*rotation.shape[:-2], 4, 4, dtype=rotation.dtype, device=rotation.device)  # [..., 4, 4]
    matrix[..., :3, :3] = flip[:, None] * rotation
    matrix[..., :3, 3] = translation
    matrix[..., 3, 3] = 1.0
    return matrix


def head_to_camera(points: Tensor, rotation: Tensor, translation: Tensor) -> Tensor:
    """Take head-frame points ``[..., N, 3]`` to the camera frame by the pose ``[..., 3, 3]``, ``[..., 3]``."""
    flip = constant(FLIP, points)
    return points @ (flip[:, None] * rotation).transpose(-1, -2) + translation[..., None, :]


def camera_to_head(points: Tensor, rotation: Tensor, translation: Tensor) -> Tensor:
    """Inverse of :func:`head_to_camera`; the same shapes."""
    flip = constant(FLIP, points)
    return (points - translation[..., None, :]) @ (flip[:, None] * rotation)


def view_direction(rotation: Tensor, translation: Tensor) -> Tensor:
    """Direction ``[..., 3]`` from a head to the camera, head frame."""
    centre = translation.new_zeros(*translation.shape[:-1], 1, 3)
    return F.normalize(camera_to_head(centre, rotation, translation)[..., 0, :], dim=-1)


def angle_between(first: Tensor, second: Tensor) -> Tensor:
    """Angle ``[...]`` in radians between vectors ``[..., 3]``."""
    first, second = torch.broadcast_tensors(first, second)
    return torch.atan2(torch.linalg.cross(first, second).norm(dim=-1), (first * second).sum(-1))


def project(points: Tensor, focal: float, centre: tuple[float, float]) -> Tensor:
    """Pinhole projection of camera-frame points.

    Args:
        points: ``[..., 3]`` with z > 0.
        focal: Focal length in pixels.
        centre: Principal point in pixels.

    Returns:
        ``[..., 2]`` pixel coordinates.
    """
    xy = points[..., :2] / points[..., 2:3] * focal
    return xy + constant(centre, points)


def unproject(pixels: Tensor, depth: Tensor, focal: float, centre: tuple[float, float]) -> Tensor:
    """Pixel coordinates ``[..., 2]`` at camera depth ``[...]`` to camera-frame points ``[..., 3]``."""
    rays = (pixels - constant(centre, pixels)) / focal
    return torch.cat([rays * depth[..., None], depth[..., None]], dim=-1)  # [..., 3]


def mirror_points(points: Tensor) -> Tensor:
    """Mirror head points ``[..., 3]`` at the plane x = 0, eq. 3 without the filter."""
    return points * constant((-1.0, 1.0, 1.0), points)


def mirror_quaternions(quaternions: Tensor) -> Tensor:
    """Rotation of the mirrored Gaussian: ``(w, x, y, z) -> (w, x, -y, -z)``, ``[..., 4]``."""
    return quaternions * constant((1.0, 1.0, -1.0, -1.0), quaternions)


def mirror_harmonics(coefficients: Tensor) -> Tensor:
    """Degree-1 spherical harmonics of the mirrored Gaussian, ``[..., 4, 3]`` in the order (1, y, z, x): x flips."""
    signs = constant((1.0, 1.0, 1.0, -1.0), coefficients)
    return coefficients * signs[:, None]


def euler_to_rotation(angles: Tensor) -> Tensor:
    """Euler angles to a rotation matrix, ``R = Ry(yaw) @ Rx(pitch) @ Rz(roll)`` in the head frame.

    Args:
        angles: ``[..., 3]`` pitch, yaw, roll in radians. Positive yaw turns the face toward the viewer's right,
            positive pitch turns it down, positive roll tilts the head's crown to the viewer's left.

    Returns:
        ``[..., 3, 3]``.
    """
    pitch, yaw, roll = angles.unbind(-1)
    cp, sp, cy, sy, cr, sr = pitch.cos(), pitch.sin(), yaw.cos(), yaw.sin(), roll.cos(), roll.sin()
    rows = [
        cy * cr + sy * sp * sr, -cy * sr + sy * sp * cr, sy * cp,
        cp * sr, cp * cr, -sp,
        -sy * cr + cy * sp * sr, sy * sr + cy * sp * cr, cy * cp,
    ]  # fmt: skip
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))  # [..., 3, 3]


def rotation_to_euler(rotation: Tensor) -> Tensor:
    """Inverse of :func:`euler_to_rotation` for pitch in (-90°, 90°): ``[..., 3, 3]`` to ``[..., 3]`` radians."""
    pitch = torch.asin((-rotation[..., 1, 2]).clamp(-1.0, 1.0))
    yaw = torch.atan2(rotation[..., 0, 2], rotation[..., 2, 2])
    roll = torch.atan2(rotation[..., 1, 0], rotation[..., 1, 1])
    return torch.stack([pitch, yaw, roll], dim=-1)  # [..., 3]


def nearest_rotation(matrix: Tensor) -> Tensor:
    """The rotation closest to a ``[..., 3, 3]`` matrix in the Frobenius norm."""
    u, _, vt = torch.linalg.svd(matrix)
    sign = torch.linalg.det(u @ vt)
    diagonal = torch.ones(*matrix.shape[:-2], 3, dtype=matrix.dtype, device=matrix.device)  # [..., 3]
    diagonal[..., 2] = sign
    return u * diagonal[..., None, :] @ vt


def rotation_to_quaternion(rotation: Tensor) -> Tensor:
    """Rotation matrices ``[..., 3, 3]`` to unit quaternions ``[..., 4]`` in the order w, x, y, z.

    Uses the numerically largest of the four components, so that no rotation divides by a small number.
    """
    m = rotation
    trace = m[..., 0, 0] + m[..., 1, 1] + m[..., 2, 2]
    candidates = torch.stack(
        [
            torch.stack(
                [1 + trace, m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]], -1
            ),
            torch.stack(
                [
                    m[..., 2, 1] - m[..., 1, 2],
                    1 + 2 * m[..., 0, 0] - trace,
                    m[..., 0, 1] + m[..., 1, 0],
                    m[..., 0, 2] + m[..., 2, 0],
                ],
                -1,
            ),
            torch.stack(
                [
                    m[..., 0, 2] - m[..., 2, 0],
                    m[..., 0, 1] + m[..., 1, 0],
                    1 + 2 * m[..., 1, 1] - trace,
                    m[..., 1, 2] + m[..., 2, 1],
                ],
                -1,
            ),
            torch.stack(
                [
                    m[..., 1, 0] - m[..., 0, 1],
                    m[..., 0, 2] + m[..., 2, 0],
                    m[..., 1, 2] + m[..., 2, 1],
                    1 + 2 * m[..., 2, 2] - trace,
                ],
                -1,
            ),
        ],
        dim=-2,
    )  # [..., 4, 4]: row k is 4 q_k q
    best = torch.diagonal(candidates, dim1=-2, dim2=-1).argmax(-1)  # [...]
    chosen = torch.gather(candidates, -2, best[..., None, None].expand(*best.shape, 1, 4)).squeeze(-2)  # [..., 4]
    return torch.nn.functional.normalize(chosen, dim=-1)


def quaternion_to_rotation(quaternion: Tensor) -> Tensor:
    """Unit quaternions ``[..., 4]`` (w, x, y, z; normalised here) to rotation matrices ``[..., 3, 3]``."""
    w, x, y, z = torch.nn.functional.normalize(quaternion, dim=-1).unbind(-1)
    rows = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))  # [..., 3, 3]


def multiply_quaternions(left: Tensor, right: Tensor) -> Tensor:
    """Quaternion of the rotation ``right``, then ``left``; both ``[..., 4]`` w, x, y, z."""
    (a, b, c, d), (w, x, y, z) = left.unbind(-1), right.unbind(-1)
    return torch.stack(
        [
            a * w - b * x - c * y - d * z,
            a * x + b * w + c * z - d * y,
            a * y - b * z + c * w + d * x,
            a * z + b * y - c * x + d * w,
        ],
        dim=-1,
    )  # [..., 4]


def rotate_harmonics(harmonics: Tensor, rotation: Tensor) -> Tensor:
    """Degree-1 harmonics ``[N, 4, 3]`` of Gaussians turned by a rotation ``[3, 3]``.

    The three coefficients of degree 1 stand for (-y, z, -x), so they are a vector (-third, -first, second).
    """
    vector = torch.stack([-harmonics[:, 3], -harmonics[:, 1], harmonics[:, 2]], dim=1)  # [N, xyz, RGB]
    x, y, z = (rotation @ vector).unbind(1)
    return torch.stack([harmonics[:, 0], -y, z, -x], dim=1)  # [N, 4, 3]


def compose_similarities(outer: Tensor, inner: Tensor) -> Tensor:
    """The map ``p -> outer(inner(p))`` of affine maps ``[..., 2, 3]`` of the plane."""
    linear = outer[..., :2] @ inner[..., :2]
    return torch.cat([linear, outer[..., :2] @ inner[..., 2:] + outer[..., 2:]], dim=-1)


def invert_similarity(similarity: Tensor) -> Tensor:
    """The inverse of an affine map ``[..., 2, 3]`` of the plane."""
    linear = torch.linalg.inv(similarity[..., :2])
    return torch.cat([linear, -linear @ similarity[..., 2:]], dim=-1)
