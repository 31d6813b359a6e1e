"""Rendering of Gaussians: gsplat on CUDA GPUs, own kernels with the same semantics on the CPU; splat files."""

from mggtalk.render.harmonics import evaluate_harmonics, harmonics_from_colour
from mggtalk.render.ply import load_ply, save_ply
from mggtalk.render.rasterize import Backend, Render, rasterize
from mggtalk.render.transform import transform_gaussians
from mggtalk.render.warm import warm_up

__all__ = [
    "Backend",
    "Render",
    "evaluate_harmonics",
    "harmonics_from_colour",
    "load_ply",
    "rasterize",
    "save_ply",
    "transform_gaussians",
    "warm_up",
]
