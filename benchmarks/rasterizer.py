"""Times the stages of the CPU rasterizer and prints a table.

The speed of a convolution in the same run tells how fast, and how busy, the machine is. Run from the repository's root:
``python -m benchmarks.rasterizer [--threads 2] [--repeats 20]``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch

from mggtalk.geometry import euler_to_rotation
from mggtalk.render import rasterize
from mggtalk.render.compiled.autograd import shade_cpu
from mggtalk.render.compiled.rasterizer import Scene, composite_tiles, draw_gradients, project_scene, sort_into_tiles
from mggtalk.scene import Camera, Gaussians


def head(side: int, size: int) -> tuple[Gaussians, Camera]:
    """One Gaussian per source pixel on a bump like a face, and a camera turned 8 degrees from the source's."""
    random = torch.Generator().manual_seed(0)
    count, distance, ratio = side * side, 8.0, 2.4
    grid = (torch.arange(side) + 0.5) / side - 0.5
    v, u = (axis.reshape(-1) for axis in torch.meshgrid(grid, grid, indexing="ij"))  # [N]
    depth = distance - 1.2 * torch.exp(-12 * (u * u + v * v)) + 0.01 * torch.randn(count, generator=random)
    means = torch.stack([u * depth / ratio, -v * depth / ratio, distance - depth], dim=1)  # [N, 3]
    footprint = depth / (ratio * side)  # of a source pixel
    scales = 0.7 * footprint[:, None] * (0.25 * torch.randn(count, 3, generator=random)).exp()  # [N, 3]
    opacities = (torch.randn(count, generator=random) + 2.0).sigmoid()
    gaussians = Gaussians(
        means,
        torch.randn(count, 4, generator=random),
        scales,
        opacities,
        0.5 * torch.randn(count, 4, 3, generator=random),
    )
    rotation = euler_to_rotation(torch.tensor([0.0, 0.14, 0.0]))
    return gaussians, Camera.from_pose(rotation, torch.tensor([0.0, 0.0, distance]), size, ratio)


def milliseconds(function: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Least and median time of a call."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append((time.perf_counter() - start) * 1e3)
    return min(times), median(times)


def convolution_speed(repeats: int) -> float:
    """GFLOP/s of a 3x3 convolution of 64 channels at 128 x 128."""
    picture, weight = torch.randn(1, 64, 128, 128), torch.randn(64, 64, 3, 3)
    least, _ = milliseconds(lambda: torch.nn.functional.conv2d(picture, weight, padding=1), repeats)
    return 2 * 64 * 64 * 9 * 128 * 128 / least / 1e6


def stages(gaussians: Gaussians, camera: Camera, repeats: int) -> dict[str, tuple[float, float]]:
    """Times of each stage, and of the whole."""
    colours = shade_cpu(gaussians, camera.view)
    lens = np.array([camera.focal, camera.focal, *camera.centre, camera.width, camera.height], np.float32)
    means, quaternions, scales, opacities = (tensor.numpy() for tensor in gaussians[:4])
    behind = np.zeros(3, np.float32)
    scene = Scene(means, quaternions, scales, opacities, colours.numpy(), camera.view.numpy(), behind, lens)
    projected = project_scene(scene)
    tiles = sort_into_tiles(projected, *scene.size)
    image, rest = composite_tiles(scene, projected, tiles)
    leaves = Gaussians(*(tensor.clone().requires_grad_() for tensor in gaussians))

    def train() -> None:
        rasterize(leaves, camera, backend="cpu").image.sum().backward()

    work: dict[str, Callable[[], object]] = {
        "shade": lambda: shade_cpu(gaussians, camera.view),
        "project": lambda: project_scene(scene),
        "sort": lambda: sort_into_tiles(projected, *scene.size),
        "composite": lambda: composite_tiles(scene, projected, tiles),
        "forward": lambda: rasterize(gaussians, camera, backend="cpu"),
        "gradients": lambda: draw_gradients(scene, projected, tiles, image, rest, image, rest),
        "forward + backward": train,
    }
    return {name: milliseconds(function, repeats) for name, function in work.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{options.threads} threads; milliseconds, least / median of {options.repeats}")
    for side, size in ((256, 256), (512, 512)):
        speed = convolution_speed(options.repeats)
        print(f"\n{side * side} Gaussians to {size} x {size}; convolution {speed:.0f} GFLOP/s")
        for name, (least, middle) in stages(*head(side, size), options.repeats).items():
            print(f"  {name:<20}{least:8.1f} /{middle:8.1f}")


if __name__ == "__main__":
    main()
