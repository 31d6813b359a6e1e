"""The back of the head: what neither the portrait nor its mirror image shows.

A head that is turned shows its side, and behind the silhouette of the portrait there is nothing. The front surface is
reflected at the depth of the silhouette, which closes the head, and takes its colour from the crown (hair, bald
skin), never from the face.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from mggtalk.networks import fill

INSET = 4
"""Pixels that the back stays inside the outline: its splats are large, and must not widen the head."""

STRIDE = 2
"""Only every second row and column makes a point: the back is seen at its edges only."""

SHADE = 0.85
"""Brightness of the back over that of the crown: less light falls on it."""

FLATTENING = 0.85
"""Depth of the back half over the depth of the front half."""


def back_cloud(
    depth: Tensor, colour: Tensor, head: Tensor, crown: Tensor, above: Tensor, silhouette: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Depth and colour of the back of the head, on every second pixel of the crop.

    Args:
        depth: Camera depth of the front ``[H, W]``, decimetres.
        colour: RGB ``[3, H, W]``.
        head: Soft head weight ``[H, W]``.
        crown: ``[H, W]`` bool, pixels whose colour the back may have: above the eyes and not in the face.
        above: ``[H, W]`` bool, pixels well above the rim of the head (no neck).
        silhouette: Camera depth where the surface turns away, decimetres.

    Returns:
        Depth ``[H/2, W/2]``, colour ``[3, H/2, W/2]`` and mask ``[H/2, W/2]`` (bool).
    """
    inside = -F.max_pool2d(-head[None, None], 2 * INSET + 1, stride=1, padding=INSET)[0, 0]  # [H, W] eroded
    keep = (inside > 0.6) & above & (depth < silhouette + 0.05)
    behind = silhouette + FLATTENING * (silhouette - depth).clamp(min=0.0)
    solid = -F.max_pool2d(-head[None, None], 5, stride=1, padding=2)  # [1, 1, H, W] eroded: no background colour
    source = solid * crown
    if float(source.sum()) < 1.0:  # nothing but face: bald and cropped
        source = solid
    spread = SHADE * fill(colour[None], source.clamp(0, 1).pow(4))[0]  # [3, H, W]
    step = slice(None, None, STRIDE)
    return behind[step, step], spread[:, step, step], keep[step, step]
