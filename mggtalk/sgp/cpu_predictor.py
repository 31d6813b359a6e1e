"""Symmetric Gaussian prediction frame after frame on a CPU: what stays the same is worked out once per avatar.

Gives what ``dense`` or ``coarse`` of :class:`mggtalk.sgp.predictor.SymmetricGaussianPredictor` gives, which stays the
one to read and to train, without gradients and several times faster: the work on points is compiled, and of the
networks only what depends on the frame is evaluated.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mggtalk.adaptation.adapter import Touch
from mggtalk.avatar import Avatar
from mggtalk.folded_unet import FoldedUNet
from mggtalk.gates import PIXELS
from mggtalk.motion.deformation import RETREAT, Binding, InnerMotion
from mggtalk.render.constants import SH_0
from mggtalk.render.threads import run_ranges
from mggtalk.scene import Gaussians
from mggtalk.sgp.cpu_kernels import (
    PARAMETERS,
    activate,
    bind_points,
    describe_mirrored,
    describe_visible,
    pool_places,
    pool_twins,
    scatter_moved,
)
from mggtalk.sgp.densify import CLOSED, SHARE
from mggtalk.sgp.footprint import LEAST_STEP, MOST_STEP, THICKNESS
from mggtalk.sgp.mouth import as_maps, hidden, limited
from mggtalk.sgp.parameters import GaussianParameters
from mggtalk.sgp.predictor import SPREAD, SymmetricGaussianPredictor
from mggtalk.sgp.sym_decoder import COARSENESS, SymGaussianDecoder

CHUNK = 4096
"""Points in a task."""

NONE = np.zeros((0, PARAMETERS), np.float32)
"""The residual of a network that is not there."""

MIRROR = np.array((-1.0, 1.0, 1.0), np.float32)
"""What the mirror at x = 0 multiplies places with."""


class Residuals(NamedTuple):
    """What the decoders said of one expression, before any gate. Smooth in the expression."""

    visible: np.ndarray  # [pixels of the window, 20]; no rows without a trained decoder, here and below
    mirrored: np.ndarray  # [coarse pixels, 20]
    mouth: np.ndarray  # [R*C, 3]; no rows either where closed lips hid it, and nothing was asked

    @staticmethod
    def between(first: Residuals, second: Residuals, share: float) -> Residuals:
        """Linear interpolation; ``share`` is that of the second. What one of them lacks is left out."""
        pairs = zip(first, second)
        return Residuals(*(a + np.float32(share) * (b - a) if len(a) == len(b) else NONE for a, b in pairs))


class CpuPredictor:
    """Gaussians of one avatar.

    Args:
        sgp: Its present weights are taken; later changes are not noticed.
        avatar: The prepared portrait, on the CPU.
        features: :meth:`SymmetricGaussianPredictor.features` of the avatar.
        children: Whether the dense set is wanted; else the coarse one is made.
    """

    def __init__(
        self, sgp: SymmetricGaussianPredictor, avatar: Avatar, features: Tensor | None, children: bool = True
    ) -> None:
        self._avatar = avatar
        self._visible, self._mirrored = len(avatar.points), len(avatar.mirrored)
        self._rest = _array(avatar.points)
        self._bindings = [(_array(avatar.points), _flat(avatar.binding))]
        self._bindings.append((_array(avatar.mirrored_points), _flat(avatar.mirrored_binding)))
        self._neighbours = np.stack([_array(side) for side in avatar.neighbours], axis=1).astype(np.int32)  # [N, 4]
        self._twins = _array(avatar.mirrored).astype(np.int32)  # [M]
        pixel = float(avatar.pixel_size)
        bounds = (pixel, LEAST_STEP * pixel, MOST_STEP * pixel, THICKNESS, math.log(SPREAD), PIXELS)
        self._bounds = np.array(bounds, np.float32)
        self._colour = _array((avatar.colour - 0.5) / SH_0)  # [N, 3]
        self._colour_step = _array(avatar.colour_step / SH_0)  # [N, 3]
        self._logits = _array(torch.logit(avatar.opacity, eps=4e-3))  # [N]
        self._signs = _array(_mirror_signs())  # [20]
        self._densify = children and sgp.densify.enabled
        self._mouth = _Mouth(sgp, avatar)
        self._decoder = _Decoder(sgp, avatar, features) if features is not None and not sgp.decoder.untrained else None
        uses_sym = len(avatar.mirrored) > 0 and not sgp.sym_decoder.untrained
        self._sym = _Sym(sgp.sym_decoder, avatar, features) if features is not None and uses_sym else None
        learned = features is not None and self._densify and not sgp.densify.untrained
        self._children = _Children(sgp, avatar, features) if features is not None and learned else None

    @staticmethod
    def suits(sgp: SymmetricGaussianPredictor, avatar: Avatar, features: Tensor | None) -> bool:
        """Whether this avatar can be predicted here: on a CPU, in single precision, on maps that fold evenly."""
        precisions = {avatar.points.dtype, sgp.decoder.unet.dtype, sgp.mouth_decoder.unet.dtype}
        if avatar.points.device.type != "cpu" or precisions != {torch.float32} or not len(avatar.points):
            return False
        bounds = avatar.window.bounds.tolist()
        window = all(bound % sgp.decoder.stride == 0 for bound in bounds)
        sides = avatar.mask.shape
        coarse = all(side % COARSENESS == 0 for side in sides)
        if features is not None:
            coarse = coarse and all(a % (b // COARSENESS) == 0 for a, b in zip(features.shape[-2:], sides))
        return window and coarse and sgp.decoder.unet.stride == 1

    @property
    def learned(self) -> bool:
        """Whether there is a decoder to ask."""
        return self._decoder is not None or self._sym is not None or self._mouth.learned

    def points(self, vertices: Tensor) -> np.ndarray:
        """Driven points ``[N + M, 3]``, visible first, for a driven face model ``[V, 3]``."""
        moved = vertices - self._avatar.vertices
        inner = InnerMotion.of(moved)
        eyes = torch.cat([inner.iris[:, :2], RETREAT * inner.closing[:, None]], dim=1)  # [2, 3]
        arrays = [_array(tensor) for tensor in (moved, inner.pull, eyes, inner.jaw)]
        points = np.empty((self._visible + self._mirrored, 3), np.float32)
        parts = points[: self._visible], points[self._visible :]
        for (rest, binding), part in zip(self._bindings, parts):
            run_ranges(bind_points, len(rest), CHUNK, rest, *binding, *arrays, part)
        return points

    def __call__(
        self, vertices: Tensor, expression: Tensor, residuals: Residuals | None = None, touch: Touch | None = None
    ) -> tuple[Gaussians, Residuals]:
        """The Gaussians of one frame.

        Args:
            vertices: Driven face model ``[V, 3]``.
            expression: ``beta_d [K]``.
            residuals: Taken instead of asking the decoders.
            touch: What the avatar's adapter adds.

        Returns:
            The Gaussians, and the residuals that went into them.
        """
        colour, logits, colour_step = self._colour, self._logits, self._colour_step
        if touch is not None:
            vertices = vertices + touch.vertices
            colour, logits = colour + _array(touch.colour / SH_0), logits + _array(touch.logits)
            colour_step = colour_step + _array(touch.colour_step / SH_0)
        points = self.points(vertices)
        if touch is not None:
            shift = _array(touch.points)
            points[: self._visible] += shift
            points[self._visible :] += shift[self._twins] * MIRROR
        if residuals is not None:
            seen = residuals.visible
        elif self._decoder is not None:
            seen = self._decoder(points, self._rest, expression - self._avatar.expression)
        else:
            seen = NONE
        steps, gates, parameters = self._describe(points, seen, colour, logits)
        mirrored = self._mirror(points, parameters, None if residuals is None else residuals.mirrored)
        slots, children = self._slots, np.zeros((0, PARAMETERS + 3), np.float32)
        if self._children is not None:
            slots, children = self._children(parameters, gates, self._twins)
        sheet = None if touch is None else touch.sheet
        mouth, spoken = self._mouth(vertices, expression, None if residuals is None else residuals.mouth, sheet)
        back = self._avatar.back
        made = (2 if self._densify else 1) * len(points)
        count = made + len(back.means) + len(mouth.means)
        gaussians = Gaussians(*(part.new_empty(count, *part.shape[1:]) for part in mouth))
        arrays = [tensor.flatten(1).numpy() if tensor.ndim > 2 else tensor.numpy() for tensor in gaussians]
        share = np.float32(SHARE if self._densify else 0.0)
        run_ranges(
            activate, len(points), CHUNK, self._visible, self._twins, points, parameters, steps, colour_step,
            share, self._densify, gates, slots, children, *arrays,
        )  # fmt: skip
        for whole, *rest in zip(gaussians, back, mouth):
            torch.cat(rest, out=whole[made:])
        return gaussians, Residuals(seen, mirrored, spoken)

    @property
    def _slots(self) -> np.ndarray:
        return np.full(self._visible + self._mirrored, -1, np.int32)

    def _describe(
        self, points: np.ndarray, residual: np.ndarray, colour: np.ndarray, logits: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Tangents ``[N, 6]``, gates ``[N]`` and parameters ``[N + M, 20]``, the last M rows not yet filled in."""
        visible = self._visible
        steps, gates = np.empty((visible, 6), np.float32), np.empty(visible, np.float32)
        parameters = np.empty((len(points), PARAMETERS), np.float32)
        slots = self._slots if self._decoder is None else self._decoder.slots
        run_ranges(
            describe_visible, visible, CHUNK, points, self._rest, self._neighbours, self._bounds, colour,
            logits, slots, residual, steps, gates, parameters,
        )  # fmt: skip
        return steps, gates, parameters

    def _mirror(self, points: np.ndarray, parameters: np.ndarray, residual: np.ndarray | None) -> np.ndarray:
        """Fill in the last M rows of ``parameters``; returns the sym decoder's residual."""
        visible = self._visible
        taps, shares = np.zeros((0, 4), np.int32), np.zeros((0, 4), np.float32)
        learned = NONE if residual is None else residual
        if self._sym is not None:
            taps, shares = self._sym.taps, self._sym.shares
            if residual is None:
                learned = self._sym(points[visible:], parameters[:visible], self._signs)
        run_ranges(
            describe_mirrored, self._mirrored, CHUNK, visible, self._twins, self._signs, taps, shares, learned,
            parameters,
        )  # fmt: skip
        return learned


