"""How long bilateral normal integration takes on a head: ``python -m benchmarks.bini``."""

from __future__ import annotations

import time

import torch

from mggtalk.config import DSGRConfig
from mggtalk.dsgr.bini import integrate_normals


def egg(size: int, noise: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Normals ``[3, S, S]`` of an egg with a step around its face, mask ``[S, S]`` and depth ``[S, S]`` in pixels."""
    axis = (torch.arange(size) + 0.5) / size * 2 - 1
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    inside = (x / 0.7) ** 2 + (y / 0.9) ** 2
    mask = inside < 0.97
    depth = -0.5 * size * 0.7 * (1.0 - inside).clamp(min=0.0).sqrt()
    slope_y, slope_x = torch.gradient(depth)
    normals = torch.stack([slope_x, -slope_y, torch.ones_like(depth)])
    normals += noise * torch.randn(normals.shape, generator=torch.Generator().manual_seed(0))
    depth -= 0.05 * size * ((x / 0.4) ** 2 + (y / 0.5) ** 2 < 1)  # the step: its normals are not told
    return torch.nn.functional.normalize(normals, dim=0), mask, depth


def main() -> None:
    """Print a table: side, pixels, noise, settings, seconds, solves."""
    project = DSGRConfig()
    settings = {
        "project": (project.bini_iterations, project.bini_tolerance),
        "GeoWizard's": (50, 1e-5),
    }
    print("| side | pixels | noise | settings | seconds | solves |\n|---|---|---|---|---|---|")
    for size in (256, 512):
        for noise in (0.0, 0.05):
            normals, mask, depth = egg(size, noise)
            for name, (iterations, tolerance) in settings.items():
                start = time.perf_counter()
                result = integrate_normals(
                    normals, mask, depth, 1e-3, project.bini_k, iterations=iterations, tolerance=tolerance
                )
                seconds = time.perf_counter() - start
                solves = len(result.energies) - 1
                print(f"| {size} | {int(mask.sum())} | {noise} | {name} | {seconds:.2f} | {solves} |", flush=True)


if __name__ == "__main__":
    main()
