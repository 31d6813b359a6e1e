"""A rasterizer to be read, and to test the fast ones against: every Gaussian at every pixel, in plain torch.

Works on any device and in any precision, and is differentiable by autograd. Memory and time grow with the number of
Gaussians times the number of pixels.

Its compiled twin: :mod:`mggtalk.render.compiled.rasterizer`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mggtalk.geometry import quaternion_to_rotation
from mggtalk.render import constants
from mggtalk.scene import Camera, Gaussians

PIXELS_AT_ONCE = 4096


class Splats(NamedTuple):
    """Gaussians in the picture."""

    centres: Tensor  # [M, 2] pixels
    conics: Tensor  # [M, 2, 2] inverse covariances, in 1 / square pixels
    depths: Tensor  # [M] camera-frame z


def project_reference(gaussians: Gaussians, camera: Camera) -> Splats:
    """Project Gaussians that are finite and in front of the camera, by the local affine approximation of EWA splatting.

    Args:
        gaussians: M Gaussians with z > 0.
        camera: The camera.
    """
    turn, shift = camera.view[:3, :3], camera.view[:3, 3]
    x, y, z = (gaussians.means @ turn.T + shift).unbind(-1)
    focal, (centre_x, centre_y) = camera.focal, camera.centre
    margin_x = constants.FIELD_MARGIN * 0.5 * camera.width / focal
    margin_y = constants.FIELD_MARGIN * 0.5 * camera.height / focal
    along_x = (x / z).clamp(-centre_x / focal - margin_x, (camera.width - centre_x) / focal + margin_x)
    along_y = (y / z).clamp(-centre_y / focal - margin_y, (camera.height - centre_y) / focal + margin_y)
    none = torch.zeros_like(z)
    jacobian = torch.stack(
        [focal / z, none, -focal * along_x / z, none, focal / z, -focal * along_y / z], dim=-1
    ).unflatten(-1, (2, 3))  # [M, 2, 3]
    root = jacobian @ turn @ quaternion_to_rotation(gaussians.quaternions) * gaussians.scales[:, None]  # [M, 2, 3]
    covariance = root @ root.mT + constants.BLUR * torch.eye(2, dtype=z.dtype, device=z.device)  # [M, 2, 2]
    centres = torch.stack([focal * x / z + centre_x, focal * y / z + centre_y], dim=-1)  # [M, 2]
    return Splats(centres, torch.linalg.inv(covariance), z)


def _drawable(gaussians: Gaussians, channels: Tensor, camera: Camera) -> Tensor:
    """Indices of the Gaussians that are finite, in front of the camera and not too faint, nearest first."""
    z = gaussians.means @ camera.view[2, :3] + camera.view[2, 3]  # [N]
    keep = (z >= constants.NEAR) & (z <= constants.FAR) & (gaussians.opacities >= constants.MIN_ALPHA)
    for tensor in (*gaussians[:3], channels):
        keep &= tensor.isfinite().all(dim=-1)
    keep &= gaussians.quaternions.norm(dim=-1) > 0
    order = torch.sort(z.float(), stable=True).indices
    return order[keep[order]]


def splat_reference(
    gaussians: Gaussians, channels: Tensor, camera: Camera, background: Tensor
) -> tuple[Tensor, Tensor]:
    """Splat per-Gaussian channels.

    Args:
        gaussians: N Gaussians; their harmonics are not used.
        channels: ``[N, C]``.
        camera: The camera.
        background: ``[C]``.

    Returns:
        The image ``[H, W, C]`` and the alpha ``[H, W]``.
    """
    with torch.no_grad():
        drawn = _drawable(gaussians, channels, camera)  # [M]
    means, quaternions, scales, opacities = (tensor[drawn] for tensor in gaussians[:4])
    visible = Gaussians(means, quaternions, scales, opacities, gaussians.harmonics)
    splats = project_reference(visible, camera)
    rows, columns = torch.meshgrid(torch.arange(camera.height), torch.arange(camera.width), indexing="ij")
    pixels = torch.stack([columns, rows], dim=-1).reshape(-1, 2).to(splats.centres) + 0.5  # [P, 2]
    images, alphas = [], []
    for chunk in pixels.split(PIXELS_AT_ONCE):
        image, alpha = _composite(splats, visible.opacities, channels[drawn], chunk, background)
        images.append(image)
        alphas.append(alpha)
    shape = (camera.height, camera.width)
    return torch.cat(images).unflatten(0, shape), torch.cat(alphas).unflatten(0, shape)


def _composite(
    splats: Splats, opacities: Tensor, channels: Tensor, pixels: Tensor, background: Tensor
) -> tuple[Tensor, Tensor]:
    """Colours ``[P, C]`` and alphas ``[P]`` of pixels ``[P, 2]``, front to back."""
    offset = splats.centres - pixels[:, None]  # [P, M, 2]
    sigma = 0.5 * (offset[..., None, :] @ splats.conics @ offset[..., None]).squeeze(-1).squeeze(-1)  # [P, M]
    alpha = (opacities * torch.exp(-sigma)).clamp_max(constants.MAX_ALPHA)
    alpha = torch.where((sigma >= 0) & (alpha >= constants.MIN_ALPHA), alpha, torch.zeros_like(alpha))
    with torch.no_grad():
        finished = (1 - alpha).cumprod(dim=1) <= constants.MIN_TRANSMITTANCE  # from the first such Gaussian on
    alpha = torch.where(finished, torch.zeros_like(alpha), alpha)
    clear = torch.cat([pixels.new_ones(len(pixels), 1), (1 - alpha).cumprod(dim=1)], dim=1)  # [P, M + 1]
    image = (alpha * clear[:, :-1]) @ channels + clear[:, -1:] * background  # [P, C]
    return image, 1 - clear[:, -1]
