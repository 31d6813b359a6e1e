"""gsplat on CUDA, behind the same contract."""

from __future__ import annotations

import torch
from torch import Tensor

from mggtalk.render.constants import EPS2D, FAR, NEAR
from mggtalk.scene import Camera, Gaussians


def rasterize_gsplat(gaussians: Gaussians, colours: Tensor, camera: Camera) -> tuple[Tensor, Tensor]:
    """Render with gsplat; see :func:`mggtalk.render.torch_reference.rasterize_reference` for the contract.

    Args:
        gaussians: N Gaussians on a CUDA device.
        colours: ``[N, C]``.
        camera: The camera, its view matrix on the same device.

    Returns:
        Premultiplied channels ``[H, W, C]`` and alpha ``[H, W]``.
    """
    import gsplat

    fields = (*gaussians[:4], colours)
    finite = torch.stack([torch.isfinite(field).reshape(len(field), -1).all(-1) for field in fields]).all(0)
    means, quaternions, scales, opacities, channels = (field[finite] for field in fields)
    image, alpha, _ = gsplat.rasterization(
        means,
        quaternions,
        scales,
        opacities,
        channels,
        camera.view[None],
        camera.intrinsics()[None],
        camera.width,
        camera.height,
        near_plane=NEAR,
        far_plane=FAR,
        eps2d=EPS2D,
        packed=False,
    )
    return image[0], alpha[0, ..., 0]
