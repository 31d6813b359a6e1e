"""How far lips are from the true ones."""

from __future__ import annotations

from torch import Tensor, nn

from mggtalk.face.face_model import FaceModel
from mggtalk.face.lips import INNER, lip_heights
from mggtalk.training.speech.clips import MOUTH
from mggtalk.training.speech.config import MILLIMETRES, SpeechLossConfig


class MouthLoss(nn.Module):
    """Measure the error of expressions by what they do to the mouth's vertices, in millimetres.

    Args:
        face_model: Moves the vertices.
        config: Weights.
    """

    mouth: Tensor
    gaps: Tensor

    def __init__(self, face_model: FaceModel, config: SpeechLossConfig) -> None:
        super().__init__()
        self.config = config
        basis = MILLIMETRES * face_model.expression_basis  # [K, V, 3]
        self.register_buffer("mouth", basis[:, list(MOUTH)].flatten(1), persistent=False)  # [K, n * 3]
        self.register_buffer("gaps", lip_heights(basis)[:, INNER], persistent=False)  # [K, G]

    def forward(self, expression: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """The loss of expressions ``[B, T, K]`` with weights ``[B, T]``; a scalar."""
        error = expression - target
        config = self.config
        places = (error @ self.mouth).square().sum(-1) * (3.0 / self.mouth.shape[1])  # [B, T] mm^2 a vertex
        gaps = (error @ self.gaps).mean(-1).square()  # [B, T] mm^2
        change = (error[:, 1:] - error[:, :-1]) @ self.mouth
        change = change.square().sum(-1) * (3.0 / self.mouth.shape[1])  # [B, T - 1]
        still = config.lips * places + config.gap * gaps
        moving = config.velocity * change * weight[:, 1:] * weight[:, :-1]
        return ((still * weight).sum() + moving.sum()) / weight.sum().clamp(min=1.0)
