"""The rasterizer of gsplat, for CUDA GPUs. Imported only where it is used."""

from __future__ import annotations

import torch
from gsplat import rasterization
from torch import Tensor

from mggtalk.render import constants
from mggtalk.scene import Camera, Gaussians


def rasterize_gsplat(
    gaussians: Gaussians, camera: Camera, background: Tensor | None, features: Tensor | None, depth: bool
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Draw Gaussians that are on a CUDA device; see :func:`mggtalk.render.rasterize`.

    gsplat reads the number of intersections once in each call, so a batch waits for the GPU once.

    Returns:
        Image ``[..., H, W, C]``, alpha ``[..., H, W]`` and, if asked for, depth ``[..., H, W]``.
    """
    dtype, batch = gaussians.means.dtype, gaussians.means.shape[:-2]
    colours = gaussians.harmonics if features is None else features  # [..., N, 4, 3] or [..., N, C]
    means, quaternions, scales, opacities, colours = _finite(gaussians, colours)
    backgrounds = None if background is None else background.float().expand(*batch, 1, -1)  # [..., 1, C]
    image, alpha, _ = rasterization(
        means,
        quaternions,
        scales,
        opacities,
        colours,
        camera.view.float().unsqueeze(-3),  # [..., 1, 4, 4]: one camera for each set
        camera.intrinsics().float().expand(*batch, 1, 3, 3),
        camera.width,
        camera.height,
        near_plane=constants.NEAR,
        far_plane=constants.FAR,
        eps2d=constants.BLUR,
        sh_degree=1 if features is None else None,
        packed=False,
        backgrounds=backgrounds,
        render_mode="RGB+ED" if depth else "RGB",
    )
    image, alpha = image.squeeze(-4).to(dtype), alpha[..., 0].squeeze(-3).to(dtype)  # [..., H, W, C (+ 1)], [..., H, W]
    return (image[..., :-1], alpha, image[..., -1]) if depth else (image, alpha, None)


def _finite(gaussians: Gaussians, colours: Tensor) -> tuple[Tensor, ...]:
    """Single-precision tensors for gsplat; Gaussians that are not finite get harmless numbers and opacity 0.

    Masking does not wait for the GPU, as dropping them would.
    """
    tensors = [tensor.float() for tensor in (*gaussians[:3], colours)]
    good = gaussians.quaternions.norm(dim=-1) > 0  # [..., N]; False for NaN
    axes = good.ndim
    for tensor in tensors:
        good = good & tensor.isfinite().flatten(axes).all(dim=-1)
    opacities = gaussians.opacities.float()
    good = good & opacities.isfinite()
    filled = [torch.where(good.view(*good.shape, *[1] * (tensor.ndim - axes)), tensor, 1.0) for tensor in tensors]
    return filled[0], filled[1], filled[2], torch.where(good, opacities, 0.0), filled[3]