class _Decoder:
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
        by_moved = kernel[:, : 3 * fold] + 10.0 * kernel[:, 3 * fold : 6 * fold]
        order = by_channel(3, fold)
        self._by_moved = _last(by_moved[:, order])
        self._members = _array(window.points).astype(np.int32)  # [Q]
        rows, columns = window.cells // (width * decoder.stride), window.cells % (width * decoder.stride)
        down, along = rows // decoder.stride, columns // decoder.stride
        inside = rows % decoder.stride * decoder.stride + columns % decoder.stride
        self._cells = _array((down * width + along) * fold + inside).astype(np.int32)  # [Q] rows of the folded input
        self.slots = np.full(len(avatar.points), -1, np.int32)  # [N] rows of the output, negative outside
        self.slots[self._members] = _array((down * (width + self._pad[1]) + along) * fold + inside)
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


class _Mouth:
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
        residual = limited(torch.from_numpy(colours), self._sheet, estimate)
        return estimate.parameters.paint(residual).activate(estimate.points), colours


class _Sym:
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
        self._cells = _array(rows // COARSENESS * width + columns // COARSENESS).astype(np.int32)
        self._twins = _array(avatar.mirrored).astype(np.int32)
        self.taps, self.shares = _bilinear(rows[avatar.mirrored], columns[avatar.mirrored], height, width)

    def __call__(self, places: np.ndarray, twins: np.ndarray, signs: np.ndarray) -> np.ndarray:
        """Residuals ``[coarse pixels, 20]`` from the mirrored points ``[M, 3]`` and all parameters ``[N, 20]``."""
        height, width = self._size
        grid = np.zeros((height * width, 3 + PARAMETERS), np.float32)
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


class _Children:
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


class _Bound(NamedTuple):
    """A binding as arrays for the kernels."""

    vertices: np.ndarray
    weights: np.ndarray
    part: np.ndarray
    gaze: np.ndarray


def by_channel(channels: int, fold: int) -> Tensor:
    """Order that takes ``pixel_unshuffle``'s channels to pixels first, channels last."""
    return torch.arange(channels * fold).view(channels, fold).T.flatten()


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().contiguous().numpy()


def _last(tensor: Tensor) -> Tensor:
    return tensor.detach().contiguous(memory_format=torch.channels_last)


def _flat(binding: Binding) -> _Bound:
    return _Bound(
        _array(binding.vertices).astype(np.int32),
        _array(binding.weights),
        _array(binding.part).astype(np.int32),
        _array(binding.gaze),
    )


def _mirror_signs() -> Tensor:
    """What the mirror at x = 0 multiplies each parameter with, ``[20]``."""
    one = GaussianParameters(torch.ones(1, 3), torch.ones(1, 4), torch.ones(1, 4, 3), torch.ones(1))
    return one.mirror().flatten()[0]


def _bilinear(rows: Tensor, columns: Tensor, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Where ``interpolate`` (bilinear) reads a coarse map for fine pixels: rows of it ``[M, 4]`` and weights."""

    def axis(places: Tensor, side: int) -> tuple[Tensor, Tensor, Tensor]:
        place = ((places + 0.5) / COARSENESS - 0.5).clamp(min=0.0)
        low = place.floor().long()
        return low, (low + 1).clamp(max=side - 1), place - low

    top, bottom, down = axis(rows, height)
    left, right, along = axis(columns, width)
    taps = [top * width + left, top * width + right, bottom * width + left, bottom * width + right]
    shares = [(1 - down) * (1 - along), (1 - down) * along, down * (1 - along), down * along]
    return _array(torch.stack(taps, dim=1)).astype(np.int32), _array(torch.stack(shares, dim=1).float())
