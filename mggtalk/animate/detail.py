"""Detail of a large portrait on a frame that is larger than the avatar's own square: deferred texture sampling.

Splats are as fine as the square that the avatar was made of. What the portrait ``F`` shows beyond their own picture
``I_0`` of it is looked up in screen space, where the frame's point came from::

    I(x) = I_splats(x) + w(x) D(x - d(x)),        D = high-pass (F - I_0)

The shift ``d`` of each splat from its place in the portrait is drawn like a colour. Unlike a place it is nearly the
same for neighbours, so that to draw it in steps of a splat costs nothing; without motion it is zero, and the frame is
the portrait. The weight ``w`` is the share of splats that the portrait shows; it falls where their colour is another
than the portrait's (opened lids, another photo, teeth), where ``d`` jumps, and where the surface is stretched: there a
soft edge of the head would be drawn out.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from mggtalk.geometry import project
from mggtalk.inpaint.plates import Plates, resize
from mggtalk.render.constants import SH_0
from mggtalk.render.rasterize import Render, rasterize
from mggtalk.scene import Camera, Gaussians

CHANGE = 0.06
"""Change of a splat's colour, root mean square of RGB, by which its share of the detail falls to 1 / e."""

SLOPES = (0.2, 0.6)
"""Change of the shift from one pixel to the next from which on detail is faded, and from which on there is none."""

KNOWN = (0.01, 0.03)
"""Difference of a plate from the portrait, up to which it shows the portrait, and from which on it does not."""

GRAIN = 0.007
"""Structures larger than this, over the side, are left to the splats: errors at soft edges are as large."""

APART = 0.006
"""Distance from what a plate does not show of the portrait, over the side, within which it is not refined: the soft
edge of what moves must not stay behind."""

COARSE = 2
"""Shifts are drawn this many times smaller than the frame."""


