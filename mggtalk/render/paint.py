"""What the pixels of a picture say about the Gaussians that paint them."""

from __future__ import annotations

import torch
from torch import Tensor

from mggtalk.render.compiled.autograd import sum_painted_cpu
from mggtalk.render.rasterize import rasterize
from mggtalk.scene import Camera, Gaussians


def sum_painted(gaussians: Gaussians, camera: Camera, values: Tensor) -> Tensor:
    """Sum values of pixels over what each Gaussian paints of them.

    With the weights by which pixel p is composited, ``C_p = sum_i w_ip c_i``, these are ``sum_p w_ip v_p``: the
    gradients of a picture by the colours in it, which on the CPU have a kernel of their own, a fifth of the work.

    Args:
        gaussians: N Gaussians in the head frame; their harmonics are not used.
        camera: The camera.
        values: Of each pixel ``[H, W, C]``.

    Returns:
        ``[N, C]``, without gradients.
    """
    if gaussians.means.device.type == "cpu":
        with torch.no_grad():
            return sum_painted_cpu(gaussians, camera, values)
    return sum_painted_reference(gaussians, camera, values)


def sum_painted_reference(gaussians: Gaussians, camera: Camera, values: Tensor) -> Tensor:
    """The same by automatic differentiation, on any device."""
    channels = values.new_zeros(len(gaussians.means), values.shape[-1], requires_grad=True)
    with torch.enable_grad():
        drawn = rasterize(Gaussians(*(field.detach().clone() for field in gaussians)), camera, features=channels)
        return torch.autograd.grad((drawn.image * values).sum(), channels)[0]
