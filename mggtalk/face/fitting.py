"""Fit of the landmark 3DMM to a track: alternating pose and regularised linear regressions, perspective respected.

The tracker's pixels give the direction of every vertex, its z only a rough relative depth, so camera-frame residuals
count fully across the line of sight and little along it. Pose is found by Gauss-Newton on the vertices that barely move
with the expression. Given the pose, identity and expression are a ridge regression; identity is shared by all frames,
and the expressions are eliminated from its normal equations exactly (Schur complement). What a still leaves open, such
as thin lips against pressed ones, is settled by the blendshape scores: while the identity is estimated, expressions are
drawn toward what the scores say instead of toward rest.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mggtalk.face import topology
from mggtalk.face.face_model import FaceModel
from mggtalk.face.pose_kernel import refine_poses
from mggtalk.geometry import FLIP, head_to_camera, nearest_rotation
from mggtalk.runtime.threads import run_ranges
from mggtalk.scene import FaceTrack

UNIT = 0.01  # decimetres; residuals are counted in this unit, so that ridge weights are about 0.01 .. 0.1
IDENTITY_FRAMES = 96  # frames of a video that the identity is estimated from
IDENTITY_ROUNDS = 4
EXPRESSION_ROUNDS = 3
CHUNK = 256  # frames solved at once
FRAMES_PER_TASK = 16  # of one thread
SOFT_POSE_WEIGHT = 0.02  # of vertices that move with the expression, in the pose


class FaceFit(NamedTuple):
    """The face model fitted to a track."""

    identity: Tensor  # [I] standard deviations
    expression: Tensor  # [T, K] standard deviations
    rotation: Tensor  # [T, 3, 3]
    translation: Tensor  # [T, 3] decimetres, camera frame
    rms_pixels: Tensor  # [T] reprojection error over the vertices, in pixels of a 256-pixel frame


class _Sight(NamedTuple):
    """Observation, free of pixel units."""

    rays: Tensor  # [T, V, 2] x / z and y / z of every vertex
    depth: Tensor  # [T, V] depth relative to the face's middle, over the distance

    def take(self, frames: Tensor | slice) -> _Sight:
        """Some of the frames."""
        return _Sight(self.rays[frames], self.depth[frames])


class _Pose(NamedTuple):
    """Head poses."""

    rotation: Tensor  # [T, 3, 3]
    translation: Tensor  # [T, 3]


def shape_weights() -> Tensor:
    """Weight of every vertex in the regressions ``[478]``, mean 1: lips, lids and irises count most."""
    weights = torch.ones(topology.VERTICES)
    weights[list(topology.FACE_OVAL)] = 0.4
    weights[[*topology.RIGHT_BROW, *topology.LEFT_BROW]] = 1.5
    weights[list(topology.LIPS)] = 4.0
    weights[[*topology.RIGHT_EYE, *topology.LEFT_EYE]] = 5.0
    weights[[*topology.RIGHT_IRIS, *topology.LEFT_IRIS]] = 6.0
    return weights / weights.mean()


def pose_weights() -> Tensor:
    """Weight of every vertex in the pose ``[478]``, sum 1: the rigid ones."""
    weights = torch.full((topology.VERTICES,), SOFT_POSE_WEIGHT)
    weights[[*topology.RIGHT_IRIS, *topology.LEFT_IRIS]] = 0.0
    weights[list(topology.RIGID)] = 1.0
    return weights / weights.sum()


def lift(track: FaceTrack, focal_ratio: float, device: torch.device | str = "cpu") -> _Sight:
    """Pixels to rays of the camera whose square picture has the track's longer side."""
    focal = focal_ratio * max(track.width, track.height)
    landmarks = torch.from_numpy(track.landmarks.astype(np.float32)).to(device)  # [T, V, 3]
    centre = landmarks.new_tensor([track.width / 2, track.height / 2])
    return _Sight((landmarks[..., :2] - centre) / focal, landmarks[..., 2] / focal)


def camera_points(sight: _Sight) -> Tensor:
    """Points ``[T, V, 3]`` in the camera frame, if the distance to the face were 1."""
    depth = 1.0 + sight.depth
    return torch.cat([sight.rays * depth[..., None], depth[..., None]], dim=-1)  # [T, V, 3]


