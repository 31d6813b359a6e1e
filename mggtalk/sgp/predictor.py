"""Symmetric Gaussian prediction as a whole: an avatar and an expression become Gaussians (eq. 4 to 6).

Its compiled twin: :mod:`mggtalk.sgp.compiled.predictor`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from mggtalk.avatar.avatar import Avatar
from mggtalk.config import SGPConfig
from mggtalk.geometry import mirror_points
from mggtalk.motion.deformation import Driven
from mggtalk.render.constants import SH_0
from mggtalk.render.harmonics import harmonics_from_colour
from mggtalk.scene import Gaussians
from mggtalk.sgp.densify import Densify
from mggtalk.sgp.footprint import Footprint, footprint, scales_and_rotation
from mggtalk.sgp.gate import change_gate
from mggtalk.sgp.gaussian_decoder import GaussianDecoder
from mggtalk.sgp.identity_encoder import IdentityEncoder
from mggtalk.sgp.mouth.decoder import MouthDecoder
from mggtalk.sgp.parameters import GaussianParameters, concatenate
from mggtalk.sgp.sym_decoder import SymGaussianDecoder

SPREAD = 0.62
"""Standard deviation of a Gaussian over the distance to its neighbour on the position map."""

OPACITY_MARGIN = 4e-3
"""Opacities are kept this far from 0 and 1, where their logits are infinite."""


class SplatSets(NamedTuple):
    """Both renditions of eq. 6: ``coarse`` before densification, ``dense`` after."""

    coarse: Gaussians
    dense: Gaussians


class _Decoded(NamedTuple):
    """A frame, or B frames, before densification."""

    points: Tensor  # [..., N + M, 3] visible, then mirrored
    parameters: GaussianParameters  # of the same points
    surface: Footprint  # [..., N] tangents of the visible points
    gate: Tensor  # [..., N] how far their residuals are let through
    colour_step: Tensor  # [..., N, 3] RGB of the children less that of their parents
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

    def features(self, avatar: Avatar) -> Tensor | None:
        """Identity features F of an avatar ``[1, C, H/stride, W/stride]``; None while nothing would use them."""
        if self.decoder.untrained and self.sym_decoder.untrained and self.densify.untrained:
            return None
        return self.identity_encoder(avatar.head_image)

    def trained_parts(self) -> list[str]:
        """Names of the modules that do something: the others are not worth a file."""
        parts = ("decoder", "sym_decoder", "mouth_decoder", "densify")
        trained = [name for name in parts if not getattr(self, name).untrained]
        return trained if trained in ([], ["mouth_decoder"]) else ["identity_encoder", *trained]

    def forward(self, avatar: Avatar, driven: Driven, features: Tensor | None = None) -> SplatSets:
        """Predict the Gaussians of one frame, or of B.

        ::

            P_d ──► footprint ──► scale, rotation ─┐
            portrait ───────────► colour, opacity ─┴─► + D_gs(F, P_d) ──► G_d ─────────────┐
                                                                │ exact mirror             ├─► densify ─► G_den
                                                                └─► + D_gs^s ──► G_d^s ────┘
            lips ──► mouth sheet ──► + mouth decoder ──────────────────────────────────────► behind both

        Args:
            avatar: The prepared portrait.
            driven: Its driven geometry.
            features: From :meth:`features`, the same for all frames of an avatar; computed here if None.

        Returns:
            The coarse and the dense set.
        """
        features = self.features(avatar) if features is None else features
        parts = self._decode(avatar, driven, features)
        coarse = concatenate([parts.parameters.activate(parts.points), *parts.rest])
        return SplatSets(coarse, self._densify(avatar, parts, features))

    def coarse(self, avatar: Avatar, driven: Driven, features: Tensor | None = None) -> Gaussians:
        """The coarse set alone: all that a picture no finer than the position map needs. See :meth:`forward`."""
        features = self.features(avatar) if features is None else features
        parts = self._decode(avatar, driven, features)
        return concatenate([parts.parameters.activate(parts.points), *parts.rest])

    def dense(self, avatar: Avatar, driven: Driven, features: Tensor | None = None) -> Gaussians:
        """The dense set alone: all that a finer picture needs. See :meth:`forward`."""
        features = self.features(avatar) if features is None else features
        return self._densify(avatar, self._decode(avatar, driven, features), features)

    def _decode(self, avatar: Avatar, driven: Driven, features: Tensor | None) -> _Decoded:
        """Everything before densification."""
        # Gradients reach the geometry through the positions alone: those of tangents explode where points coincide.
        surface = footprint(driven.points.detach(), avatar.neighbours, float(avatar.pixel_size))
        moved = (driven.points - avatar.points).detach()  # [..., N, 3]
        gate = change_gate(moved, surface, float(avatar.pixel_size))
        colour, colour_step = self._colours(avatar, driven)
        visible = self._visible(avatar, driven, surface, gate, features, colour)
        mirrored = self._mirrored(avatar, driven, visible, features)
        touch = driven.touch
        if touch is not None and touch.mouth.shape[-2]:
            mouth = own_mouth(touch.mouth)
        else:
            sheet = None if touch is None else touch.sheet
            mouth = self.mouth_decoder(avatar.mouth, driven.vertices, driven.expression, sheet)
        return _Decoded(
            points=torch.cat([driven.points, driven.mirrored], dim=-2),
            parameters=visible.followed_by(mirrored),
            surface=surface,
            gate=gate,
            colour_step=colour_step,
            rest=(avatar.back, mouth),
        )

    def _densify(self, avatar: Avatar, parts: _Decoded, features: Tensor | None) -> Gaussians:
        """Eq. 6: parents, children, and what has no children."""
        if not self.densify.enabled:
            return concatenate([parts.parameters.activate(parts.points), *parts.rest])
        learned = features is not None and not self.densify.untrained
        # A mirrored child is gated like its twin's.
        parents, children = self.densify(
            parts.points,
            parts.parameters,
            _with_twins(parts.surface, avatar.mirrored),
            torch.cat([parts.colour_step, parts.colour_step[..., avatar.mirrored, :]], dim=-2),
            self.pixel_features(avatar, features) if features is not None and learned else None,
            torch.cat([parts.gate, parts.gate[..., avatar.mirrored]], dim=-1) if learned else None,
        )
        return concatenate([parents, children, *parts.rest])

    def _colours(self, avatar: Avatar, driven: Driven) -> tuple[Tensor, Tensor]:
        """RGB of the visible points ``[..., N, 3]``, and of their children less that of their parents."""
        colour, step = avatar.colour, avatar.colour_step
        if driven.touch is not None:
            colour, step = colour + driven.touch.colour, step + driven.touch.colour_step
        return avatar.folds.unfolded(colour, step, driven.vertices)

    def _visible(
        self,
        avatar: Avatar,
        driven: Driven,
        surface: Footprint,
        gate: Tensor,
        features: Tensor | None,
        colour: Tensor,
    ) -> GaussianParameters:
        """Eq. 4: parameters ``G_d`` of the visible points, of a colour ``[..., N, 3]``."""
        log_scales, quaternions = scales_and_rotation(surface, SPREAD)
        logits = torch.logit(avatar.opacity, eps=OPACITY_MARGIN)
        if driven.touch is not None:
            logits = logits + driven.touch.logits
        points = driven.points
        harmonics = harmonics_from_colour(colour.expand_as(points))
        base = GaussianParameters(log_scales, quaternions, harmonics, logits.expand(points.shape[:-1]))
        if driven.touch is not None and driven.touch.parameters.shape[-2]:
            base = base.add(driven.touch.parameters)
        if features is None or self.decoder.untrained:
            return base
        window = avatar.window
        # An adapter learns from the splats: gradients through what the decoder sees would cost more than all the rest.
        points = points if driven.touch is None else points.detach()
        maps = window.scatter(points)  # [B, 3, h, w]
        residual = self.decoder(
            window.crop(features, self.decoder.stride).expand(len(maps), -1, -1, -1),
            maps,
            window.scatter(points - avatar.points),
            (driven.expression - avatar.expression).view(len(maps), -1),
        )  # [B, 20, h, w]
        found = window.gather(residual).view(*points.shape[:-2], len(window.points), -1)  # [..., Q, 20]
        return base.add_at(window.points, found * gate[..., window.points, None])

    def _mirrored(
        self, avatar: Avatar, driven: Driven, visible: GaussianParameters, features: Tensor | None
    ) -> GaussianParameters:
        """Eq. 10: parameters ``G_d^s`` of the mirrored points."""
        base = visible.select(avatar.mirrored).mirror()
        base = base._replace(harmonics=base.harmonics.clone())
        base.harmonics[..., 0, :] += avatar.mirrored_colour / SH_0
        if features is None or self.sym_decoder.untrained or not len(avatar.mirrored):
            return base
        twin = visible.mirror().flatten()  # [..., N, 20]
        positions = torch.zeros_like(driven.points).index_copy(-2, avatar.mirrored, driven.mirrored)
        maps = [avatar.position_map(part).view(-1, part.shape[-1], *avatar.mask.shape) for part in (positions, twin)]
        residual = self.sym_decoder(features.expand(len(maps[0]), -1, -1, -1), *maps)  # [B, 20, H, W]
        residual = avatar.from_map(residual).view_as(twin)
        return base.add(residual[..., avatar.mirrored, :])  # [..., M, 20]

    def pixel_features(self, avatar: Avatar, features: Tensor) -> Tensor:
        """Identity features ``[N + M, C]`` at the points' pixels."""
        height, width = features.shape[-2:]
        (rows, columns), (map_height, map_width) = avatar.cells, avatar.mask.shape  # [N]
        cells = (rows * height // map_height) * width + columns * width // map_width
        values = features[0].flatten(1).T[cells]  # [N, C]
        return torch.cat([values, values[avatar.mirrored]])


def own_mouth(flat: Tensor) -> Gaussians:
    """Gaussians of a mouth that an adapter brings: places and raw parameters ``[..., Q, 23]``."""
    return GaussianParameters.of(flat[..., 3:]).activate(flat[..., :3])


def _with_twins(surface: Footprint, mirrored: Tensor) -> Footprint:
    """Tangents of the visible points, then of the mirrored ones."""
    return Footprint(*(torch.cat([step, mirror_points(step[..., mirrored, :])], dim=-2) for step in surface))
