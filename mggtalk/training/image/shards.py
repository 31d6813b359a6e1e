"""What the image network learns from, drawn once: layers of pairs of a source and a target, a file for each clip.

==============  ==================  ==================================================================================
tensor          shape               meaning
==============  ==================  ==================================================================================
``composite``   ``[P, S, S, 3]`` u8  the frame before its residual
``alpha``       ``[P, S, S]`` u8     coverage of the head
``real``        ``[P, S, S, 3]`` u8  the real frame
``region``      ``[P, S, S]`` u8     :class:`Region` of each pixel, by which crops are drawn
``gate``        ``[P]``             see :class:`mggtalk.inpaint.image_renderer.Layers`
``change``      ``[P, C]``          the same
``neighbour``   ``[P]`` i64         another pair of the same source whose frame is the next one of the video; -1: none
==============  ==================  ==================================================================================

The files are read by slices: a step reads its pictures, and no more.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from scipy.ndimage import maximum_filter
from torch import Tensor

from mggtalk.errors import MediaError
from mggtalk.face.regions import hull_mask
from mggtalk.face.topology import FACE_OVAL, LEFT_EYE_LOWER, LEFT_EYE_UPPER, LIPS, RIGHT_EYE_LOWER, RIGHT_EYE_UPPER
from mggtalk.inpaint.image_renderer import Layers


class Region(IntEnum):
    """Where a pixel lies."""

    REST = 0
    FACE = 1
    INNER = 2  # eyes and mouth
    OUTLINE = 3  # hair, ears, and the border of the head
    NECK = 4  # below the chin: neck, collar, shoulders


@dataclass(frozen=True)
class Shard:
    """The pairs of one clip, on disk."""

    path: Path
    count: int  # P
    side: int  # S

    @property
    def name(self) -> str:
        """Of the clip."""
        return self.path.stem

    def read(self, pair: int) -> tuple[Layers, Tensor]:
        """One pair.

        Args:
            pair: Which.

        Returns:
            Its layers, each with a leading axis of one, and the real picture ``[1, 3, S, S]`` in [0, 1].

        Raises:
            MediaError: If the file is damaged.
        """
        try:
            with safe_open(str(self.path), framework="pt") as file:
                pictures = [file.get_slice(name)[pair] for name in ("composite", "alpha", "real")]
                gate, change = file.get_slice("gate")[pair : pair + 1], file.get_slice("change")[pair : pair + 1]
        except (OSError, SafetensorError) as error:
            raise MediaError(f"{self.path} cannot be read ({error}).", "Remove it; it is drawn again.") from error
        composite, alpha, real = (_planes(picture) for picture in pictures)
        return Layers(composite, alpha, gate.view(-1, 1, 1, 1), change), real

    def regions(self) -> Tensor:
        """Regions of all pixels, uint8 ``[P, S, S]``."""
        with safe_open(str(self.path), framework="pt") as file:
            return file.get_tensor("region")

    def neighbours(self) -> Tensor:
        """Pair of the next frame, int64 ``[P]``; -1 where there is none."""
        with safe_open(str(self.path), framework="pt") as file:
            return file.get_tensor("neighbour")


def open_shard(path: Path) -> Shard:
    """Index one file.

    Raises:
        MediaError: If it is damaged.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            count, side = file.get_slice("alpha").get_shape()[:2]
    except (OSError, SafetensorError) as error:
        raise MediaError(f"{path} cannot be read ({error}).", "Remove it; it is drawn again.") from error
    return Shard(path, count, side)


def write_shard(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write one file; it gets its name when it is complete, so that a killed run leaves no half of one."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, str(partial))
    partial.replace(path)


def find_regions(landmarks: Tensor, alpha: np.ndarray) -> np.ndarray:
    """Regions of one frame's pixels.

    Args:
        landmarks: ``[V, 2]`` pixels of the picture.
        alpha: Coverage of the head, uint8 ``[S, S]``.

    Returns:
        uint8 ``[S, S]`` of :class:`Region`.
    """
    side = len(alpha)
    oval = landmarks[list(FACE_OVAL)]
    low, high = oval.min(0).values.tolist(), oval.max(0).values.tolist()
    region = np.full((side, side), Region.REST, np.uint8)
    rows, columns = np.mgrid[:side, :side] + 0.5
    middle, width = (low[0] + high[0]) / 2, high[0] - low[0]
    below = (rows > high[1] - 0.1 * (high[1] - low[1])) & (np.abs(columns - middle) < 1.2 * width)
    region[below] = Region.NECK
    region[maximum_filter(alpha, side // 32) > 8] = Region.OUTLINE
    region[hull_mask(landmarks, side, side)] = Region.FACE
    for part in (LIPS, (*LEFT_EYE_UPPER, *LEFT_EYE_LOWER), (*RIGHT_EYE_UPPER, *RIGHT_EYE_LOWER)):
        region[hull_mask(landmarks[list(part)], side, side)] = Region.INNER
    return region


def shrink_bytes(picture: np.ndarray, side: int) -> np.ndarray:
    """A square uint8 picture at another size, Lanczos."""
    if len(picture) == side:
        return picture
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS))


def _planes(picture: Tensor) -> Tensor:
    """uint8 ``[h, w]`` or ``[h, w, 3]`` to ``[1, C, h, w]`` in [0, 1]."""
    picture = picture if picture.ndim == 3 else picture[..., None]
    return picture.permute(2, 0, 1)[None].to(torch.float32) / 255.0
