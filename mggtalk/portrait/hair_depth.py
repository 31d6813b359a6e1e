"""How far hair that hangs beside the face lies before the plane about which the neck turns.

The torso's plate follows the head like points on that plane (:mod:`mggtalk.inpaint.follow`). Long hair is the torso's
as well, but lies nearer to the camera, at the sides of the head: as the head turns it goes further. With its own depth
the plate's hair moves as the head's does where the two meet, and rests on the shoulders below.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mggtalk.geometry import head_to_camera
from mggtalk.inpaint.follow import PIVOT_DEPTH
from mggtalk.nets.maps import fill
from mggtalk.portrait.hair import smooth
from mggtalk.portrait.view import PortraitView

SOFT = 0.2
"""Decimetres over which the depth goes from that of hair to that of the neck beside it: the plate's cells must not
fold over each other where the two part."""


def measure_hair(view: PortraitView, cloud: Tensor, mask: Tensor) -> Tensor:
    """Measure how far pixels lie before the neck's plane, as far as they are hair.

    Args:
        view: The portrait.
        cloud: Points of the head ``[3, H, W]``, head frame, decimetres.
        mask: ``[H, W]`` bool, those that there are.

    Returns:
        ``[1, S, S]`` decimetres; zero where no hair hangs.
    """
    hair = torch.from_numpy(view.masks.hanging)  # [S, S]
    in_camera = head_to_camera(cloud.flatten(1).T, view.rotation, view.translation)  # [H*W, 3]
    plane = view.translation[2] + PIVOT_DEPTH
    nearer = (plane - in_camera[:, 2]).view_as(mask)  # [H, W]
    known = mask * (view.hair > 0.5)  # [H, W]
    if not bool(known.any()):
        return torch.zeros(1, *hair.shape)
    steps = torch.arange(view.size) + 0.5
    own = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1)  # [S, S, 2] x, y
    grid = view.camera.to_crop(own) / view.camera.map_size * 2.0 - 1.0  # [S, S, 2]
    layers = torch.stack([nearer * known, known.float()])[None]  # [1, 2, H, W]
    value, share = F.grid_sample(layers, grid[None], align_corners=False)[0]  # [S, S] each
    value = fill((value / share.clamp(min=1e-3))[None, None], (share > 0.99).float()[None, None])[0, 0]  # [S, S]
    region = torch.maximum(hair, torch.from_numpy(view.masks.behind))
    soft = SOFT * view.camera.focal / float(view.translation[2])  # portrait pixels
    return (smooth(value, soft) * smooth(region, soft))[None]
