"""Lips that must meet, and lips that must not pass through each other."""

from __future__ import annotations

import torch
from torch import Tensor

from mggtalk.face.face_model import FaceModel
from mggtalk.face.lips import INNER, lip_heights

SOFTNESS = 1e-3
"""Ridge weight against the mean square of the gaps' slopes."""


def meet_lips(face_model: FaceModel, expression: Tensor, contact: Tensor) -> Tensor:
    """Bring lips together by the likeliest change.

    The heights between the inner lips are linear in the expression, ``h = G^T beta`` relative to lips that just meet.
    Heights under zero are raised to it, others are shrunk to ``(1 - c) h``; with the coefficients in standard
    deviations the nearest expression with heights ``h*`` is ``beta + G (G^T G)^-1 (h* - h)``, so that jaw and cheeks
    go along.

    Args:
        face_model: The landmark 3DMM.
        expression: Relative to a face at rest with closed lips, ``[T, K]``.
        contact: How far the lips meet ``[T]``: 0 as they are, 1 closed.

    Returns:
        ``[T, K]``.
    """
    slope = lip_heights(face_model.expression_basis)[:, INNER].to(expression)  # [K, G] decimetres
    gram = slope.T @ slope
    gram = gram + SOFTNESS * gram.diagonal().mean() * torch.eye(len(gram)).to(gram)
    heights = expression @ slope  # [T, G]
    wanted = (1.0 - contact[:, None]) * heights.clamp(min=0.0)
    return expression + torch.linalg.solve(gram, (wanted - heights).T).T @ slope.T
