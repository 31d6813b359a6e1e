"""Which colours are those of a skin, in whatever light falls on it."""

from __future__ import annotations

import torch
from torch import Tensor

LIKE_SKIN, LIGHTS = 0.12, (0.45, 1.6)
"""Difference of colour by which what counts as skin falls to 1 / e, and how much light may fall on it, over that on the
cheeks."""


def skin_distance(colour: Tensor, skin: Tensor, lights: tuple[float, float]) -> Tensor:
    """Measure how far colours are from a skin in the light that suits them best.

    ::

        d = |c - l s|,        l = c . s / |s|^2, no less and no more than the lights allow

    Args:
        colour: ``c [3, ...]``, in any colours that are a multiple of the light.
        skin: ``s [3, ...]`` in the same colours; broadcasts.
        lights: Least and most light on it, over that in which ``s`` was seen.

    Returns:
        ``[...]``.
    """
    light = (colour * skin).sum(0) / skin.square().sum(0).clamp(min=1e-4)  # [...]
    return (colour - light.clamp(*lights) * skin).norm(dim=0)


def like_skin(portrait: Tensor, skin: Tensor) -> Tensor:
    """Measure how much pixels ``[3, S, S]`` look like a skin ``[3]`` in some light: ``[S, S]`` in [0, 1]."""
    return torch.exp(-((skin_distance(portrait, skin[:, None, None], LIGHTS) / LIKE_SKIN) ** 2))
