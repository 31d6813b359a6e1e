"""Symmetric Gaussian prediction as a whole: an avatar and an expression become Gaussians (eq. 4 to 6)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from mggtalk.avatar import Avatar
from mggtalk.config import SGPConfig
from mggtalk.gates import change_gate
from mggtalk.geometry import mirror_points
from mggtalk.motion.deformation import displacement
from mggtalk.render.harmonics import harmonics_from_colour
from mggtalk.scene import Gaussians
from mggtalk.sgp.densify import Densify
from mggtalk.sgp.footprint import Footprint, footprint, scales_and_rotation
from mggtalk.sgp.gaussian_decoder import GaussianDecoder
from mggtalk.sgp.identity_encoder import IdentityEncoder
from mggtalk.sgp.mouth import MouthDecoder
from mggtalk.sgp.parameters import GaussianParameters, concatenate
from mggtalk.sgp.sym_decoder import SymGaussianDecoder

SPREAD = 0.62
"""Standard deviation of a Gaussian over the distance to its neighbour on the position map."""


class SplatSets(NamedTuple):
    """Both renditions of eq. 6: ``coarse`` before densification, ``dense`` after."""

    coarse: Gaussians
    dense: Gaussians


class Driven(NamedTuple):
    """Geometry of one frame."""

    points: Tensor  # [N, 3] P_d
    mirrored: Tensor  # [M, 3] P_d^s
    vertices: Tensor  # [V, 3] driven face model
    expression: Tensor  # [K] beta_d


class _Decoded(NamedTuple):
    """A frame before densification."""

    points: Tensor  # [N + M, 3] visible, then mirrored
    parameters: GaussianParameters  # of the same points
    surface: Footprint  # [N] tangents of the visible points
    rest: tuple[Gaussians, Gaussians]  # back of the head and mouth, which have no children


class SymmetricGaussianPredictor(nn.Module):
    """SGP: Gaussian decoder, sym decoder, mouth decoder and densify."""

    def __init__(self, config: SGPConfig) -> None:
        super().__init__()
        self.identity_encoder = IdentityEncoder(config)
        self.decoder = GaussianDecoder(config)
        self.sym_decoder = SymGaussianDecoder(config)
        self.mouth_decoder = MouthDecoder(config)
        self.densify = Densify(config)

    def forward(self, avatar: Avatar, driven: Driven) -> SplatSets:
        """Predict the Gaussians of one frame.

        ::

            P_d ──► footprint ──► scale, rotation ─┐
            portrait ───────────► colour, opacity ─┴─► + D_gs(F, P_d) ──► G_d ─────────────┐
                                                                │ exact mirror             ├─► densify ─► G_den
                                                                └─► + D_gs^s ──► G_d^s ────┘
            lips ──► mouth sheet ──► + mouth decoder ──────────────────────────────────────► behind both

        Args:
            avatar: The prepared portrait.
            driven: Its driven geometry.

        Returns:
            The coarse and the dense set.
        """
        parts = self._decode(avatar, driven)
        coarse = concatenate([parts.parameters.activate(parts.points), *parts.rest])
        return SplatSets(coarse, self._densify(avatar, driven, parts))

    def dense(self, avatar: Avatar, driven: Driven) -> Gaussians:
        """The dense set alone: all that a picture needs. See :meth:`forward`."""
        return self._densify(avatar, driven, self._decode(avatar, driven))

    def _decode(self, avatar: Avatar, driven: Driven) -> _Decoded:
        """Everything before densification."""
        surface = footprint(driven.points, avatar.neighbours, float(avatar.pixel_size))
        visible = self._visible(avatar, driven, surface)
        mirrored = self._mirrored(avatar, driven, visible)
        mouth = self.mouth_decoder(avatar.mouth, driven.vertices, driven.expression, avatar.expression)
        return _Decoded(
            points=torch.cat([driven.points, driven.mirrored]),
            parameters=GaussianParameters(*(torch.cat(pair) for pair in zip(visible, mirrored))),
            surface=surface,
            rest=(avatar.back, mouth),
        )

    def _densify(self, avatar: Avatar, driven: Driven, parts: _Decoded) -> Gaussians:
        """Eq. 6: parents, children, and what has no children."""
        if not self.densify.enabled:
            return concatenate([parts.parameters.activate(parts.points), *parts.rest])
        parents, children = self.densify(
            parts.points,
            parts.parameters,
            _with_twins(parts.surface, avatar.mirrored),
            torch.cat([avatar.colour_step, avatar.colour_step[avatar.mirrored]]),
            None if self.densify.untrained else self._pixel_features(avatar),
            None if self.densify.untrained else self._child_gate(avatar, driven, parts.surface),
        )
        return concatenate([parents, children, *parts.rest])

    def _visible(self, avatar: Avatar, driven: Driven, surface: Footprint) -> GaussianParameters:
        """Eq. 4: parameters ``G_d`` of the visible points."""
        log_scales, quaternions = scales_and_rotation(surface, SPREAD)
        base = GaussianParameters(
            log_scales, quaternions, harmonics_from_colour(avatar.colour), torch.logit(avatar.opacity, eps=4e-3)
        )
        if self.decoder.untrained:
            return base
        change = driven.expression - avatar.expression
        residual = self.decoder(avatar.features, avatar.position_map(driven.points)[None], change[None])[0]
        gate = change_gate(driven.points - avatar.points, surface, float(avatar.pixel_size))
        return base.add(residual[:, avatar.mask].T * gate[:, None])  # [N, 20]

    def _mirrored(self, avatar: Avatar, driven: Driven, visible: GaussianParameters) -> GaussianParameters:
        """Eq. 10: parameters ``G_d^s`` of the mirrored points."""
        base = visible.select(avatar.mirrored).mirror()
        if self.sym_decoder.untrained or not len(avatar.mirrored):
            return base
        positions, twin = avatar.points.new_zeros(len(avatar.points), 3), visible.mirror().flatten()
        positions[avatar.mirrored] = driven.mirrored
        residual = self.sym_decoder(
            avatar.features, avatar.position_map(positions)[None], avatar.position_map(twin)[None]
        )[0]
        return base.add(residual[:, avatar.mask].T[avatar.mirrored])  # [M, 20]

    def _child_gate(self, avatar: Avatar, driven: Driven, surface: Footprint) -> Tensor:
        """Gate ``[N + M]`` of the children; the mirrored ones are not seen in the portrait and need none."""
        seen = change_gate(driven.points - avatar.points, surface, float(avatar.pixel_size))
        return torch.cat([seen, torch.ones_like(driven.mirrored[:, 0])])

    def _pixel_features(self, avatar: Avatar) -> Tensor:
        """Identity features ``[N + M, C]`` at the points' pixels."""
        features = avatar.features[0][:, avatar.mask].T  # [N, C]
        return torch.cat([features, features[avatar.mirrored]])


def drive_points(avatar: Avatar, vertices: Tensor, expression: Tensor) -> Driven:
    """The analytic part of eq. 9.

    Args:
        avatar: The prepared portrait.
        vertices: Driven face model ``V(beta_d) [V, 3]`` with the avatar's identity.
        expression: ``beta_d [K]``.

    Returns:
        Driven points of both halves.
    """
    moved = vertices - avatar.vertices
    points = avatar.points + displacement(avatar.binding, moved)
    return Driven(points, avatar.mirrored_points + displacement(avatar.mirrored_binding, moved), vertices, expression)


def _with_twins(surface: Footprint, mirrored: Tensor) -> Footprint:
    """Tangents of the visible points, then of the mirrored ones."""
    return Footprint(*(torch.cat([step, mirror_points(step[mirrored])]) for step in surface))
