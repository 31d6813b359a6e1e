"""The rasterizer as a formula: readable, differentiable, slow. Every pixel looks at every Gaussian."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mggtalk.geometry import quaternion_to_rotation
from mggtalk.render.constants import (
    EPS2D,
    FAR,
    FIELD_MARGIN,
    MAX_ALPHA,
    MAX_EXTENT,
    MIN_ALPHA,
    MIN_TRANSMITTANCE,
    NEAR,
)
from mggtalk.scene import Camera, Gaussians


class Splats(NamedTuple):
    """Projected Gaussians."""

    centres: Tensor  # [N, 2] pixels
    conics: Tensor  # [N, 3] inverse covariance: xx, xy, yy
    depths: Tensor  # [N] camera z
    visible: Tensor  # [N] bool
    half_extent: Tensor  # [N, 2] reach in pixels


def project_gaussians(gaussians: Gaussians, camera: Camera) -> Splats:
    """EWA projection: ``Sigma' = J W Sigma W^T J^T + eps2d I``.

    Args:
        gaussians: N Gaussians in the world (head) frame.
        camera: The camera; its view matrix may need gradients.

    Returns:
        The splats in the order of the Gaussians.
    """
    rotation = quaternion_to_rotation(gaussians.quaternions)  # [N, 3, 3]
    spread = rotation * gaussians.scales[:, None, :]
    covariance = spread @ spread.mT  # [N, 3, 3]
    view, f = camera.view, camera.focal
    x, y, z = (gaussians.means @ view[:3, :3].T + view[:3, 3]).unbind(-1)
    (cx, cy), width, height = camera.centre, camera.width, camera.height
    margin_x, margin_y = FIELD_MARGIN * 0.5 * width / f, FIELD_MARGIN * 0.5 * height / f
    safe = torch.where(z > NEAR, z, torch.ones_like(z))
    tx = safe * (x / safe).clamp(-(cx / f + margin_x), (width - cx) / f + margin_x)
    ty = safe * (y / safe).clamp(-(cy / f + margin_y), (height - cy) / f + margin_y)
    zero = torch.zeros_like(safe)
    jacobian = torch.stack([f / safe, zero, -f * tx / safe**2, zero, f / safe, -f * ty / safe**2], -1)
    jacobian = jacobian.unflatten(-1, (2, 3)) @ view[:3, :3]  # [N, 2, 3]
    flat = jacobian @ covariance @ jacobian.mT  # [N, 2, 2]
    xx, xy, yy = flat[:, 0, 0] + EPS2D, flat[:, 0, 1], flat[:, 1, 1] + EPS2D
    determinant = xx * yy - xy * xy
    conics = torch.stack([yy, -xy, xx], dim=-1) / determinant[:, None]
    centres = torch.stack([f * x / safe + cx, f * y / safe + cy], dim=-1)
    with torch.no_grad():
        reach = (2 * (gaussians.opacities / MIN_ALPHA).clamp(min=1).log()).sqrt().clamp(max=MAX_EXTENT)
        half = torch.stack([reach * xx.sqrt(), reach * yy.sqrt()], dim=-1)  # [N, 2]
        radius = half.ceil()
        bounds = torch.tensor((width, height), dtype=centres.dtype)
        visible = (z >= NEAR) & (z <= FAR) & (determinant > 0) & (gaussians.opacities >= MIN_ALPHA)
        visible &= ((centres + radius > 0) & (centres - radius < bounds)).all(-1)
        visible &= torch.isfinite(centres).all(-1) & torch.isfinite(conics).all(-1)
    return Splats(centres, conics, z, visible, half)


def rasterize_reference(gaussians: Gaussians, colours: Tensor, camera: Camera) -> tuple[Tensor, Tensor]:
    """Composite front to back.

    Args:
        gaussians: N Gaussians.
        colours: ``[N, C]`` channels to splat.
        camera: The camera.

    Returns:
        Premultiplied channels ``[H, W, C]`` and alpha ``[H, W]``.
    """
    splats = project_gaussians(gaussians, camera)
    keep = torch.nonzero(splats.visible & torch.isfinite(colours).all(-1)).squeeze(-1)
    order = keep[torch.argsort(splats.depths[keep].detach(), stable=True)]
    centres, conics, half = splats.centres[order], splats.conics[order], splats.half_extent[order]
    rows = torch.arange(camera.height, dtype=centres.dtype) + 0.5
    columns = torch.arange(camera.width, dtype=centres.dtype) + 0.5
    dx = centres[:, 0, None, None] - columns  # [M, 1, W]
    dy = centres[:, 1, None, None] - rows[:, None]  # [M, H, 1]
    a, b, c = conics[:, :, None, None].unbind(1)
    sigma = 0.5 * (a * dx**2 + c * dy**2) + b * dx * dy  # [M, H, W]
    alpha = (gaussians.opacities[order, None, None] * torch.exp(-sigma)).clamp(max=MAX_ALPHA)
    inside = (dx.abs() <= half[:, 0, None, None] + 0.01) & (dy.abs() <= half[:, 1, None, None] + 0.01)
    alpha = torch.where((sigma >= 0) & (alpha >= MIN_ALPHA) & inside, alpha, torch.zeros_like(alpha))
    with torch.no_grad():
        stopped = torch.cumsum(((1 - alpha).cumprod(0) <= MIN_TRANSMITTANCE) & (alpha > 0), 0) > 0
    alpha = torch.where(stopped, torch.zeros_like(alpha), alpha)
    after = (1 - alpha).cumprod(0)  # [M, H, W] transmittance behind each splat
    before = torch.cat([torch.ones_like(after[:1]), after[:-1]])[: len(alpha)]
    image = torch.einsum("mhw,mc->hwc", alpha * before, colours[order])
    passed = after[-1] if len(after) else torch.ones(camera.height, camera.width, dtype=centres.dtype)
    return image, 1 - passed
