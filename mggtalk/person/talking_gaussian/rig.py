"""The rig of one person: what the face model misses of this face, in closed form.

A landmark 3DMM of 64 expressions fits nobody exactly, and what it misses depends on the expression: that of every frame
says where this person's landmarks really are. So the driven face model of eq. 9 gets a correction that is linear in
expression and pose::

    V_i(t) = V_i(beta_t) + W_i f_t - e_i,   f = (1, pose, beta)
    W_i = argmin sum_t |J_it (W_i f_t) - (l_it - project(V_i(beta_t)))|^2 + r |W_i|^2

with the landmarks ``l`` of the clip and the Jacobian ``J`` of the projection: a least-squares problem of its own for
each vertex, solved in a second. ``e`` is how far the portrait's own landmarks are from its face model: that far the
points of the portrait are already where they should be. Gradients have nothing to do here, and what they learn later
starts from lips in their places.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mggtalk.avatar.avatar import Avatar
from mggtalk.face.face_model import FaceModel
from mggtalk.face.topology import VERTICES
from mggtalk.geometry import FLIP, constant, head_to_camera, project
from mggtalk.person.talking_gaussian.conditions import BEYOND, POSE
from mggtalk.runtime.overlap import one_thread
from mggtalk.scene import Motion

RIDGE, DEEP = 1.0, 4.0
"""Frames that count for no correction at all, and how many times as much along the view of the head, which pictures
hardly tell."""


class Rig(nn.Module):
    """Corrections of the driven face model, ``[V, 3]``; none before :meth:`fit`.

    Args:
        components: K, length of an expression.
    """

    weights: Tensor  # [F, 3 V] W, decimetres, head frame
    origin: Tensor  # [V, 3] e, decimetres, head frame
    low: Tensor  # [K] range of the expressions in the clip, like the one that follows
    high: Tensor  # [K]

    def __init__(self, components: int) -> None:
        super().__init__()
        self.register_buffer("weights", torch.zeros(1 + POSE + components, 3 * VERTICES))
        self.register_buffer("origin", torch.zeros(VERTICES, 3))
        for name in ("low", "high"):
            self.register_buffer(name, torch.zeros(components))

    def forward(self, expression: Tensor, pose: Tensor) -> Tensor:
        """Corrections ``[V, 3]`` for an expression ``[K]`` and a pose ``[3]`` of conditions."""
        return (self.features(expression, pose) @ self.weights).view(VERTICES, 3) - self.origin

    def features(self, expression: Tensor, pose: Tensor) -> Tensor:
        """Numbers ``[..., F]`` in which corrections are linear; beyond what the clip showed the nearest ones hold."""
        return torch.cat([torch.ones_like(pose[..., :1]), pose, expression.clamp(self.low, self.high)], dim=-1)

    @torch.no_grad()
    def fit(self, face_model: FaceModel, identity: Tensor, motion: Motion, pose: Tensor, landmarks: Tensor) -> None:
        """Solve for the corrections.

        Args:
            face_model: The landmark 3DMM.
            identity: ``[I]`` of the avatar.
            motion: Of the clip, with this identity.
            pose: Of its frames ``[T, 3]``, as conditions tell it.
            landmarks: Of its frames ``[T, V, 2]``, in sides of the picture.
        """
        reach = BEYOND * (motion.expression.amax(0) - motion.expression.amin(0))
        self.low.copy_(motion.expression.amin(0) - reach)
        self.high.copy_(motion.expression.amax(0) + reach)
        seen = self.features(motion.expression, pose)  # [T, F]
        vertices = face_model.vertices(identity, motion.expression)  # [T, V, 3]
        missed, slope = _miss(vertices, motion.rotation, motion.translation, landmarks, motion.focal_ratio)
        square = slope.mT @ slope  # [T, V, 3, 3]
        size, count = seen.shape[1], len(seen)
        pairs = (seen[:, :, None] * seen[:, None]).flatten(1)  # [T, F F]
        normal = square.flatten(1).T @ pairs  # [V 9, F F]
        normal = normal.view(VERTICES, 3, 3, size, size).transpose(2, 3).reshape(VERTICES, 3 * size, 3 * size)
        wanted = (slope.mT @ missed[..., None])[..., 0]  # [T, V, 3]
        wanted = (wanted.flatten(1).T @ seen).view(VERTICES, 3 * size)  # [V, 3 F]
        usual = square[..., 0, 0].sum(0).mean() / count  # of a step across, squared sides a frame
        ridge = RIDGE * usual * constant((1.0, 1.0, DEEP), seen).repeat_interleave(size)  # [3 F]
        # On one thread: MKL's LU of several such matrices on two threads never ends.
        with one_thread():
            factor = torch.linalg.cholesky(normal + torch.diag(ridge))  # [V, 3 F, 3 F]
            found = torch.cholesky_solve(wanted[..., None], factor)[..., 0]  # [V, 3 F]
        self.weights.copy_(found.reshape(VERTICES * 3, size).T)

    @torch.no_grad()
    def hold(self, avatar: Avatar, landmarks: Tensor, focal_ratio: float) -> None:
        """Take what the portrait has already.

        Args:
            avatar: Of the portrait.
            landmarks: Of the portrait ``[V, 2]``, in sides of the picture.
            focal_ratio: Of its camera.
        """
        rotation, translation = avatar.rotation, avatar.translation
        missed, _ = _miss(avatar.vertices, rotation, translation, landmarks, focal_ratio)
        depth = head_to_camera(avatar.vertices, rotation, translation)[:, 2:]  # [V, 1]
        across = missed * depth / focal_ratio  # [V, 2] camera frame
        step = torch.cat([across, torch.zeros_like(depth)], dim=1)  # [V, 3]
        self.origin.copy_(step * constant(FLIP, step) @ rotation)


def _miss(
    vertices: Tensor, rotation: Tensor, translation: Tensor, landmarks: Tensor, focal_ratio: float
) -> tuple[Tensor, Tensor]:
    """Measure how far landmarks are from the vertices in the picture.

    Returns:
        That way ``[..., V, 2]``, in sides of the picture, and the slope of the projection ``[..., V, 2, 3]`` by places
        of the head frame.
    """
    seen = head_to_camera(vertices, rotation, translation)  # [..., V, 3]
    missed = landmarks - project(seen, focal_ratio, (0.5, 0.5))
    x, y, z = seen.unbind(-1)
    none = torch.zeros_like(z)
    across = torch.stack([1 / z, none, -x / z**2], dim=-1)  # [..., V, 3]
    down = torch.stack([none, 1 / z, -y / z**2], dim=-1)
    turn = constant(FLIP, rotation)[:, None] * rotation  # [..., 3, 3] head to camera
    return missed, focal_ratio * torch.stack([across, down], dim=-2) @ turn[..., None, :, :]
