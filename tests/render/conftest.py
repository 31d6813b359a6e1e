"""Small scenes to draw."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from mggtalk.geometry import euler_to_rotation
from mggtalk.scene import Camera, Gaussians


def make_scene(
    count: int = 60, size: int = 36, seed: int = 0, dtype: torch.dtype = torch.float64
) -> tuple[Gaussians, Camera]:
    """Random Gaussians within a decimetre and a half of the origin, and a camera turned a little."""
    random = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=random, dtype=torch.float64)

    gaussians = Gaussians(
        normal(count, 3) * 0.7,
        normal(count, 4),
        (normal(count, 3) * 0.5 - 2.0).exp(),
        (normal(count) + 1.0).sigmoid(),
        normal(count, 4, 3) * 0.5,
    )
    rotation = euler_to_rotation(torch.tensor([0.2, -0.4, 0.1], dtype=torch.float64))
    camera = Camera.from_pose(rotation, torch.tensor([0.1, 0.05, 4.0], dtype=torch.float64), size, 1.2)
    camera = Camera(camera.view.to(dtype), camera.focal, (size / 2 + 0.3, size / 2 - 0.7), size + 5, size)
    return Gaussians(*(tensor.to(dtype) for tensor in gaussians)), camera


@pytest.fixture(scope="session")
def scene() -> Callable[..., tuple[Gaussians, Camera]]:
    """Makes a scene: ``scene(count, size, seed, dtype)``."""
    return make_scene