def similarity(source: Tensor, target: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The best similarity ``target ~ scale * rotation @ source + offset``.

    Args:
        source: ``[..., N, 3]``.
        target: ``[..., N, 3]``.
        weights: ``[N]``, sum 1.

    Returns:
        Scale ``[...]``, rotation ``[..., 3, 3]``, offset ``[..., 3]``.
    """
    w = weights[:, None]
    mean_source, mean_target = (source * w).sum(-2), (target * w).sum(-2)  # [..., 3]
    a, b = source - mean_source[..., None, :], target - mean_target[..., None, :]
    rotation = nearest_rotation(b.transpose(-1, -2) @ (a * w))  # [..., 3, 3]
    turned = a @ rotation.transpose(-1, -2)
    scale = (turned * b * w).sum((-1, -2)) / (a * a * w).sum((-1, -2))
    offset = mean_target - scale[..., None] * (rotation @ mean_source[..., None])[..., 0]
    return scale, rotation, offset


@torch.no_grad()
def fit_track(
    model: FaceModel,
    track: FaceTrack,
    focal_ratio: float,
    identity: Tensor | None = None,
    solver: Solver | None = None,
) -> FaceFit:
    """Fit the face model to a still or a video.

    Args:
        model: The face model.
        track: Landmarks of the same face in every frame.
        focal_ratio: Focal length over the longer side of the picture.
        identity: Known identity ``[I]``; None to estimate it.
        solver: Of this model, where many short tracks are fitted; made anew if None.

    Returns:
        The fit, one identity for all frames.
    """
    solver = solver or Solver(model)
    sight = lift(track, focal_ratio, model.mean.device)
    if identity is None:
        frames = np.flatnonzero(track.found) if track.found.any() else np.arange(len(track))
        chosen = np.linspace(0, len(frames) - 1, min(len(frames), IDENTITY_FRAMES)).round().astype(int)
        picked = torch.from_numpy(frames[chosen]).to(model.mean.device)
        scores = torch.from_numpy(track.blendshapes.astype(np.float32)).to(model.mean.device)[picked]  # [t, 52]
        identity = solver.identity(sight.take(picked), model.from_blendshapes(scores - model.rest_weights))
    parts = [
        solver.expression(sight.take(slice(start, start + CHUNK)), identity) for start in range(0, len(track), CHUNK)
    ]
    expression = torch.cat([part[0] for part in parts])  # [T, K]
    rotation = torch.cat([part[1].rotation for part in parts])  # [T, 3, 3]
    translation = torch.cat([part[1].translation for part in parts])  # [T, 3]
    error = torch.cat([part[2] for part in parts]) * focal_ratio * 256.0  # [T]
    return FaceFit(identity, expression, rotation, translation, error)


class Solver:
    """The normal equations of one face model."""

    def __init__(self, model: FaceModel) -> None:
        self.model = model
        self.shape_weights = shape_weights().to(model.mean)
        self.pose_weights = pose_weights().to(model.mean)
        self.identities = model.identity_basis.shape[0]
        self.basis = torch.cat([model.identity_basis, model.expression_basis])  # [I + K, V, 3]
        w = self.shape_weights / (len(self.shape_weights) * UNIT**2)
        self.weighted = self.basis * w[:, None]  # [I + K, V, 3]
        self.gram = torch.einsum("avi,bvj->ijab", self.weighted, self.basis)  # [3, 3, I + K, I + K]
        self.ridge = torch.cat(
            [
                torch.full((self.identities,), model.config.identity_weight),
                torch.full((len(self.basis) - self.identities,), model.config.expression_weight),
            ]
        ).to(model.mean)  # [I + K]

    def identity(self, sight: _Sight, expected: Tensor) -> Tensor:
        """The identity ``[I]`` shared by all frames, whose expressions are expected to be ``[T, K]``."""
        n = self.identities
        shape = self.model.mean.expand(len(sight.rays), -1, -1)  # [T, V, 3]
        pose = self.first_pose(sight)
        identity = self.model.mean.new_zeros(n)
        for _ in range(IDENTITY_ROUNDS):
            pose = self.refine_pose(sight, pose, shape)
            matrix, right = self.normal_equations(sight, pose, shape, slice(None))  # [T, I+K, I+K], [T, I+K]
            right[:, n:] += self.ridge[n:] * expected
            expression_matrix = matrix[:, n:, n:] + self.ridge[n:].diag()  # [T, K, K]
            coupling = matrix[:, n:, :n]  # [T, K, I]
            solved = torch.linalg.solve(expression_matrix, torch.cat([coupling, right[:, n:, None]], -1))  # [T, K, I+1]
            reduced = matrix[:, :n, :n] - coupling.mT @ solved[..., :n]  # [T, I, I]
            target = right[:, :n] - (coupling.mT @ solved[..., n:])[..., 0]  # [T, I]
            identity = torch.linalg.solve(reduced.sum(0) + self.ridge[:n].diag(), target.sum(0))  # [I]
            expression = solved[..., n] - solved[..., :n] @ identity  # [T, K]
            shape = self.model.vertices(identity, expression)
        return identity

    def expression(self, sight: _Sight, identity: Tensor) -> tuple[Tensor, _Pose, Tensor]:
        """Expressions ``[T, K]``, poses and reprojection errors ``[T]`` (in rays) for a known identity."""
        n = self.identities
        base = self.model.vertices(identity, self.model.mean.new_zeros(len(self.basis) - n))  # [V, 3]
        shape = base.expand(len(sight.rays), -1, -1)  # [T, V, 3]
        pose = self.first_pose(sight)
        for _ in range(EXPRESSION_ROUNDS):
            pose = self.refine_pose(sight, pose, shape)
            matrix, right = self.normal_equations(sight, pose, shape, slice(n, None))
            right = right - self._identity_part(pose, identity)
            expression = torch.linalg.solve(matrix + self.ridge[n:].diag(), right)  # [T, K]
            shape = self.model.vertices(identity, expression)
        pose = self.refine_pose(sight, pose, shape)
        seen = head_to_camera(shape, *pose)  # [T, V, 3]
        error = (seen[..., :2] / seen[..., 2:] - sight.rays).square().sum(-1).mean(-1).sqrt()  # [T]
        return expression, pose, error

    def first_pose(self, sight: _Sight) -> _Pose:
        """Pose of the mean face by a similarity of the lifted points; its scale becomes the distance."""
        flip = self.model.mean.new_tensor(FLIP)
        scale, rotation, offset = similarity(self.model.mean, camera_points(sight) * flip, self.pose_weights)
        return _Pose(rotation, offset * flip / scale[:, None])

    def refine_pose(self, sight: _Sight, pose: _Pose, shape: Tensor, steps: int = 2) -> _Pose:
        """Gauss-Newton steps on the residuals across and along the line of sight, for vertices ``[T, V, 3]``."""
        rotation, translation = (part.double().contiguous().numpy() for part in pose)  # copies
        seen = [tensor.contiguous().numpy() for tensor in (shape, sight.rays, sight.depth, self.pose_weights)]
        weight = self.model.config.depth_weight
        run_ranges(refine_poses, len(shape), FRAMES_PER_TASK, *seen, weight, steps, rotation, translation)
        return _Pose(torch.from_numpy(rotation).float(), torch.from_numpy(translation).float())

    def normal_equations(self, sight: _Sight, pose: _Pose, shape: Tensor, part: slice) -> tuple[Tensor, Tensor]:
        """Matrix ``[T, n, n]`` and right side ``[T, n]`` of the regression of what is seen minus the mean."""
        flip = shape.new_tensor(FLIP)
        depth = (shape @ pose.rotation.mT * flip + pose.translation[:, None])[..., 2]  # [T, V] of the model
        distance = pose.translation[:, 2:]  # [T, 1]
        seen_depth = depth - self._centre(depth - sight.depth * distance)  # [T, V] of the tracker, shifted to fit
        point = torch.cat([sight.rays * depth[..., None], seen_depth[..., None]], -1)  # [T, V, 3]
        target = ((point - pose.translation[:, None]) * flip) @ pose.rotation - self.model.mean  # [T, V, 3] head frame
        metric = self._metric(pose)  # [T, 3, 3]
        matrix = torch.einsum("tij,ijab->tab", metric, self.gram[:, :, part, part])  # [T, n, n]
        right = torch.einsum("avi,tvi->ta", self.weighted[part], target @ metric)  # [T, n]
        return matrix, right

    def _identity_part(self, pose: _Pose, identity: Tensor) -> Tensor:
        """Compute the known identity's contribution to the right side ``[T, K]`` of the expression's equations."""
        n = self.identities
        by_axes = self.gram[:, :, n:, :n] @ identity  # [3, 3, K]
        return torch.einsum("tij,ija->ta", self._metric(pose), by_axes)

    def _metric(self, pose: _Pose) -> Tensor:
        """Weights of residuals in head axes ``[T, 3, 3]``: full across the line of sight, little along it."""
        scale = pose.rotation.new_tensor([1.0, 1.0, self.model.config.depth_weight**2])
        return pose.rotation.mT * scale @ pose.rotation

    def _centre(self, values: Tensor) -> Tensor:
        """``[T, V, ...]`` minus its mean over the vertices, by the weights of the pose."""
        return values - torch.einsum("v,tv...->t...", self.pose_weights, values)[:, None]
