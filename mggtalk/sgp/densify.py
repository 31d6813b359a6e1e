"""Densify, eq. 6: every Gaussian makes one child.

The analytic child sits half a pixel along both tangents, where the portrait has a colour of its own, and parent and
child share the parent's area between them. A 1x1 network adds a residual to the child's offset and attributes.

Its compiled twin: :mod:`mggtalk.sgp.compiled.kernels`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mggtalk.config import SGPConfig
from mggtalk.nets.unet import is_zero, zero_init
from mggtalk.render.constants import SH_0
from mggtalk.scene import Gaussians
from mggtalk.sgp.footprint import Footprint
from mggtalk.sgp.parameters import CHANNELS, GaussianParameters

SHARE = math.log(0.8)
"""Loss of parent and child in log-scale, so that together they cover the parent's area with the same softness."""


CLOSED = 0.01
"""Gate under which a child keeps its analytic place and attributes."""


class Densify(nn.Module):
    """Residual of the child on its parent's parameters and identity features."""

    def __init__(self, config: SGPConfig) -> None:
        super().__init__()
        self.enabled = config.densify
        self.body = nn.Sequential(nn.Linear(config.features + sum(CHANNELS.values()), config.child_width), nn.SiLU())
        self.last = zero_init(nn.Linear(config.child_width, 3 + sum(CHANNELS.values())))

    @property
    def untrained(self) -> bool:
        """Whether the residual is identically zero and nothing is learning it."""
        return not self.training and is_zero(self.last)

    def forward(
        self,
        means: Tensor,
        parents: GaussianParameters,
        surface: Footprint,
        colour_step: Tensor,
        features: Tensor | None = None,
        gate: Tensor | None = None,
    ) -> tuple[Gaussians, Gaussians]:
        """Parents and children of the dense set.

        Args:
            means: ``[..., N, 3]`` positions of the parents.
            parents: Their parameters.
            surface: Their tangents.
            colour_step: RGB of the portrait at the child's own place, less the parent's, ``[..., N, 3]``.
            features: Identity features at the parents' pixels, ``[N, C]``; without them there is no residual.
            gate: How far each residual is let through, ``[..., N]`` in [0, 1].

        Returns:
            Two sets of N Gaussians.
        """
        places = means + 0.5 * (surface.tangent_u + surface.tangent_v)
        base = parents.harmonics.clone()
        base[..., 0, :] += colour_step / SH_0
        shared = parents._replace(log_scales=parents.log_scales + SHARE)
        children = shared._replace(harmonics=base)
        if features is not None and gate is not None:
            # All points, though few are open: to pick those would make a GPU wait. On a CPU, kernels of their own do.
            open_ = torch.where(gate > CLOSED, gate, 0.0)[..., None]  # [..., N, 1]
            known = parents.flatten()  # [..., N, 20]
            seen = torch.cat([features.expand(*known.shape[:-1], -1), known], dim=-1)
            residual = open_ * self.last(self.body(seen))  # [..., N, 23]
            reach = 0.5 * surface.tangent_u.norm(dim=-1, keepdim=True)
            places = places + torch.tanh(residual[..., :3]) * reach
            children = children.add(residual[..., 3:])
        return shared.activate(means), children.activate(places)
