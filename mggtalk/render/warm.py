"""Compiles the CPU kernels ahead of their first use."""

from __future__ import annotations

import torch

from mggtalk.render.rasterize import rasterize
from mggtalk.scene import Camera, Gaussians


def warm_up(gradients: bool = False) -> None:
    """Compile, or load from numba's cache, the CPU kernels for float32 and RGB. Safe to call in a thread of its own.

    Args:
        gradients: Also those that training needs.
    """
    with torch.inference_mode(False), torch.set_grad_enabled(gradients):
        means = torch.tensor([[0.0, 0.0, 0.0]], requires_grad=gradients)
        gaussians = Gaussians(
            means, torch.tensor([[1.0, 0, 0, 0]]), torch.full((1, 3), 0.1), torch.ones(1), torch.zeros(1, 4, 3)
        )
        camera = Camera.from_pose(torch.eye(3), torch.tensor([0.0, 0.0, 5.0]), size=8, focal_ratio=1.0)
        image = rasterize(gaussians, camera, backend="cpu").image
        if gradients:
            image.sum().backward()
