"""Inputs of GeoWizard: the resized picture, CLIP's view of it, and the labels of task and domain."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from mggtalk.errors import OptionError

Domain = Literal["indoor", "outdoor", "object"]
"""Domain of the picture; a head cut out of its background is an object."""

CLIP_SIZE = 224
"""Side of the square that CLIP sees."""


def resize_to(width: int, height: int, longest: int) -> tuple[int, int]:
    """Width and height at which the longer edge is about ``longest`` pixels.

    The factor is rounded once and the products are cut off, as in the original: some sizes give ``longest - 1``.
    """
    factor = min(longest / width, longest / height)
    return int(width * factor), int(height * factor)


def picture_tensor(picture: Image.Image, longest: int) -> Tensor:
    """Resize a picture (bicubic) and bring it to [-1, 1].

    RGB comes after resizing, so that a picture with transparency is resized with its alpha.

    Args:
        picture: Any mode.
        longest: Length of the longer edge in pixels, also upward.

    Returns:
        float32 ``[1, 3, h, w]``.
    """
    small = picture.resize(resize_to(*picture.size, longest)).convert("RGB")
    values = np.asarray(small).transpose(2, 0, 1) / 255.0 * 2.0 - 1.0  # [3, h, w] float64
    return torch.from_numpy(values.astype(np.float32))[None]  # [1, 3, h, w]


def clip_pixels(rgb: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """Resize a picture for CLIP: squeezed to a square, whatever its aspect.

    Args:
        rgb: ``[1, 3, h, w]`` in [-1, 1].
        mean: Of the image encoder's training pictures, per channel.
        std: Likewise.

    Returns:
        ``[1, 3, 224, 224]`` normalised, float32.
    """
    square = F.interpolate(
        (rgb.float() + 1) / 2, size=(CLIP_SIZE, CLIP_SIZE), mode="bicubic", antialias=True, align_corners=False
    )  # [1, 3, 224, 224]
    return (square - torch.tensor(mean, device=rgb.device)[:, None, None]) / torch.tensor(std, device=rgb.device)[
        :, None, None
    ]


def class_labels(domain: Domain | None) -> Tensor:
    """Labels of the two tasks, row 0 depth, row 1 normals.

    A one-hot vector v is written as ``[sin v, cos v]``; the task's has two places, depth = (0, 1) and normals =
    (1, 0), the domain's three.

    Args:
        domain: What the picture shows; None (v2) leaves the domain out, which is then told by words.

    Returns:
        ``[2, 10]``, or ``[2, 4]`` without a domain.

    Raises:
        OptionError: If there is no such domain.
    """
    task = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    parts = [task.sin(), task.cos()]
    if domain is not None:
        known = get_args(Domain)
        if domain not in known:
            raise OptionError(f"The domain is {domain!r}.", f"Choose one of {', '.join(known)}.")
        place = F.one_hot(torch.tensor(known.index(domain)), len(known)).float().expand(2, -1)  # [2, 3]
        parts += [place.sin(), place.cos()]
    return torch.cat(parts, dim=-1)
