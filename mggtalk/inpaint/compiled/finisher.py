"""From a head render to the finished frame on a CPU, frame after frame: the torch path's result, without gradients."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mggtalk.geometry import FLIP
from mggtalk.inpaint.compiled.frame import draw_plate, finish, follow_head, stack_layers
from mggtalk.inpaint.follow import GRID, PIVOT_DEPTH, STEPS
from mggtalk.inpaint.inpainter import LAYERS, Inpainter
from mggtalk.inpaint.plates import Plates
from mggtalk.nets.folded_unet import FoldedUNet
from mggtalk.nets.gates import frame_gate
from mggtalk.runtime.threads import run_ranges
from mggtalk.scene import MotionFrame

ROWS = 16
"""Rows in a task."""


class CpuFinisher:
    """Puts heads before their torso and background.

    Args:
        plates: At the size of the frame.
        source: Pose and expression of the portrait.
        inpainter: Its present weights are taken; later changes are not noticed.
        focal_ratio: Focal length over the side.
    """

    def __init__(self, plates: Plates, source: MotionFrame, inpainter: Inpainter, focal_ratio: float) -> None:
        self._background, self._torso = (
            plate.permute(1, 2, 0).contiguous().numpy() for plate in (plates.background, plates.torso)
        )  # [S, S, 3], [S, S, 4]
        self._follow = plates.follow[0].contiguous().numpy()
        self._source = source
        self._ratio = np.float32(focal_ratio)
        self._inpainter = None if inpainter.untrained else _Residual(inpainter)

    @staticmethod
    def suits(plates: Plates, inpainter: Inpainter) -> bool:
        """Whether frames can be finished here: on a CPU, on maps that the UNet need not pad."""
        background = plates.background
        padded = inpainter.side % (inpainter.unet.stride * 2**inpainter.unet.depth)
        single = background.dtype == inpainter.unet.dtype == torch.float32
        return background.device.type == "cpu" and single and not padded

    def __call__(self, head: Tensor, alpha: Tensor, frame: MotionFrame) -> np.ndarray:
        """The finished frame.

        Args:
            head: ``[S, S, 3]`` premultiplied.
            alpha: ``[S, S]``.
            frame: Its pose.

        Returns:
            uint8 ``[S, S, 3]``.
        """
        layers = (head.contiguous().numpy(), alpha.contiguous().numpy(), self.plate(frame))
        residual, gate = np.zeros((0, 0, 3), np.float32), np.float32(0.0)
        if self._inpainter is not None:
            residual, gate = self._inpainter(*layers), np.float32(frame_gate(frame, self._source))
        side = len(self._background)
        front, rest, behind = (layer.reshape(side, -1) for layer in layers)  # [S, 3 S], [S, S], [S, 3 S]
        picture = np.empty((side, 3 * side), np.uint8)
        run_ranges(finish, side, ROWS, front, rest, behind, residual, gate, picture)
        return picture.reshape(side, side, 3)

    def plate(self, frame: MotionFrame) -> np.ndarray:
        """The frame without its head ``[S, S, 3]``."""
        source = self._source
        flip = np.array(FLIP, np.float32)
        own, driven = flip[:, None] * source.rotation.numpy(), flip[:, None] * frame.rotation.numpy()
        motion = driven @ own.T
        shift = frame.translation.numpy() - motion @ source.translation.numpy()
        depth = np.float32(source.translation[2]) + np.float32(PIVOT_DEPTH)
        offsets = np.empty((GRID, GRID, 2), np.float32)
        run_ranges(follow_head, GRID, ROWS, self._follow, motion, shift, depth, self._ratio, STEPS, offsets)
        plate = np.empty_like(self._background)
        run_ranges(draw_plate, len(plate), ROWS, self._torso, self._background, offsets, plate)
        return plate


class _Residual:
    """The inpainter's UNet."""

    def __init__(self, inpainter: Inpainter) -> None:
        unet = inpainter.unet
        self._unet = FoldedUNet(unet, unet.stride)
        self._side, self._fold = inpainter.side, unet.stride
        order = torch.arange(LAYERS * self._fold**2).view(LAYERS, -1).T.flatten()  # pixels first, layers last
        self._entry = self._unet.entry[:, order].contiguous(memory_format=torch.channels_last)

    def __call__(self, head: np.ndarray, alpha: np.ndarray, plate: np.ndarray) -> np.ndarray:
        """Residual ``[side, side, 3]``, not yet gated."""
        if len(head) != self._side:
            head, alpha, plate = self._resized(head, alpha, plate)
        small = self._side // self._fold
        layers = np.empty((small, small, LAYERS * self._fold**2), np.float32)
        run_ranges(stack_layers, small, ROWS, head, alpha, plate, self._fold, layers)
        maps = torch.from_numpy(layers)[None].permute(0, 3, 1, 2)  # [1, 7 fold^2, side / fold, side / fold]
        rows = self._unet(F.conv2d(maps, self._entry, padding=1))  # [cells, fold^2 * 3]
        folded = rows.view(small, small, self._fold, self._fold, 3).transpose(1, 2)  # [s, fold, s, fold, 3]
        return folded.reshape(self._side, self._side, 3).numpy()

    def _resized(self, *layers: np.ndarray) -> tuple[np.ndarray, ...]:
        """Pictures at the size that the UNet sees."""
        planes = np.concatenate([layer.reshape(*layer.shape[:2], -1) for layer in layers], axis=2)  # [S, S, 7]
        size = (self._side, self._side)
        maps = torch.from_numpy(planes).permute(2, 0, 1)[None]
        small = F.interpolate(maps, size=size, mode="bilinear", antialias=True)[0].permute(1, 2, 0)
        head, alpha, plate = small.split([3, 1, 3], dim=-1)
        return head.contiguous().numpy(), alpha[..., 0].contiguous().numpy(), plate.contiguous().numpy()
