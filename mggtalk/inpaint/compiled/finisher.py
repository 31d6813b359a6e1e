"""From a head render to the finished frame on a CPU, frame after frame: the torch path's result, without gradients.

In torch, to be read: :mod:`mggtalk.inpaint.image_renderer`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mggtalk.geometry import FLIP
from mggtalk.inpaint.compiled.frame import cover_plate, finish, follow_head, shrink_rows, stack_layers
from mggtalk.inpaint.follow import GRID, PIVOT_DEPTH, STEPS, STRETCH, neck_reach, parting, steepness
from mggtalk.inpaint.image_renderer import LAYERS, ImageRenderer, bounded, describe_change
from mggtalk.inpaint.plates import SHOULDER, Plates
from mggtalk.inpaint.shrink import lanczos_taps
from mggtalk.nets.folded_unet import FoldedUNet
from mggtalk.nets.gates import frame_gate
from mggtalk.runtime.threads import run_ranges
from mggtalk.scene import MotionFrame

ROWS = 16
"""Rows in a task."""

STATES = 4
"""Torsos that are kept: before and after a head has turned, and on the way."""


class CpuFinisher:
    """Puts heads before their torso and background.

    Args:
        plates: At the side F on which frames are composed.
        source: Pose and expression of the portrait.
        image_renderer: Its present weights are taken; later changes are not noticed.
        focal_ratio: Focal length over the side.
        block: F over the side S of the finished frame.
    """

    def __init__(
        self, plates: Plates, source: MotionFrame, image_renderer: ImageRenderer, focal_ratio: float, block: int = 1
    ) -> None:
        self._background = plates.background.permute(1, 2, 0).contiguous().numpy()  # [F, F, 3]
        self._torso = _shedding(plates)
        self._loose = bool(plates.loose.any())
        self._follow = plates.follow[0].contiguous().numpy()
        self._nearer = plates.nearer[0].contiguous().numpy()
        self._steep = steepness(plates.follow)
        self._source = source
        self._ratio = np.float32(focal_ratio)
        self._block = block
        self._residual = None if image_renderer.untrained else _Residual(image_renderer)

    @staticmethod
    def suits(plates: Plates, image_renderer: ImageRenderer) -> bool:
        """Whether frames can be finished here: on a CPU, on maps that the UNet need not pad."""
        background = plates.background
        unet = image_renderer.unet
        padded = image_renderer.side % (unet.stride * 2**unet.depth)
        single = background.dtype == unet.dtype == torch.float32
        return background.device.type == "cpu" and single and not padded

    def __call__(self, head: Tensor, alpha: Tensor, frame: MotionFrame) -> np.ndarray:
        """The finished frame.

        Args:
            head: ``[F, F, 3]`` premultiplied.
            alpha: ``[F, F]``.
            frame: Its pose.

        Returns:
            uint8 ``[S, S, 3]``.
        """
        front, cover = head.contiguous().numpy(), alpha.contiguous().numpy()
        composite = shrink_image(self.compose(front, cover, frame), self._block)  # [S, S, 3]
        residual, gate = np.zeros((0, 0, 3), np.float32), np.float32(0.0)
        if self._residual is not None:
            alpha_small = shrink_image(cover[..., None], self._block)  # [S, S, 1]
            residual = self._residual(composite, alpha_small, describe_change(frame, self._source))
            gate = np.float32(frame_gate(frame, self._source))
        side = len(composite)
        picture = np.empty((side, 3 * side), np.uint8)
        run_ranges(finish, side, ROWS, composite.reshape(side, -1), residual, gate, picture)
        return picture.reshape(side, side, 3)

    def compose(self, head: np.ndarray, alpha: np.ndarray, frame: MotionFrame) -> np.ndarray:
        """The head before its plate ``[F, F, 3]``.

        Args:
            head: ``[F, F, 3]`` premultiplied.
            alpha: ``[F, F]``.
            frame: Its pose.
        """
        source = self._source
        flip = np.array(FLIP, np.float32)
        own, driven = flip[:, None] * source.rotation.numpy(), flip[:, None] * frame.rotation.numpy()
        motion = driven @ own.T
        shift = frame.translation.numpy() - motion @ source.translation.numpy()
        depth = np.float32(source.translation[2]) + np.float32(PIVOT_DEPTH)
        offsets = np.empty((GRID, GRID, 2), np.float32)
        reach = np.float32(neck_reach(self._steep, source, frame, float(self._ratio)).item())
        how = (reach, self._ratio, np.float32(STRETCH), STEPS)
        places = (self._follow, self._nearer, motion, shift, frame.torso.numpy(), depth, *how)
        run_ranges(follow_head, GRID, ROWS, *places, offsets)
        composite = np.empty_like(self._background)
        torso = self._torso(parting(source, frame).item() if self._loose else 0.0)
        layers = (torso, self._background, offsets, np.float32(SHOULDER), head, alpha)
        run_ranges(cover_plate, len(composite), ROWS, *layers, composite)
        return composite


def _shedding(plates: Plates) -> Callable[[float], np.ndarray]:
    """Make the function that gives the torso ``[F, F, 4]`` less a share of what is loose.

    Only the box around what is loose is touched, see :func:`mggtalk.inpaint.follow.shed_loose`.
    """
    torso = plates.torso.permute(1, 2, 0).contiguous().numpy()  # [F, F, 4]
    loose = plates.loose[0, :, :, None].numpy()  # [F, F, 1]
    rows, columns = (np.flatnonzero(loose.any((axis, 2))) for axis in (1, 0))
    if not len(rows):
        return lambda _: torso
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)

    @lru_cache(STATES)
    def shed(share: float) -> np.ndarray:
        left = torso.copy()
        left[box] *= 1.0 - np.float32(share) * loose[box]
        return left

    return shed


def shrink_image(image: np.ndarray, block: int) -> np.ndarray:
    """``[F, F, C]`` to ``[F / block, F / block, C]``, see :func:`mggtalk.inpaint.shrink.shrink`."""
    if block == 1:
        return image
    side = len(image) // block
    small = np.empty((side, side, image.shape[2]), np.float32)
    run_ranges(shrink_rows, side, ROWS, image, lanczos_taps(block), block, small)
    return small


class _Residual:
    """The image network's UNet."""

    def __init__(self, image_renderer: ImageRenderer) -> None:
        unet = image_renderer.unet
        self._unet = FoldedUNet(unet, unet.stride)
        self._side, self._fold = image_renderer.side, unet.stride
        order = torch.arange(LAYERS * self._fold**2).view(LAYERS, -1).T.flatten()  # pixels first, layers last
        self._entry = self._unet.entry[:, order].contiguous(memory_format=torch.channels_last)

    def __call__(self, composite: np.ndarray, alpha: np.ndarray, change: Tensor) -> np.ndarray:
        """Bounded residual ``[side, side, 3]``, not yet gated, of composite ``[S, S, 3]`` and alpha ``[S, S, 1]``."""
        if len(composite) != self._side:
            composite, alpha = (self._resize(layer) for layer in (composite, alpha))
        small = self._side // self._fold
        layers = np.empty((small, small, LAYERS * self._fold**2), np.float32)
        run_ranges(stack_layers, small, ROWS, composite, alpha, self._fold, layers)
        maps = torch.from_numpy(layers)[None].permute(0, 3, 1, 2)  # [1, 4 fold^2, side / fold, side / fold]
        entered = F.conv2d(maps, self._entry, padding=1)  # [1, width, side / fold, side / fold]
        rows = bounded(self._unet(entered, change[None]))  # [cells, fold^2 * 3]
        folded = rows.view(small, small, self._fold, self._fold, 3).transpose(1, 2)  # [s, fold, s, fold, 3]
        return folded.reshape(self._side, self._side, 3).numpy()

    def _resize(self, layer: np.ndarray) -> np.ndarray:
        """A picture ``[S, S, C]`` at the size that the UNet sees."""
        if len(layer) % self._side == 0:
            return shrink_image(layer, len(layer) // self._side)
        maps = torch.from_numpy(layer).permute(2, 0, 1)[None].clamp(0.0, 1.0)  # [1, C, S, S]
        inner = F.interpolate(maps, size=(self._side, self._side), mode="bilinear", antialias=True)
        return inner[0].permute(1, 2, 0).contiguous().numpy()  # [side, side, C]
