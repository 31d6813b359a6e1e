"""Depth and normal networks of the transformers library: Depth Anything, DPT, ZoeDepth, Depth Pro, TIPSv2, Sapiens2.

Their own image processors need torchvision for half of them, so that a picture is prepared here: the crops of the
project are square, which leaves a resize, a normalisation and, for Sapiens2, black bars.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import transformers
from torch import Tensor
from torch.nn import functional as F

from mggtalk.depth.estimator import PictureEstimate
from mggtalk.errors import WeightsMissingError
from mggtalk.runtime.progress import Progress, no_progress

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
PLAIN = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


class Family(NamedTuple):
    """Facts that the models of one architecture have in common."""

    loader: str  # class of transformers
    size: tuple[int, int]  # height and width of the input, where the weights state none
    statistics: tuple[tuple[float, ...], tuple[float, ...]]  # mean and deviation, where the weights state none
    inverse: bool = False  # gives inverse depth
    bars: bool = False  # keeps the aspect by black bars; otherwise the smaller side of the size makes a square
    signs_known: bool = True  # the axes of its normals are documented


FAMILIES = {
    "depth_anything": Family("AutoModelForDepthEstimation", (518, 518), IMAGENET, inverse=True),
    "dpt": Family("AutoModelForDepthEstimation", (384, 384), HALF, inverse=True),
    "zoedepth": Family("AutoModelForDepthEstimation", (384, 512), HALF),
    "depth_pro": Family("AutoModelForDepthEstimation", (1536, 1536), HALF, inverse=True),
    "tipsv2_dpt": Family("Tipsv2DptForDensePrediction", (448, 448), PLAIN, signs_known=False),
    "sapiens2": Family("Sapiens2ForNormalEstimation", (1024, 768), IMAGENET, bars=True, signs_known=False),
}
"""Families by the ``model_type`` in ``config.json``."""


class TransformersEstimator:
    """One of these networks as a :class:`~mggtalk.depth.estimator.PictureEstimator`.

    Args:
        name: Of the estimator.
        model: The network.
        family: Its architecture.
        size: Height and width of its input.
        statistics: Mean and deviation of its input.
    """

    wants_cut_out = False

    def __init__(
        self,
        name: str,
        model: Any,
        family: Family,
        size: tuple[int, int],
        statistics: tuple[tuple[float, ...], tuple[float, ...]],
    ) -> None:
        self.name = name
        self.model = model
        self.family = family
        self.size = size
        self.statistics = statistics

    @torch.inference_mode()
    def __call__(self, picture: np.ndarray, on_progress: Progress = no_progress) -> PictureEstimate:
        """Estimate what the network gives for float32 RGB ``[h, w, 3]``, at the network's own resolution."""
        on_progress("depth", 0, 1)
        pixels, window = prepare(picture, self.size, self.statistics)  # [1, 3, H, W]
        out = self.model(pixel_values=pixels.to(self.model.device, self.model.dtype))
        depth = normals = None
        if getattr(out, "predicted_depth", None) is not None:
            depth = _cut(out.predicted_depth.float(), self.size, window).cpu().numpy()  # [h', w']
        if getattr(out, "normals", None) is not None:
            raw = _cut(out.normals[0].float(), self.size, window)  # [3, h', w']
            normals = F.normalize(raw, dim=0, eps=1e-8).cpu().numpy()
        on_progress("depth", 1, 1)
        return PictureEstimate(depth, self.family.inverse, normals, self.family.signs_known)


def load_transformers_estimator(
    name: str, folder: Path, device: torch.device | str = "cpu", dtype: torch.dtype | None = None
) -> TransformersEstimator:
    """Load a network from a folder.

    Args:
        name: Of the estimator.
        folder: With ``config.json``, weights and perhaps ``preprocessor_config.json``.
        device: Where it runs.
        dtype: By default half precision on CUDA, single precision elsewhere.

    Returns:
        The estimator.

    Raises:
        WeightsMissingError: If the folder holds a network of another architecture.
    """
    device = torch.device(device)
    dtype = dtype or (torch.float16 if device.type == "cuda" else torch.float32)
    if not (folder / "config.json").is_file():
        raise WeightsMissingError(f"There is no config.json in {folder}.", f"Give the folder of {name}'s weights.")
    settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    kind = settings.get("model_type")
    if kind not in FAMILIES:
        raise WeightsMissingError(f"{folder} holds a model of type {kind!r}.", f"Known are {', '.join(FAMILIES)}.")
    family = FAMILIES[kind]
    if settings.get("depth_estimation_type") == "metric":  # Depth Anything exists in both kinds
        family = family._replace(inverse=False)
    model = getattr(transformers, family.loader).from_pretrained(folder, dtype=dtype).eval().to(device)
    return TransformersEstimator(name, model, family, *_stated_input(folder, family))


def prepare(
    picture: np.ndarray, size: tuple[int, int], statistics: tuple[tuple[float, ...], tuple[float, ...]]
) -> tuple[Tensor, tuple[int, int, int, int]]:
    """Fit a picture into a network's input, aspect kept, black around it, and normalise it.

    Args:
        picture: float32 RGB ``[h, w, 3]`` in [0, 1].
        size: Height and width of the input.
        statistics: Mean and deviation per channel.

    Returns:
        ``[1, 3, H, W]``, and the picture's place in it: top, left, height, width.
    """
    height, width = picture.shape[:2]
    factor = min(size[0] / height, size[1] / width)
    inner = (round(height * factor), round(width * factor))
    top, left = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    pixels = torch.from_numpy(picture).permute(2, 0, 1)[None].float()  # [1, 3, h, w]
    pixels = F.interpolate(pixels, size=inner, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
    pixels = F.pad(pixels, (left, size[1] - inner[1] - left, top, size[0] - inner[0] - top))  # [1, 3, H, W]
    mean, deviation = (torch.tensor(values)[:, None, None] for values in statistics)
    return (pixels - mean) / deviation, (top, left, *inner)


def _stated_input(folder: Path, family: Family) -> tuple[tuple[int, int], tuple[tuple[float, ...], tuple[float, ...]]]:
    """Size and statistics in the folder's ``preprocessor_config.json``, the family's where there are none."""
    file = folder / "preprocessor_config.json"
    stated = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    size = stated.get("size", family.size)
    if isinstance(size, dict):
        size = (size["height"], size["width"]) if "height" in size else (size["shortest_edge"],) * 2
    height, width = (size, size) if isinstance(size, int) else size
    if not family.bars:
        height = width = min(height, width)
    mean, deviation = family.statistics
    if stated.get("do_normalize", True):
        mean, deviation = stated.get("image_mean", mean), stated.get("image_std", deviation)
    else:
        mean, deviation = PLAIN
    return (height, width), (tuple(mean), tuple(deviation))


def _cut(maps: Tensor, size: tuple[int, int], window: tuple[int, int, int, int]) -> Tensor:
    """The picture's part of maps ``[C, h, w]``, which may be coarser than the input; depth ``[1, h, w]`` loses C."""
    height, width = maps.shape[-2:]
    top, left, tall, wide = window
    rows = slice(top * height // size[0], (top + tall) * height // size[0])
    columns = slice(left * width // size[1], (left + wide) * width // size[1])
    part = maps[:, rows, columns]
    return part[0] if len(part) == 1 else part
