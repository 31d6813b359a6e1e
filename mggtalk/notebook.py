"""Showing things in a notebook: pictures side by side, clouds of points, videos, and a slider to look around."""

from __future__ import annotations

import base64
import html
import io
import math
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from IPython.display import HTML, Video
from matplotlib import pyplot as plt
from PIL import Image
from torch import Tensor

from mggtalk.geometry import euler_to_rotation
from mggtalk.media import Sound, VideoWriter
from mggtalk.render import harmonics_from_colour, rasterize
from mggtalk.scene import Camera, Gaussians

FAST = "MGGTALK_FAST"
"""Environment variable; 1 makes the notebooks compute everything on small sizes, for tests."""

Value = TypeVar("Value")


def choose(full: Value, fast: Value) -> Value:
    """The second value where the environment asks for fast notebooks, else the first."""
    return fast if os.environ.get(FAST) == "1" else full


def to_picture(values: np.ndarray | Tensor) -> np.ndarray:
    """Anything that can be seen as a picture.

    Args:
        values: ``[H, W]``, ``[H, W, 3]`` or ``[3, H, W]``; uint8, or floats in [0, 1].

    Returns:
        ``[H, W]`` as it is, or colours ``[H, W, 3]``, floats clipped to [0, 1].

    Raises:
        ValueError: If the shape is another one.
    """
    picture = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    if picture.ndim == 3 and picture.shape[0] == 3 and picture.shape[2] != 3:
        picture = picture.transpose(1, 2, 0)  # [H, W, 3]
    if picture.ndim != 2 and (picture.ndim != 3 or picture.shape[2] != 3):
        raise ValueError(f"a picture is [H, W], [H, W, 3] or [3, H, W], got {list(picture.shape)}")
    return picture if picture.dtype == np.uint8 or picture.ndim == 2 else np.clip(picture, 0.0, 1.0)


def show(
    *pictures: np.ndarray | Tensor, titles: Sequence[str] = (), columns: int = 0, height: float = 2.6, **style: Any
) -> None:
    """Pictures side by side; ``plt.gcf().axes`` are their axes, to draw on in the same cell.

    Args:
        pictures: See :func:`to_picture`; those without colours are drawn in shades of grey.
        titles: One for each, or fewer.
        columns: In a row; all by default.
        height: Of a picture in inches.
        style: For matplotlib's ``imshow``: ``cmap``, ``vmin``, ``vmax``.
    """
    columns = columns or len(pictures)
    rows = math.ceil(len(pictures) / columns)
    shown = [to_picture(picture) for picture in pictures]
    ratio = max(picture.shape[1] / picture.shape[0] for picture in shown)
    title = 0.3 if titles else 0.05
    _, axes = plt.subplots(
        rows, columns, figsize=(columns * height * ratio, rows * (height + title)), squeeze=False, layout="constrained"
    )
    for place, axis in enumerate(axes.flat):
        axis.axis("off")
        if place < len(shown):
            axis.imshow(shown[place], **{"cmap": "gray", **style})
        if place < len(titles):
            axis.set_title(titles[place], fontsize=9)
    for axis in list(axes.flat)[len(shown) :]:
        axis.remove()


