"""Rendering of Gaussians: gsplat on CUDA, own kernels on the CPU."""

from mggtalk.render.rasterize import Render, rasterize

__all__ = ["Render", "rasterize"]
