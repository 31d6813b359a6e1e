"""From a head render to the finished frame on a CPU, frame after frame: the torch path's result, without gradients."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mggtalk.geometry import FLIP
from mggtalk.inpaint.compiled.frame import cover_plate, finish, follow_head, shrink_rows, stack_layers
from mggtalk.inpaint.follow import GRID, PIVOT_DEPTH, STEPS
from mggtalk.inpaint.inpainter import LAYERS, Inpainter
from mggtalk.inpaint.plates import SHOULDER, Plates
from mggtalk.inpaint.shrink import lanczos_taps
from mggtalk.nets.folded_unet import FoldedUNet
from mggtalk.nets.gates import frame_gate
from mggtalk.runtime.threads import run_ranges
from mggtalk.scene import MotionFrame

ROWS = 16
"""Rows in a task."""


class CpuFinisher:
    """Puts heads before their torso and background.

    Args:
        plates: At the side F on which frames are composed.
        source: Pose and expression of the portrait.
        inpainter: Its present weights are taken; later changes are not noticed.
        focal_ratio: Focal length over the side.
        block: F over the side S of the finished frame.
    """

    def __init__(
        self, plates: Plates, source: MotionFrame, inpainter: Inpainter, focal_ratio: float, block: int = 1
    ) -> None:
        self._background, self._torso = (
            plate.permute(1, 2, 0).contiguous().numpy() for plate in (plates.background, plates.torso)
        )  # [F, F, 3], [F, F, 4]
        self._follow = plates.follow[0].contiguous().numpy()
        self._source = source
        self._ratio = np.float32(focal_ratio)
        self._block = block
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
            head: ``[F, F, 3]`` premultiplied.
            alpha: ``[F, F]``.
            frame: Its pose.

        Returns:
            uint8 ``[S, S, 3]``.
        """
        front, cover = head.contiguous().numpy(), alpha.contiguous().numpy()
        composite, plate = self.compose(front, cover, frame, with_plate=self._inpainter is not None)
        residual, gate = np.zeros((0, 0, 3), np.float32), np.float32(0.0)
        composite = self._shrink(composite)  # [S, S, 3]
        if self._inpainter is not None:
            layers = (composite, self._shrink(cover[..., None])[..., 0], self._shrink(plate))
            residual = self._inpainter(*(layer.clip(0.0, 1.0) for layer in layers))
            gate = np.float32(frame_gate(frame, self._source))
        side = len(composite)
        picture = np.empty((side, 3 * side), np.uint8)
        run_ranges(finish, side, ROWS, composite.reshape(side, -1), residual, gate, picture)
        return picture.reshape(side, side, 3)

    def compose(
        self, head: np.ndarray, alpha: np.ndarray, frame: MotionFrame, with_plate: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """The head before its plate, and the plate; both ``[F, F, 3]``.

        Args:
            head: ``[F, F, 3]`` premultiplied.
            alpha: ``[F, F]``.
            frame: Its pose.
            with_plate: Whether the plate is wanted by itself; without it, it has no rows.
        """
        source = self._source
        flip = np.array(FLIP, np.float32)
        own, driven = flip[:, None] * source.rotation.numpy(), flip[:, None] * frame.rotation.numpy()
        motion = driven @ own.T
        shift = frame.translation.numpy() - motion @ source.translation.numpy()
        depth = np.float32(source.translation[2]) + np.float32(PIVOT_DEPTH)
        offsets = np.empty((GRID, GRID, 2), np.float32)
        run_ranges(follow_head, GRID, ROWS, self._follow, motion, shift, depth, self._ratio, STEPS, offsets)
        composite = np.empty_like(self._background)
        plate = np.empty_like(composite[: len(composite) if with_plate else 0])
        layers = (self._torso, self._background, offsets, np.float32(SHOULDER), head, alpha)
        run_ranges(cover_plate, len(composite), ROWS, *layers, composite, plate)
        return composite, plate

    def _shrink(self, image: np.ndarray) -> np.ndarray:
        """``[F, F, C]`` to ``[S, S, C]``."""
        if self._block == 1:
            return image
        side = len(image) // self._block
        small = np.empty((side, side, image.shape[2]), np.float32)
        run_ranges(shrink_rows, side, ROWS, image, lanczos_taps(self._block), self._block, small)
        return small


class _Residual:
    """The inpainter's UNet."""

    def __init__(self, inpainter: Inpainter) -> None:
        unet = inpainter.unet
        self._unet = FoldedUNet(unet, unet.stride)
        self._side, self._fold = inpainter.side, unet.stride
        order = torch.arange(LAYERS * self._fold**2).view(LAYERS, -1).T.flatten()  # pixels first, layers last
        self._entry = self._unet.entry[:, order].contiguous(memory_format=torch.channels_last)

    def __call__(self, composite: np.ndarray, alpha: np.ndarray, plate: np.ndarray) -> np.ndarray:
        """Residual ``[side, side, 3]``, not yet gated."""
        if len(composite) != self._side:
            composite, alpha, plate = self._resized(composite, alpha, plate)
        small = self._side // self._fold
        layers = np.empty((small, small, LAYERS * self._fold**2), np.float32)
        run_ranges(stack_layers, small, ROWS, composite, alpha, plate, self._fold, layers)
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
        composite, alpha, plate = small.split([3, 1, 3], dim=-1)
        return composite.contiguous().numpy(), alpha[..., 0].contiguous().numpy(), plate.contiguous().numpy()
