"""The one door to rendering: checks what it is given and chooses the backend."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from mggtalk.errors import OptionError
from mggtalk.render.compiled.autograd import average, shade_cpu, splat_cpu
from mggtalk.render.harmonics import evaluate_harmonics
from mggtalk.render.torch_reference import splat_reference
from mggtalk.scene import Camera, Gaussians

Backend = Literal["auto", "cpu", "gsplat", "reference"]


class Render(NamedTuple):
    """A rendered picture, or B of them: all fields then have a leading axis B."""

    image: Tensor  # [H, W, C] premultiplied by alpha, composited over the background
    alpha: Tensor  # [H, W] in [0, 1]
    depth: Tensor | None = None  # [H, W] mean camera-frame z of what is seen, decimetres; 0 where nothing is


def rasterize(
    gaussians: Gaussians,
    camera: Camera,
    background: Tensor | None = None,
    features: Tensor | None = None,
    backend: Backend = "auto",
    depth: bool = False,
    block: int = 1,
) -> Render:
    """Draw Gaussians as a camera sees them, with gsplat's semantics whatever the backend.

    Differentiable in everything but the intrinsics: means, quaternions, scales, opacities, harmonics or features,
    ``camera.view`` and the background. Gaussians with a number that is not finite are left out, and get no gradient.
    The CPU kernels give the same bits on any number of threads. B sets of N Gaussians are drawn for B views by one call
    of gsplat; the CPU draws one after the other, as each picture has work for all threads.

    Args:
        gaussians: N Gaussians in the head frame, or B sets of N; N may be 0. The precision and device of the means are
            used for all.
        camera: The camera; it has as many views as there are sets.
        background: ``[C]``; black if None.
        features: ``[N, C]`` or ``[B, N, C]`` channels to draw instead of the RGB that the harmonics have from this
            camera.
        backend: ``cpu``: own kernels, float32 or float64. ``gsplat``: needs a CUDA GPU, float32. ``reference``: slow,
            for tests. ``auto``: gsplat for tensors on a CUDA device, else cpu.
        depth: Also draw the depth.
        block: The picture is drawn at the camera's size and averaged over squares of this side, which divides both
            sides. A mean depth would mean nothing, so not together with ``depth``.

    Returns:
        The picture, or B pictures; C = 3 without features.

    Raises:
        OptionError: If the backend is unknown or cannot draw here.
        ValueError: If shapes do not fit.
    """
    gaussians, camera = _prepare(gaussians, camera)
    if background is not None:
        background = background.to(gaussians.means)
    if features is not None:
        features = features.to(gaussians.means)
    _check(gaussians, camera, background, features)
    _check_block(camera, block, depth)
    chosen = _choose(backend, gaussians.means.device)
    if chosen == "gsplat" and gaussians.means.numel():
        from mggtalk.render.gsplat_backend import rasterize_gsplat  # only where it is used: it may not be installed

        image, alpha, z = rasterize_gsplat(gaussians, camera, background, features, depth)
        return Render(*average(image, alpha, block), z)
    if gaussians.means.ndim > 2:
        return _in_turn(gaussians, camera, background, features, chosen, depth, block)
    shade, splat = (shade_cpu, splat_cpu) if chosen == "cpu" else (_shade_reference, _splat_reference)
    channels = shade(gaussians, camera.view) if features is None else features  # [N, C]
    if background is None:
        background = channels.new_zeros(channels.shape[1])
    if not depth:
        return Render(*splat(gaussians, channels, camera, background, block))
    z = (gaussians.means * camera.view[2, :3]).sum(dim=1) + camera.view[2, 3]  # [N]
    channels = torch.cat([channels, z[:, None]], dim=1)  # [N, C + 1]
    image, alpha = splat(gaussians, channels, camera, torch.cat([background, background.new_zeros(1)]))
    return Render(image[..., :-1], alpha, image[..., -1] / alpha.clamp_min(1e-10))


def _in_turn(
    gaussians: Gaussians,
    camera: Camera,
    background: Tensor | None,
    features: Tensor | None,
    backend: Backend,
    depth: bool,
    block: int,
) -> Render:
    """B pictures, one after the other."""
    pictures = [
        rasterize(
            Gaussians(*(field[index] for field in gaussians)),
            replace(camera, view=view),
            background,
            None if features is None else features[index],
            backend,
            depth,
            block,
        )
        for index, view in enumerate(camera.view)
    ]
    image, alpha, z = zip(*pictures)
    return Render(torch.stack(image), torch.stack(alpha), torch.stack(z) if depth else None)


def _shade_reference(gaussians: Gaussians, view: Tensor) -> Tensor:
    return evaluate_harmonics(gaussians.harmonics, gaussians.means, view)


def _splat_reference(
    gaussians: Gaussians, channels: Tensor, camera: Camera, background: Tensor, block: int = 1
) -> tuple[Tensor, Tensor]:
    return average(*splat_reference(gaussians, channels, camera, background), block)


def _prepare(gaussians: Gaussians, camera: Camera) -> tuple[Gaussians, Camera]:
    """All tensors in the precision and on the device of the means; half precision becomes single."""
    means = gaussians.means
    dtype = means.dtype if means.dtype in (torch.float32, torch.float64) else torch.float32
    like = means.to(dtype)
    return Gaussians(*(tensor.to(like) for tensor in gaussians)), replace(camera, view=camera.view.to(like))


def _check(gaussians: Gaussians, camera: Camera, background: Tensor | None, features: Tensor | None) -> None:
    sets = tuple(gaussians.means.shape[:-1])  # (N,) or (B, N)
    if not 1 <= len(sets) <= 2 or 0 in sets[:-1]:
        raise ValueError(
            f"Gaussians.means has the shape {tuple(gaussians.means.shape)}; (N, 3), or (B, N, 3) with B > 0, is needed."
        )
    shapes = (sets + (3,), sets + (4,), sets + (3,), sets, sets + (4, 3))
    for name, tensor, shape in zip(Gaussians._fields, gaussians, shapes):
        if tuple(tensor.shape) != shape and not (name == "harmonics" and features is not None):
            raise ValueError(f"Gaussians.{name} has the shape {tuple(tensor.shape)}; {shape} is needed.")
    if features is not None and (tuple(features.shape[:-1]) != sets or not features.shape[-1]):
        raise ValueError(f"features has the shape {tuple(features.shape)}; {(*sets, 'C')} with C > 0 is needed.")
    channels = 3 if features is None else features.shape[-1]
    if background is not None and tuple(background.shape) != (channels,):
        raise ValueError(f"background has the shape {tuple(background.shape)}; ({channels},) is needed.")
    view = (*sets[:-1], 4, 4)
    if tuple(camera.view.shape) != view or camera.width < 1 or camera.height < 1 or not camera.focal > 0:
        raise ValueError(
            f"The camera has a view of shape {tuple(camera.view.shape)}, {camera.width} x {camera.height} pixels and "
            f"a focal length of {camera.focal}; {view}, at least one pixel and a positive focal length are needed."
        )


def _check_block(camera: Camera, block: int, depth: bool) -> None:
    if block < 1 or camera.width % block or camera.height % block or (depth and block > 1):
        raise ValueError(
            f"A picture of {camera.width} x {camera.height} pixels cannot be averaged over squares of {block}"
            f"{' together with its depth' if depth else ''}: use a divisor of both sides, without depth."
        )


def _choose(backend: Backend, device: torch.device) -> Backend:
    if backend not in get_args(Backend):
        raise OptionError(
            f"There is no rendering backend named {backend!r}.", f"Choose one of {', '.join(get_args(Backend))}."
        )
    if backend == "auto":
        return "gsplat" if device.type == "cuda" else "cpu"
    if backend == "gsplat" and device.type != "cuda":
        raise OptionError(
            f"gsplat draws on CUDA GPUs only, and the Gaussians are on {device}.", "Move them, or choose cpu."
        )
    if backend == "cpu" and device.type != "cpu":
        raise OptionError(f"The Gaussians are on {device}, not on the CPU.", "Move them, or choose auto.")
    return backend
