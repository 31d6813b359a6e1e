"""Gaussian parameters before activation: what the decoders of SGP add their residuals to.

Its compiled twin: :mod:`mggtalk.sgp.compiled.kernels`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mggtalk.geometry import mirror_harmonics, mirror_quaternions
from mggtalk.render.constants import SH_0
from mggtalk.scene import Gaussians

CHANNELS = {"log_scales": 3, "quaternions": 4, "harmonics": 12, "logits": 1}
"""The paper's 20 channels: s, r, c and o."""


class GaussianParameters(NamedTuple):
    """Raw parameters of N points, of one frame or of B; :meth:`activate` turns them into Gaussians."""

    log_scales: Tensor  # [N, 3] logarithm of the standard deviations in decimetres
    quaternions: Tensor  # [N, 4] w, x, y, z
    harmonics: Tensor  # [N, 4, 3] degree-1 SH in the order (1, y, z, x)
    logits: Tensor  # [N] logit of the opacity

    def activate(self, means: Tensor) -> Gaussians:
        """Gaussians at the positions ``means [..., N, 3]``: exp, normalise, sigmoid, as splatter images have them."""
        return Gaussians(
            means=means,
            quaternions=torch.nn.functional.normalize(self.quaternions, dim=-1),
            scales=self.log_scales.exp(),
            opacities=self.logits.sigmoid(),
            harmonics=self.harmonics,
        )

    @staticmethod
    def of(flat: Tensor) -> GaussianParameters:
        """The parameters of :meth:`flatten`, ``[..., N, 20]``."""
        s, r, c, o = flat.split(list(CHANNELS.values()), dim=-1)
        return GaussianParameters(s, r, c.unflatten(-1, (4, 3)), o.squeeze(-1))  # c: [..., N, 4, 3]

    def mirror(self) -> GaussianParameters:
        """The exact mirror of every parameter at x = 0."""
        return self._replace(
            quaternions=mirror_quaternions(self.quaternions), harmonics=mirror_harmonics(self.harmonics)
        )

    def add(self, residual: Tensor) -> GaussianParameters:
        """Add a residual ``[..., N, 20]`` in the order of :data:`CHANNELS`."""
        s, r, c, o = residual.split(list(CHANNELS.values()), dim=-1)
        return GaussianParameters(
            log_scales=self.log_scales + s,
            quaternions=self.quaternions + r,
            harmonics=self.harmonics + c.unflatten(-1, (4, 3)),  # [..., N, 4, 3]
            logits=self.logits + o.squeeze(-1),
        )

    def paint(self, colours: Tensor) -> GaussianParameters:
        """Add RGB ``[..., N, 3]`` that looks the same from everywhere."""
        constant = self.harmonics[..., :1, :] + colours[..., None, :] / SH_0  # [..., N, 1, 3]
        return self._replace(harmonics=torch.cat([constant, self.harmonics[..., 1:, :]], dim=-2))

    def add_at(self, index: Tensor, residual: Tensor) -> GaussianParameters:
        """Add a residual ``[..., Q, 20]`` to the points ``index [Q]``, which are all different."""
        changed = self.select(index).add(residual)
        return GaussianParameters(*(old.index_copy(self.axis, index, new) for old, new in zip(self, changed)))

    def flatten(self) -> Tensor:
        """All parameters as ``[..., N, 20]``."""
        parts = [self.log_scales, self.quaternions, self.harmonics.flatten(-2), self.logits[..., None]]
        return torch.cat(parts, dim=-1)

    def select(self, index: Tensor) -> GaussianParameters:
        """The points ``index [Q]``."""
        return GaussianParameters(*(field.index_select(self.axis, index) for field in self))

    def followed_by(self, other: GaussianParameters) -> GaussianParameters:
        """These points and further ones of the same frames."""
        return GaussianParameters(*(torch.cat(pair, dim=self.axis) for pair in zip(self, other)))

    @property
    def axis(self) -> int:
        """The axis of the points: 0, or 1 behind that of the frames."""
        return self.logits.ndim - 1


def concatenate(parts: list[Gaussians]) -> Gaussians:
    """One set of several. Where the first has an axis of frames, others without one are the same in all of them."""
    batch = parts[0].opacities.shape[:-1]

    def in_all_frames(part: Gaussians) -> Gaussians:
        known = part.opacities.ndim > len(batch)
        return part if known else Gaussians(*(field.expand(*batch, *field.shape) for field in part))

    return Gaussians(*(torch.cat(fields, dim=len(batch)) for fields in zip(*map(in_all_frames, parts))))