class Detail:
    """What a portrait shows beyond the splats of its avatar, put on frames.

    Args:
        splats: The avatar's own, in the portrait's pose and expression.
        shown: Which of the first n of them the portrait shows, ``[n]`` bool.
        camera: Sees them as the portrait does; square, of the frame's side.
        error: ``[3, S, S]`` portrait less the avatar's own frame.
    """

    def __init__(self, splats: Gaussians, shown: Tensor, camera: Camera, error: Tensor) -> None:
        self._shown = shown.to(splats.means)  # [n]
        self._places = _places(splats.means[: len(shown)], camera)  # [n, 2]
        self._colour = splats.harmonics[: len(shown), 0].clone()  # [n, 3]
        side = error.shape[-1]
        self._detail = error - resize(resize(error, round(1.0 / GRAIN)), side)  # [3, S, S]

    def __call__(self, drawn: Render, splats: Gaussians, camera: Camera) -> Render:
        """Add the detail to a picture that was drawn.

        Args:
            drawn: The splats before nothing, ``[..., S, S, 3]``.
            splats: N Gaussians, or B sets.
            camera: That they were drawn for.
        """
        shift, weight = self._find_shift(splats, camera)  # [B, 2, S, S], [B, 1, S, S]
        size = weight.shape[-1]
        steps = torch.arange(size, dtype=weight.dtype, device=weight.device) + 0.5
        x, y = steps - shift[:, 0], steps[:, None] - shift[:, 1]  # [B, S, S]
        grid = torch.stack([x, y], dim=-1) * (2.0 / size) - 1.0  # [B, S, S, 2]
        detail = self._detail.expand(len(grid), *self._detail.shape)
        added = weight * F.grid_sample(detail, grid, padding_mode="border", align_corners=False)  # [B, 3, S, S]
        return drawn._replace(image=drawn.image + added.movedim(1, -1).view_as(drawn.image))

    def _find_shift(self, splats: Gaussians, camera: Camera) -> tuple[Tensor, Tensor]:
        """The shift in pixels of each pixel from its place in the portrait ``[B, 2, S, S]``, and its weight."""
        count = len(self._shown)
        shift = _places(splats.means[..., :count, :], camera) - self._places  # [..., n, 2]
        change = SH_0 * (splats.harmonics[..., :count, 0, :] - self._colour).square().mean(-1).sqrt()  # [..., n]
        share = self._shown * torch.exp(-((change / CHANGE) ** 2))  # [..., n]
        features = torch.cat([shift * share[..., None], share[..., None]], dim=-1)  # [..., n, 3]
        features = F.pad(features, (0, 0, 0, splats.means.shape[-2] - count))  # [..., N, 3]
        coarse = drawn_at(camera, camera.width // COARSE)
        drawn = rasterize(splats, coarse, features=features).image.movedim(-1, -3)  # [..., 3, S / 2, S / 2]
        drawn = drawn.reshape(-1, *drawn.shape[-3:])  # [B, 3, S / 2, S / 2]
        weight = drawn[:, 2:]  # [B, 1, S / 2, S / 2]
        shift = drawn[:, :2] / weight.clamp(min=1e-3)
        weight = weight * (1.0 - _steepness(shift / COARSE))
        both = torch.cat([shift, weight], dim=1)  # [B, 3, S / 2, S / 2]
        both = F.interpolate(both, size=(camera.height, camera.width), mode="bilinear", align_corners=False)
        return both[:, :2], both[:, 2:]


def drawn_at(camera: Camera, size: int) -> Camera:
    """The same square camera with pictures of another side."""
    ratio = size / camera.width
    return replace(camera, focal=camera.focal * ratio, centre=(size / 2, size / 2), width=size, height=size)


def refine_plates(plates: Plates, portrait: Tensor, small: Tensor) -> Plates:
    """Show a large portrait where the plates show its small version.

    Args:
        plates: Of side S, enlarged.
        portrait: The large portrait ``[3, S, S]``.
        small: What the avatar was made of ``[3, P, P]``.
    """
    same = resize(small, portrait.shape[-1])  # [3, S, S]
    detail = portrait - same
    alpha = plates.torso[3:]  # [1, S, S]

    reach = max(1, round(APART * portrait.shape[-1]))

    def known(difference: Tensor) -> Tensor:
        most = F.max_pool2d(difference.abs().amax(0, keepdim=True), 2 * reach + 1, stride=1, padding=reach)  # [1, S, S]
        return 1.0 - ((most - KNOWN[0]) / (KNOWN[1] - KNOWN[0])).clamp(0.0, 1.0)

    background = plates.background + known(plates.background - same) * detail
    shown = alpha * known(plates.torso[:3] - alpha * same)  # [1, S, S]
    torso = (plates.torso[:3] + shown * detail).clamp(min=0.0).minimum(alpha)
    return plates._replace(background=background.clamp(0.0, 1.0), torso=torch.cat([torso, alpha]))


def _places(means: Tensor, camera: Camera) -> Tensor:
    """Pixels ``[..., n, 2]`` of points ``[..., n, 3]`` of the head frame."""
    view = camera.view.to(means)
    in_camera = means @ view[..., :3, :3].mT + view[..., None, :3, 3]  # [..., n, 3]
    return project(in_camera, camera.focal, camera.centre)


def _steepness(shift: Tensor) -> Tensor:
    """How far shifts ``[B, 2, S, S]`` jump from one pixel to the next, ``[B, 1, S, S]`` in [0, 1]."""
    across = F.pad((shift[..., 1:] - shift[..., :-1]).abs().amax(1, keepdim=True), (0, 1))  # [B, 1, S, S]
    down = F.pad((shift[..., 1:, :] - shift[..., :-1, :]).abs().amax(1, keepdim=True), (0, 0, 0, 1))
    slope = F.max_pool2d(torch.maximum(across, down), 3, stride=1, padding=1)
    return ((slope - SLOPES[0]) / (SLOPES[1] - SLOPES[0])).clamp(0.0, 1.0)