def draw_cloud(
    points: Tensor,
    colours: Tensor,
    yaw: float = 0.0,
    pitch: float = 0.0,
    size: int = 256,
    radius: float = 0.012,
    width: float = 3.0,
    centre: Tensor | None = None,
) -> np.ndarray:
    """A cloud of points as small balls on white, under a light from the upper left.

    Args:
        points: ``[N, 3]`` head frame, decimetres.
        colours: RGB ``[N, 3]`` or ``[3]`` in [0, 1].
        yaw: Degrees by which it is turned to the viewer's right.
        pitch: Degrees down.
        size: Side of the picture in pixels.
        radius: Standard deviation of a ball, decimetres.
        width: Of what the picture shows, decimetres.
        centre: What is in the middle ``[3]``; that of the points by default.

    Returns:
        float32 ``[size, size, 3]`` in [0, 1].
    """
    count = len(points)
    middle = (points.amin(0) + points.amax(0)) / 2 if centre is None else centre
    balls = Gaussians(
        means=points - middle,
        quaternions=torch.tensor((1.0, 0.0, 0.0, 0.0)).expand(count, 4),
        scales=torch.full((count, 3), radius),
        opacities=torch.full((count,), 0.95),
        harmonics=harmonics_from_colour(colours.expand(count, 3)),
    )
    angles = torch.tensor((math.radians(pitch), math.radians(yaw), 0.0))
    distance = 20.0  # far away: hardly any perspective
    camera = Camera.from_pose(euler_to_rotation(angles), torch.tensor((0.0, 0.0, distance)), size, distance / width)
    image, alpha, depth = rasterize(balls, camera, depth=True)  # [S, S, 3], [S, S], [S, S]
    assert depth is not None
    shade = _shade(depth, alpha > 0.5, width / size)[..., None]  # [S, S, 1]
    return (shade * image + (1.0 - alpha[..., None])).clamp(0.0, 1.0).numpy()


def _shade(depth: Tensor, solid: Tensor, pixel: float) -> Tensor:
    """Brightness ``[S, S]`` of a depth map under a light from the upper left.

    Args:
        depth: ``[S, S]`` decimetres.
        solid: ``[S, S]`` bool, where there is a surface.
        pixel: Decimetres that a pixel covers.
    """
    known = solid.float()
    blur = torch.nn.functional.avg_pool2d
    around = [blur(part[None, None], 5, 1, 2)[0, 0] for part in (depth * known, known)]
    smooth = around[0] / around[1].clamp_min(1e-6)  # [S, S] mean depth of the solid neighbours
    down, right = torch.gradient(smooth, spacing=pixel)
    normal = torch.nn.functional.normalize(torch.stack([right, down, torch.ones_like(right)], dim=-1), dim=-1)
    light = torch.nn.functional.normalize(torch.tensor((-0.5, -0.6, 1.0)), dim=0)  # x right, y down, z to the viewer
    return torch.where(solid, 0.35 + 0.65 * (normal @ light).clamp_min(0.0), torch.ones_like(depth))


def play(frames: Iterable[np.ndarray], fps: float, sound: str | Path | Sound | None = None) -> Video:
    """A video to be played in the notebook, marked as AI-made like every video of this package.

    Args:
        frames: uint8 ``[H, W, 3]``, even sides.
        fps: Frames per second.
        sound: What is heard with it.
    """
    frames = list(frames)
    height, width = frames[0].shape[:2]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        with VideoWriter(path, width, height, fps, sound=sound) as writer:
            for frame in frames:
                writer.write(frame)
        return Video(data=path.read_bytes(), embed=True, mimetype="video/mp4", width=width)


def turn_by_hand(frames: Iterable[np.ndarray], label: str = "Drag to look around") -> HTML:
    """A slider that goes through frames, to be used in the notebook and in its HTML copy, offline.

    Args:
        frames: uint8 ``[H, W, 3]``.
        label: What stands beside the slider.
    """
    urls = []
    for frame in frames:
        buffer = io.BytesIO()
        Image.fromarray(frame).save(buffer, "JPEG", quality=88)
        urls.append("data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode())
    middle = len(urls) // 2
    pictures = "".join(
        f'<img src="{url}" style="display:{"block" if place == middle else "none"}">' for place, url in enumerate(urls)
    )
    swap = (
        "[...this.closest('div').querySelectorAll('img')]"
        ".forEach((p, i) => p.style.display = i == this.value ? 'block' : 'none')"
    )
    return HTML(
        f'<div>{pictures}<label>{html.escape(label)} <input type="range" min="0" max="{len(urls) - 1}" '
        f'value="{middle}" oninput="{html.escape(swap)}"></label></div>'
    )
