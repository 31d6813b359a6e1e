"""Symmetric Gaussian prediction frame after frame on a CPU: what stays the same is worked out once per avatar.

Gives what ``dense`` or ``coarse`` of :class:`mggtalk.sgp.predictor.SymmetricGaussianPredictor` gives, which stays the
one to read and to train, without gradients and several times faster: the work on points is compiled, and of the
networks only what depends on the frame is evaluated.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mggtalk.avatar.adapter import Touch
from mggtalk.avatar.avatar import Avatar
from mggtalk.avatar.binding import Binding
from mggtalk.motion.deformation import RETREAT, InnerMotion
from mggtalk.render.constants import SH_0
from mggtalk.runtime.threads import run_ranges
from mggtalk.scene import Gaussians
from mggtalk.sgp.compiled.kernels import (
    PARAMETERS,
    PLACE,
    activate,
    bind_points,
    describe_mirrored,
    describe_visible,
)
from mggtalk.sgp.compiled.residuals import (
    CHUNK,
    NONE,
    ChildResidual,
    DecoderResidual,
    MouthResidual,
    SymResidual,
    as_array,
)
from mggtalk.sgp.densify import SHARE
from mggtalk.sgp.footprint import LEAST_STEP, MOST_STEP, THICKNESS
from mggtalk.sgp.gate import PIXELS
from mggtalk.sgp.parameters import GaussianParameters
from mggtalk.sgp.predictor import OPACITY_MARGIN, SPREAD, SymmetricGaussianPredictor, own_mouth
from mggtalk.sgp.sym_decoder import COARSENESS

MIRROR = np.array((-1.0, 1.0, 1.0), np.float32)
"""Factors of the mirror at x = 0 for places."""


class Residuals(NamedTuple):
    """Residuals of one expression, before any gate. Smooth in the expression."""

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
        self._rest = as_array(avatar.points)
        self._bindings = [(as_array(avatar.points), _flat(avatar.binding))]
        self._bindings.append((as_array(avatar.mirrored_points), _flat(avatar.mirrored_binding)))
        self._neighbours = np.stack([as_array(side) for side in avatar.neighbours], axis=1).astype(np.int32)  # [N, 4]
        self._twins = as_array(avatar.mirrored).astype(np.int32)  # [M]
        pixel = float(avatar.pixel_size)
        bounds = (pixel, LEAST_STEP * pixel, MOST_STEP * pixel, THICKNESS, math.log(SPREAD), PIXELS)
        self._bounds = np.array(bounds, np.float32)
        self._colour = as_array((avatar.colour - 0.5) / SH_0)  # [N, 3]
        self._colour_step = as_array(avatar.colour_step / SH_0)  # [N, 3]
        self._folded = as_array(avatar.folds.points)  # [S]
        self._beside = as_array((avatar.folds.colour - 0.5) / SH_0)  # [S, 3]
        self._logits = as_array(torch.logit(avatar.opacity, eps=OPACITY_MARGIN))  # [N]
        self._signs = as_array(_mirror_signs())  # [20]
        self._light = as_array(avatar.mirrored_colour / SH_0)  # [M, 3]
        self._densify = children and sgp.densify.enabled
        self._mouth = MouthResidual(sgp, avatar)
        self._decoder = (
            DecoderResidual(sgp, avatar, features) if features is not None and not sgp.decoder.untrained else None
        )
        uses_sym = len(avatar.mirrored) > 0 and not sgp.sym_decoder.untrained
        self._sym = SymResidual(sgp.sym_decoder, avatar, features) if features is not None and uses_sym else None
        learned = features is not None and self._densify and not sgp.densify.untrained
        self._children = ChildResidual(sgp, avatar, features) if features is not None and learned else None

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
        arrays = [as_array(tensor) for tensor in (moved, inner.pull, eyes, inner.jaw)]
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
        added = NONE if touch is None else as_array(touch.parameters)
        if touch is not None:
            vertices = vertices + touch.vertices
            colour, logits = colour + as_array(touch.colour / SH_0), logits + as_array(touch.logits)
            colour_step = colour_step + as_array(touch.colour_step / SH_0)
        colour, colour_step = self._unfold(colour, colour_step, vertices)
        points = self.points(vertices)
        if touch is not None:
            shift = as_array(touch.points)
            points[: self._visible] += shift
            points[self._visible :] += shift[self._twins] * MIRROR
        if residuals is not None:
            seen = residuals.visible
        elif self._decoder is not None:
            seen = self._decoder(points, self._rest, expression - self._avatar.expression)
        else:
            seen = NONE
        steps, gates, parameters = self._describe(points, seen, colour, logits, added)
        mirrored = self._mirror(points, parameters, None if residuals is None else residuals.mirrored)
        slots, children = self._slots, np.zeros((0, PLACE + PARAMETERS), np.float32)
        if self._children is not None:
            slots, children = self._children(parameters, gates, self._twins)
        if touch is not None and len(touch.mouth):
            mouth, spoken = own_mouth(touch.mouth), NONE
        else:
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

    def _unfold(self, colour: np.ndarray, step: np.ndarray, vertices: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """:meth:`Folds.unfolded` of coefficients of harmonics."""
        shares = as_array(self._avatar.folds.shares(vertices))[:, None]  # [S, 1]
        if not shares.any():
            return colour, step
        points, colour, step = self._folded, colour.copy(), step.copy()
        colour[points] += shares * (self._beside - colour[points])
        step[points] *= 1.0 - shares
        return colour, step

    @property
    def _slots(self) -> np.ndarray:
        return np.full(self._visible + self._mirrored, -1, np.int32)

    def _describe(
        self, points: np.ndarray, residual: np.ndarray, colour: np.ndarray, logits: np.ndarray, added: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Tangents ``[N, 6]``, gates ``[N]`` and parameters ``[N + M, 20]``, the last M rows not yet filled in."""
        visible = self._visible
        steps, gates = np.empty((visible, 6), np.float32), np.empty(visible, np.float32)
        parameters = np.empty((len(points), PARAMETERS), np.float32)
        slots = self._slots if self._decoder is None else self._decoder.slots
        run_ranges(
            describe_visible, visible, CHUNK, points, self._rest, self._neighbours, self._bounds, colour,
            logits, added, slots, residual, steps, gates, parameters,
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
            describe_mirrored, self._mirrored, CHUNK, visible, self._twins, self._signs, self._light, taps, shares,
            learned, parameters,
        )  # fmt: skip
        return learned


class _Bound(NamedTuple):
    """A binding as arrays for the kernels."""

    vertices: np.ndarray
    weights: np.ndarray
    part: np.ndarray
    gaze: np.ndarray


def _flat(binding: Binding) -> _Bound:
    return _Bound(
        as_array(binding.vertices).astype(np.int32),
        as_array(binding.weights),
        as_array(binding.part).astype(np.int32),
        as_array(binding.gaze),
    )


def _mirror_signs() -> Tensor:
    """Factors of the mirror at x = 0 for each parameter, ``[20]``."""
    one = GaussianParameters(torch.ones(1, 3), torch.ones(1, 4), torch.ones(1, 4, 3), torch.ones(1))
    return one.mirror().flatten()[0]
