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


class Conditions(nn.Module):
    """Conditions of frames: principal axes of the lips ``[..., E]`` and upper-face scores ``[..., 6]``, about one."""

    weights: Tensor  # [K, E + 6]
    origin: Tensor  # [E + 6]
    low: Tensor  # [E + 6] range in the clip, like the one that follows
    high: Tensor  # [E + 6]

    def __init__(self, components: int, axes: int) -> None:
        super().__init__()
        self.axes = axes
        count = axes + len(UPPER)
        self.register_buffer("weights", torch.zeros(components, count))
        for name in ("origin", "low", "high"):
            self.register_buffer(name, torch.zeros(count))

    @torch.no_grad()
    def fit(self, face_model: FaceModel, expression: Tensor) -> None:
        """Learn axes, spread and range from the expressions of a clip ``[T, K]``."""
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

    def forward(self, expression: Tensor) -> tuple[Tensor, Tensor]:
        """Lips ``[..., E]`` and upper face ``[..., 6]`` of expressions ``[..., K]``."""
        both = (expression @ self.weights - self.origin).clamp(self.low, self.high)
        return both[..., : self.axes], both[..., self.axes :]
