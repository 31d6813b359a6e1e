"""The one door to rendering: chooses the backend and checks what it is given."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from mggtalk.errors import OptionError
from mggtalk.render.cpu import composite_cpu, shade_gaussians
from mggtalk.scene import Camera, Gaussians

Backend = Literal["auto", "cpu", "gsplat", "reference"]


class Render(NamedTuple):
    """A rendered picture."""

    image: Tensor  # [H, W, C] premultiplied by alpha and composited over the background
    alpha: Tensor  # [H, W] in [0, 1]
    depth: Tensor | None = None  # [H, W] mean camera-frame z of what is seen, decimetres; 0 where nothing is


def rasterize(
    gaussians: Gaussians,
    camera: Camera,
    background: Tensor | None = None,
    features: Tensor | None = None,
    backend: Backend = "auto",
) -> Render:
    colours = shade_gaussians(gaussians, camera.view.to(gaussians.means)) if features is None else features
    if background is None:
        background = colours.new_zeros(colours.shape[1])
    return Render(*composite_cpu(gaussians, colours, camera, background))
