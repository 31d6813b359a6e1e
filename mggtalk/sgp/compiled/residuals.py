"""The learned residuals frame after frame on a CPU: of each network only what depends on the frame is evaluated.

In torch, to be read: :mod:`mggtalk.sgp.gaussian_decoder`, :mod:`mggtalk.sgp.sym_decoder` and
:mod:`mggtalk.sgp.mouth.decoder`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mggtalk.avatar.avatar import Avatar
from mggtalk.nets.folded_unet import FoldedUNet
from mggtalk.runtime.threads import run_ranges
from mggtalk.scene import Gaussians
from mggtalk.sgp.compiled.kernels import PARAMETERS, PLACE, pool_places, pool_twins, scatter_moved
from mggtalk.sgp.densify import CLOSED
from mggtalk.sgp.gaussian_decoder import MOTION_SCALE
from mggtalk.sgp.mouth.decoder import as_maps, hidden, paint_residual
from mggtalk.sgp.predictor import SymmetricGaussianPredictor
from mggtalk.sgp.sym_decoder import COARSENESS, SymGaussianDecoder

CHUNK = 4096
"""Points in a task."""

NONE = np.zeros((0, PARAMETERS), np.float32)
"""The residual of a network that is not there."""


class DecoderResidual:
    """The Gaussian decoder: of its first layer, only what the displacements add is evaluated.

    The layer is linear in P_d = P_f + moved, 10 moved and F, so it is ``W_p P_f + W_f F``, which stays, and
    ``(W_p + 10 W_m) moved``.
    """

    def __init__(self, sgp: SymmetricGaussianPredictor, avatar: Avatar, features: Tensor) -> None:
        decoder, window = sgp.decoder, avatar.window
        fold = decoder.stride**2
        self._unet = FoldedUNet(decoder.unet, decoder.stride)
        kernel = self._unet.entry  # [width, 6 fold + C, 3, 3]: places, displacements, features
        if not decoder.sees_points:
            kernel = torch.cat([torch.zeros_like(kernel[:, : 6 * fold]), kernel[:, 6 * fold :]], dim=1)
        rest = F.pixel_unshuffle(window.scatter(avatar.points), decoder.stride)  # [1, 3 fold, h, w]
        height, width = rest.shape[-2:]
        self._size = (height, width)
        self._pad = (0, -width % self._unet.step, 0, -height % self._unet.step)
        constant = torch.cat([rest, window.crop(features, decoder.stride)], dim=1)
        constant = F.pad(constant, self._pad, mode="replicate")  # [1, 3 fold + C, h', w'] as the UNet pads
        by_constant = torch.cat([kernel[:, : 3 * fold], kernel[:, 6 * fold :]], dim=1)
        self._entered = _last(F.conv2d(constant, by_constant, padding=1))  # [1, width, h, w]
        by_moved = kernel[:, : 3 * fold] + MOTION_SCALE * kernel[:, 3 * fold : 6 * fold]
        order = by_channel(3, fold)
        self._by_moved = _last(by_moved[:, order])
        self._members = as_array(window.points).astype(np.int32)  # [Q]
        rows, columns = window.cells // (width * decoder.stride), window.cells % (width * decoder.stride)
        down, along = rows // decoder.stride, columns // decoder.stride
        inside = rows % decoder.stride * decoder.stride + columns % decoder.stride
        self._cells = as_array((down * width + along) * fold + inside).astype(np.int32)  # [Q] rows of the folded input
        self.slots = np.full(len(avatar.points), -1, np.int32)  # [N] rows of the output, negative outside
        self.slots[self._members] = as_array((down * (width + self._pad[1]) + along) * fold + inside)
        self._fold = fold

    def __call__(self, points: np.ndarray, rest: np.ndarray, change: Tensor) -> np.ndarray:
        """Residuals ``[pixels of the window, 20]``."""
        height, width = self._size
        grid = np.zeros((height * width * self._fold, 3), np.float32)
        run_ranges(scatter_moved, len(self._members), CHUNK, points, rest, self._members, self._cells, grid)
        maps = torch.from_numpy(grid).view(1, height, width, 3 * self._fold).permute(0, 3, 1, 2)
        if any(self._pad):
            maps = F.pad(maps, self._pad, mode="replicate").contiguous(memory_format=torch.channels_last)
        entered = self._entered + F.conv2d(maps, self._by_moved, padding=1)
        return self._unet(entered, change[None]).view(-1, PARAMETERS).numpy()


class MouthResidual:
    """The mouth decoder."""

    def __init__(self, sgp: SymmetricGaussianPredictor, avatar: Avatar) -> None:
        self._decoder = sgp.mouth_decoder
        self._sheet = avatar.mouth
        self._unet = None if self._decoder.untrained else FoldedUNet(self._decoder.unet, 1)

    @property
    def learned(self) -> bool:
        """Whether the decoder is trained."""
        return self._unet is not None

    def __call__(
        self, vertices: Tensor, expression: Tensor, colours: np.ndarray | None, touch: Tensor | None
    ) -> tuple[Gaussians, np.ndarray]:
        """Gaussians of the sheet, and what the decoder said of their colours; there are none where lips hide it."""
        if touch is None and hidden(self._sheet, vertices):
            return Gaussians(*(torch.zeros(0, *shape) for shape in ((3,), (4,), (3,), (), (4, 3)))), NONE
        estimate = self._decoder.estimate(self._sheet, vertices, touch)
        if self._unet is None:
            return estimate.parameters.activate(estimate.points), NONE
        if colours is None or not len(colours):
            entered = F.conv2d(as_maps(estimate.inputs), self._unet.entry, padding=1)
            colours = self._unet(entered, expression[None]).numpy()  # [R*C, 3]
        residual = paint_residual(torch.from_numpy(colours), self._sheet, estimate)
        return estimate.parameters.paint(residual).activate(estimate.points), colours


class SymResidual:
    """The sym decoder: its four nets as one, on the coarse map; of its first layer, F's share is kept."""

    def __init__(self, decoder: SymGaussianDecoder, avatar: Avatar, features: Tensor) -> None:
        height, width = (side // COARSENESS for side in avatar.mask.shape)
        self._size = (height, width)
        branches: list[Any] = list(decoder.branches.values())
        known = features.shape[1]
        blocks, start = [], 0
        for branch in branches:
            weight = branch.body[0][0].weight.detach()  # [width, C + 3 + k, 3, 3]
            twin = weight.new_zeros(len(weight), PARAMETERS, 3, 3)
            own = weight.shape[1] - known - 3
            if decoder.sees_twin:
                twin[:, start : start + own] = weight[:, known + 3 :]
            blocks.append(torch.cat([weight[:, : known + 3], twin], dim=1))
            start += own
        kernel = torch.cat(blocks)  # [4 width, C + 23, 3, 3]
        coarse = F.adaptive_avg_pool2d(features, self._size)
        self._entered = _last(F.conv2d(coarse, kernel[:, :known], padding=1))
        self._by_frame = _last(kernel[:, known:])
        self._second = _last(torch.cat([branch.body[1][0].weight.detach() for branch in branches]))
        self._norms = [
            (
                sum(branch.body[layer][1].num_groups for branch in branches),
                torch.cat([branch.body[layer][1].weight.detach() for branch in branches]),
                torch.cat([branch.body[layer][1].bias.detach() for branch in branches]),
                branches[0].body[layer][1].eps,
            )
            for layer in (0, 1)
        ]
        self._last = torch.block_diag(*(branch.last.weight.detach().flatten(1) for branch in branches))  # [20, 4 width]
        self._bias = torch.cat([branch.last.bias.detach() for branch in branches])
        rows, columns = avatar.cells  # [N]
        self._cells = as_array(rows // COARSENESS * width + columns // COARSENESS).astype(np.int32)
        self._twins = as_array(avatar.mirrored).astype(np.int32)
        self.taps, self.shares = _bilinear(rows[avatar.mirrored], columns[avatar.mirrored], height, width)

    def __call__(self, places: np.ndarray, twins: np.ndarray, signs: np.ndarray) -> np.ndarray:
        """Residuals ``[coarse pixels, 20]`` from the mirrored points ``[M, 3]`` and all parameters ``[N, 20]``."""
        height, width = self._size
        grid = np.zeros((height * width, PLACE + PARAMETERS), np.float32)
        share = np.float32(1.0 / COARSENESS**2)
        pool_twins(0, len(twins), self._cells, signs, share, twins, grid)
        pool_places(0, len(places), self._cells, self._twins, share, places, grid)
        maps = torch.from_numpy(grid).view(1, height, width, -1).permute(0, 3, 1, 2)  # [1, 23, h, w]
        hidden = self._entered + F.conv2d(maps, self._by_frame, padding=1)
        hidden = F.silu(F.group_norm(hidden, *self._norms[0]))
        hidden = F.conv2d(hidden, self._second, padding=1, groups=4)
        hidden = F.silu(F.group_norm(hidden, *self._norms[1]))  # [1, 4 width, h, w]
        rows = hidden.permute(0, 2, 3, 1).flatten(0, 2)
        return F.linear(rows, self._last, self._bias).numpy()


class ChildResidual:
    """The densify net: of its first layer, what the features add is kept."""

    def __init__(self, sgp: SymmetricGaussianPredictor, avatar: Avatar, features: Tensor) -> None:
        first: Any = sgp.densify.body[0]
        known = features.shape[1]
        with torch.no_grad():
            seen = sgp.pixel_features(avatar, features)  # [N + M, C]
            self._base = F.linear(seen, first.weight[:, :known], first.bias)  # [N + M, width]
        self._first, self._last = first.weight.detach()[:, known:], sgp.densify.last

    def __call__(self, parameters: np.ndarray, gates: np.ndarray, twins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows ``[N + M]`` of the residual, negative where the gate is closed, and the residual ``[Q, 23]``."""
        chosen = np.flatnonzero(np.concatenate([gates, gates[twins]]) > CLOSED)  # [Q]
        slots = np.full(len(parameters), -1, np.int32)
        slots[chosen] = np.arange(len(chosen), dtype=np.int32)
        index = torch.from_numpy(chosen)
        hidden = torch.addmm(self._base[index], torch.from_numpy(parameters[chosen]), self._first.T)
        with torch.no_grad():
            return slots, self._last(F.silu(hidden)).numpy()


def by_channel(channels: int, fold: int) -> Tensor:
    """Order that takes ``pixel_unshuffle``'s channels to pixels first, channels last."""
    return torch.arange(channels * fold).view(channels, fold).T.flatten()


def as_array(tensor: Tensor) -> np.ndarray:
    """A tensor as an array, without gradients, rows after rows."""
    return tensor.detach().contiguous().numpy()


def _last(tensor: Tensor) -> Tensor:
    return tensor.detach().contiguous(memory_format=torch.channels_last)


def _bilinear(rows: Tensor, columns: Tensor, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Compute where ``interpolate`` (bilinear) reads a coarse map for fine pixels: rows ``[M, 4]`` and weights."""

    def axis(places: Tensor, side: int) -> tuple[Tensor, Tensor, Tensor]:
        place = ((places + 0.5) / COARSENESS - 0.5).clamp(min=0.0)
        low = place.floor().long()
        return low, (low + 1).clamp(max=side - 1), place - low

    top, bottom, down = axis(rows, height)
    left, right, along = axis(columns, width)
    taps = [top * width + left, top * width + right, bottom * width + left, bottom * width + right]
    shares = [(1 - down) * (1 - along), (1 - down) * along, down * (1 - along), down * along]
    return as_array(torch.stack(taps, dim=1)).astype(np.int32), as_array(torch.stack(shares, dim=1).float())
