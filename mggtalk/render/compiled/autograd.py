"""The CPU rasterizer as torch functions with gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from mggtalk.render.compiled.harmonics import shade, shade_gradients
from mggtalk.render.compiled.rasterizer import GAUSSIANS_PER_TASK, Scene, draw, draw_gradients, sum_values
from mggtalk.render.compiled.tiles import TILE
from mggtalk.render.harmonics import camera_centre
from mggtalk.runtime.threads import run_ranges
from mggtalk.scene import Camera, Gaussians


def _array(tensor: Tensor) -> np.ndarray:
    """The numbers of a tensor as a contiguous array, shared where possible."""
    return tensor.detach().contiguous().numpy()


def shade_cpu(gaussians: Gaussians, view: Tensor) -> Tensor:
    """RGB ``[N, 3]`` of Gaussians as a camera with the ``[4, 4]`` view sees them."""
    inputs = (gaussians.means, gaussians.harmonics, camera_centre(view))
    if _needs_gradients(inputs):
        shaded: Tensor = _Shade.apply(*inputs)  # type: ignore[no-untyped-call]
        return shaded
    return torch.from_numpy(_shade(*(_array(tensor) for tensor in inputs)))


def _needs_gradients(tensors: Sequence[Tensor]) -> bool:
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)


def _shade(means: np.ndarray, harmonics: np.ndarray, centre: np.ndarray) -> np.ndarray:
    colours = np.empty((len(means), 3), means.dtype)
    run_ranges(shade, len(means), GAUSSIANS_PER_TASK, means, harmonics, centre, colours)
    return colours


class _Shade(torch.autograd.Function):
    """Colours from means, harmonics and the camera's centre."""

    @staticmethod
    def forward(ctx: Any, means: Tensor, harmonics: Tensor, centre: Tensor) -> Tensor:
        colours = torch.from_numpy(_shade(_array(means), _array(harmonics), _array(centre)))
        ctx.save_for_backward(means, harmonics, centre, colours)
        return colours

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        arrays = [_array(tensor) for tensor in ctx.saved_tensors]
        grad_means, grad_harmonics = np.empty_like(arrays[0]), np.empty_like(arrays[1])
        run_ranges(shade_gradients, len(grad), GAUSSIANS_PER_TASK, *arrays, _array(grad), grad_means, grad_harmonics)
        grad_centre = -grad_means.sum(0)  # [3]
        return torch.from_numpy(grad_means), torch.from_numpy(grad_harmonics), torch.from_numpy(grad_centre)


def splat_cpu(
    gaussians: Gaussians, colours: Tensor, camera: Camera, background: Tensor, block: int = 1
) -> tuple[Tensor, Tensor]:
    """Splat per-Gaussian channels.

    Args:
        gaussians: N Gaussians on the CPU, float32 or float64; their harmonics are not used.
        colours: ``[N, C]`` of the same precision, like ``camera.view`` and ``background``.
        camera: The camera.
        background: ``[C]``.
        block: Both are averaged over squares of this side, which divides the picture's.

    Returns:
        The image ``[H, W, C]`` and the alpha ``[H, W]``.
    """
    inputs = (*gaussians[:4], colours, camera.view, background)
    lens = _lens(camera, colours)
    if _needs_gradients(inputs):
        image, alpha = _Splat.apply(lens, *inputs)  # type: ignore[no-untyped-call]
        return average(image, alpha, block)
    inside = block if TILE % block == 0 else 1  # the kernel averages what it has at hand
    drawn, transmittance, _, _ = draw(_scene(inputs, lens), inside)
    return average(torch.from_numpy(drawn), torch.from_numpy(1 - transmittance), block // inside)


def sum_painted_cpu(gaussians: Gaussians, camera: Camera, values: Tensor) -> Tensor:
    """See :func:`mggtalk.render.paint.sum_painted`."""
    colours, background = gaussians.means[:, :1], gaussians.means.new_zeros(1)
    scene = _scene((*gaussians[:4], colours, camera.view, background), _lens(camera, colours))
    return torch.from_numpy(sum_values(scene, _array(values)))


def _lens(camera: Camera, like: Tensor) -> np.ndarray:
    """``lens`` of a :class:`mggtalk.render.compiled.rasterizer.Scene`."""
    numbers = [camera.focal, camera.focal, *camera.centre, camera.width, camera.height]
    return np.array(numbers, _array(like[:0]).dtype)


def average(image: Tensor, alpha: Tensor, block: int) -> tuple[Tensor, Tensor]:
    """Means over squares of a picture ``[..., H, W, C]`` and its alpha ``[..., H, W]``."""
    if block == 1:
        return image, alpha
    layers = torch.cat([image, alpha[..., None]], dim=-1).movedim(-1, -3)  # [..., C + 1, H, W]
    layers = F.avg_pool2d(layers, block).movedim(-3, -1)  # [..., H / block, W / block, C + 1]
    return layers[..., :-1], layers[..., -1]


def _scene(tensors: Sequence[Tensor], lens: np.ndarray) -> Scene:
    means, quaternions, scales, opacities, colours, view, background = (_array(tensor) for tensor in tensors)
    return Scene(means, quaternions, scales, opacities, colours, view, background, lens)


class _Splat(torch.autograd.Function):
    """Image and alpha from the tensors of :class:`mggtalk.render.compiled.rasterizer.Scene`."""

    @staticmethod
    def forward(ctx: Any, lens: np.ndarray, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        image, transmittance, projected, tiles = draw(_scene(tensors, lens))
        picture = torch.from_numpy(image)
        ctx.save_for_backward(*tensors, picture)  # so that torch notices if they are changed in place
        ctx.drawn = (lens, projected, tiles, transmittance)
        return picture, torch.from_numpy(1 - transmittance)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_image: Tensor, grad_alpha: Tensor) -> tuple[Tensor | None, ...]:
        *tensors, image = ctx.saved_tensors
        lens, projected, tiles, transmittance = ctx.drawn
        gradients = draw_gradients(
            _scene(tensors, lens),
            projected,
            tiles,
            _array(image),
            transmittance,
            _array(grad_image),
            _array(grad_alpha),
        )
        return None, *(torch.from_numpy(array) for array in gradients)
