"""``shape``: the symmetric cloud of the head, eq. 1 to 3."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from mggtalk.config import DSGRConfig
from mggtalk.depth.estimator import DepthEstimator
from mggtalk.dsgr.mirror import MirroredHalf, mirrored_half
from mggtalk.dsgr.reconstruct import coarse_cloud
from mggtalk.dsgr.refine import RefineUNet
from mggtalk.geometry import camera_to_head
from mggtalk.portrait.view import PortraitView


class HeadShape(NamedTuple):
    """The head's points on the position map, and their mirrored half."""

    cloud: Tensor  # [3, H, W] P_f, head frame, decimetres
    mask: Tensor  # [H, W] bool, the N pixels that are points
    colour: Tensor  # [3, H, W] RGB
    half: MirroredHalf  # P_f^s


def shape(
    view: PortraitView,
    estimator: DepthEstimator,
    refine: RefineUNet,
    config: DSGRConfig,
    on_progress: Callable[[str, int, int], None],
) -> HeadShape:
    """Estimate depth, integrate it (eq. 1), refine it (eq. 2), mirror it and filter the mirrored half (eq. 3).

    Args:
        view: The portrait.
        estimator: Depth and normals.
        refine: ``Phi_refine``.
        config: Of DSGR.
        on_progress: Called with stage, steps done and steps in all.
    """
    seen, pose = view.for_depth(), (view.rotation, view.translation)
    on_progress("depth", 0, 3)
    estimate = estimator(seen, on_progress)
    on_progress("surface", 1, 3)
    coarse, _ = coarse_cloud(seen, estimate, view.raster, view.camera, *pose, config)
    colour = view.sample(view.foreground)  # [3, H, W]
    mask = view.head > 0.02  # [H, W]
    cloud = coarse
    if not refine.untrained:
        device = next(refine.parameters()).device
        eye = camera_to_head(torch.zeros(1, 3), *pose)[0].to(device)
        head_image = (colour * view.head)[None].to(device)  # [1, 3, H, W]
        cloud = refine((coarse * mask)[None].to(device), head_image, eye)[0].cpu()
    on_progress("symmetry", 2, 3)
    half = mirrored_half(cloud, mask & (view.head > 0.9), view.camera, *pose, config)
    return HeadShape(cloud, mask, colour, half)
