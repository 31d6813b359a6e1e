"""Colours from degree-1 spherical harmonics, in plain torch.

The basis is (1, -y, z, -x) with the factors of :mod:`mggtalk.render.constants`, for the unit direction from the camera
to the Gaussian in the head frame; a colour is ``max(0, SH + 0.5)``, as in gsplat and the original 3DGS.

Its compiled twin: :mod:`mggtalk.render.compiled.harmonics`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mggtalk.render.constants import SH_0, SH_1


def camera_centre(view: Tensor) -> Tensor:
    """Compute where the camera is in the head frame ``[3]``, from its ``[4, 4]`` view matrix."""
    return torch.linalg.inv(view)[:3, 3]


def evaluate_harmonics(harmonics: Tensor, means: Tensor, view: Tensor) -> Tensor:
    """RGB of Gaussians as a camera sees them.

    Args:
        harmonics: ``[N, 4, 3]`` in the order (1, y, z, x).
        means: ``[N, 3]`` in the head frame.
        view: ``[4, 4]`` head frame to camera.

    Returns:
        ``[N, 3]``, not negative; not limited to 1.
    """
    offset = means - camera_centre(view)
    x, y, z = (offset / offset.norm(dim=-1, keepdim=True)).unbind(-1)
    basis = torch.stack([torch.full_like(x, SH_0), -SH_1 * y, SH_1 * z, -SH_1 * x], dim=-1)  # [N, 4]
    return ((basis[:, :, None] * harmonics).sum(1) + 0.5).clamp_min(0.0)  # [N, 3]


def harmonics_from_colour(colour: Tensor) -> Tensor:
    """Harmonics ``[..., N, 4, 3]`` of Gaussians that have the same RGB ``[..., N, 3]`` from everywhere."""
    harmonics = colour.new_zeros(*colour.shape[:-1], 4, 3)  # [..., N, 4, 3]
    harmonics[..., 0, :] = (colour - 0.5) / SH_0
    return harmonics
