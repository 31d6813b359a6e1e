"""How far hair that hangs beside the face lies before the plane about which the neck turns.

The torso's plate follows the head like points on that plane (:mod:`mggtalk.inpaint.follow`). Long hair is the torso's
as well, but lies nearer to the camera, at the sides of the head: as the head turns it goes further. With its own depth
the plate's hair moves as the head's does where the two meet, and rests on the shoulders below.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mggtalk.dsgr.reconstruct import CropCamera
from mggtalk.geometry import head_to_camera
from mggtalk.inpaint.follow import PIVOT_DEPTH
from mggtalk.nets.maps import fill
from mggtalk.portrait.hair import smooth
from mggtalk.portrait.view import PortraitView

SOFT = 0.2
"""Decimetres over which the depth goes from that of hair to that of the neck beside it: with half of it, the plate
folds over where the two part as the head turns by 30 degrees."""


def measure_hair(view: PortraitView, cloud: Tensor, mask: Tensor) -> Tensor:
    """Measure how far the hair of a portrait lies before the plane about which the neck turns.

    Args:
        view: The portrait.
        cloud: Points of the head ``[3, H, W]``, head frame, decimetres.
        mask: ``[H, W]`` bool, those that there are.

    Returns:
        ``[1, S, S]`` decimetres; zero where no hair hangs.
    """
    in_camera = head_to_camera(cloud.flatten(1).T, view.rotation, view.translation)  # [H*W, 3]
    nearer = (view.translation[2] + PIVOT_DEPTH - in_camera[:, 2]).view_as(mask)  # [H, W]
    hair = torch.from_numpy(view.masks.hanging).maximum(torch.from_numpy(view.masks.behind))  # [S, S]
    soft = SOFT * view.camera.focal / float(view.translation[2])  # portrait pixels
    return spread(nearer, mask & (view.hair > 0.5), view.camera, hair, soft)[None]


def spread(nearer: Tensor, known: Tensor, camera: CropCamera, hair: Tensor, soft: float) -> Tensor:
    """Continue depths that are known on the position map over all of the hair.

    Args:
        nearer: ``[H, W]`` decimetres.
        known: ``[H, W]`` bool, where they are hair's.
        camera: Of the position map.
        hair: ``[S, S]`` in [0, 1].
        soft: Portrait pixels over which they fade out beside it.

    Returns:
        ``[S, S]`` decimetres.
    """
    if not bool(known.any()):
        return torch.zeros_like(hair)
    steps = torch.arange(len(hair)) + 0.5
    places = camera.to_crop(torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1))  # [S, S, 2] x, y
    layers = torch.stack([nearer * known, known.float()])[None]  # [1, 2, H, W]
    grid = places[None] / camera.map_size * 2.0 - 1.0  # [1, S, S, 2]
    value, share = F.grid_sample(layers, grid, align_corners=False)[0]  # [S, S] each
    value = fill((value / share.clamp(min=1e-3))[None, None], (share > 0.5).float()[None, None])[0, 0]  # [S, S]
    return smooth(value, soft) * smooth(hair, soft)
