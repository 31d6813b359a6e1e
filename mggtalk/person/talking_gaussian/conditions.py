"""What drives the motion fields: the lips and the upper face of a frame, told from its expression coefficients.

The published conditions are features of speech and six action units. A motion of MGGTalk has expression coefficients,
whether it comes from a video, from speech or from a file, and they say both: their principal axes in the clip stand for
the features of speech, and the ARKit scores that name the same muscles for the units 1, 4, 5, 6, 7 and 45.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mggtalk.face.blendshapes import INDEX
from mggtalk.face.face_model import FaceModel
from mggtalk.face.topology import LIPS
from mggtalk.scene import Motion

UPPER = (
    ("browInnerUp",),  # 1, inner brow raiser
    ("browDownLeft", "browDownRight"),  # 4, brow lowerer
    ("eyeWideLeft", "eyeWideRight"),  # 5, upper lid raiser
    ("cheekSquintLeft", "cheekSquintRight"),  # 6, cheek raiser
    ("eyeSquintLeft", "eyeSquintRight"),  # 7, lid tightener
    ("eyeBlinkLeft", "eyeBlinkRight"),  # 45, blink
)
"""Scores that stand for the action units, means of both sides; the last one is the blink."""

BEYOND = 0.15
"""How far conditions may leave the range that the clip showed, over its width: further out the nearest ones hold."""

LEAST_SPREAD = 0.05
"""Standard deviation of a score that counts as moving at all."""


POSE = 3
"""Numbers that tell the pose of a head: where it looks to, and how it is tilted."""

LEAST_TURN = 0.03
"""Standard deviation of such a number that counts as turning at all: two degrees."""


def pose_of(rotation: Tensor) -> Tensor:
    """Where heads of rotations ``[..., 3, 3]`` look to, to the side and up, and how they are tilted: ``[..., 3]``."""
    return torch.stack([rotation[..., 0, 2], rotation[..., 1, 2], rotation[..., 1, 0]], dim=-1)


class Conditions(nn.Module):
    """Conditions of frames, about one: axes of the lips ``[..., E]``, upper-face scores ``[..., 6]``, pose."""

    weights: Tensor  # [K, E + 6]
    origin: Tensor  # [E + 6]
    low: Tensor  # [E + 6] range in the clip, like the one that follows
    high: Tensor  # [E + 6]
    pose_range: Tensor  # [4, 3] middle, spread, least and greatest of the poses in the clip

    def __init__(self, components: int, axes: int) -> None:
        super().__init__()
        self.axes = axes
        count = axes + len(UPPER)
        self.register_buffer("weights", torch.zeros(components, count))
        for name in ("origin", "low", "high"):
            self.register_buffer(name, torch.zeros(count))
        self.register_buffer("pose_range", torch.tensor([0.0, 1.0, 0.0, 0.0])[:, None].repeat(1, POSE))

    @torch.no_grad()
    def fit(self, face_model: FaceModel, motion: Motion) -> None:
        """Learn axes, spread and range from a clip."""
        expression = motion.expression  # [T, K]
        view = face_model.expression_basis[:, list(LIPS)].flatten(1)  # [K, 3 V] what the lips do
        middle = expression.mean(0)
        found = torch.linalg.svd((expression - middle) @ view, full_matrices=False)[2][: self.axes]  # [<= E, 3 V]
        lips = torch.zeros(len(middle), self.axes)
        lips[:, : len(found)] = view @ found.T
        upper = torch.stack([face_model.to_weights[:, [INDEX[n] for n in names]].mean(1) for names in UPPER], dim=1)
        weights = torch.cat([lips, upper], dim=1)  # [K, E + 6]
        spread = ((expression - middle) @ weights).std(0)
        least = torch.cat([0.05 * spread[:1].expand(self.axes), torch.full((len(UPPER),), LEAST_SPREAD)])
        self.weights.copy_(weights / spread.maximum(least).clamp(min=1e-6))
        self.origin.copy_(middle @ self.weights)
        seen = expression @ self.weights - self.origin  # [T, E + 6]
        room = BEYOND * (seen.amax(0) - seen.amin(0))
        self.low.copy_(seen.amin(0) - room)
        self.high.copy_(seen.amax(0) + room)
        poses = pose_of(motion.rotation)  # [T, 3]
        room = BEYOND * (poses.amax(0) - poses.amin(0))
        ends = (poses.amin(0) - room, poses.amax(0) + room)
        self.pose_range.copy_(torch.stack([poses.mean(0), poses.std(0).clamp(min=LEAST_TURN), *ends]))

    def pose(self, rotation: Tensor) -> Tensor:
        """Pose ``[..., 3]`` of head rotations ``[..., 3, 3]``; beyond what the clip showed the nearest one."""
        middle, spread, low, high = self.pose_range
        return (pose_of(rotation).clamp(low, high) - middle) / spread

    def free_pose(self, rotation: Tensor) -> Tensor:
        """The same without a limit, for maps that have limits of their own."""
        middle, spread, _, _ = self.pose_range
        return (pose_of(rotation) - middle) / spread

    def forward(self, expression: Tensor) -> tuple[Tensor, Tensor]:
        """Lips ``[..., E]`` and upper face ``[..., 6]`` of expressions ``[..., K]``."""
        both = (expression @ self.weights - self.origin).clamp(self.low, self.high)
        return both[..., : self.axes], both[..., self.axes :]
