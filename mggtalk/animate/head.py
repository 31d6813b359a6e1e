"""Heads, which make the Gaussians of a frame: what each must offer, and the one that SGP predicts from a portrait."""

from __future__ import annotations

import copy
from functools import cached_property
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from mggtalk.avatar.adapter import Touch
from mggtalk.avatar.avatar import Avatar
from mggtalk.avatar.touches import Touches
from mggtalk.avatar.turning import turn_opacities, turn_shares
from mggtalk.face.face_model import FaceModel
from mggtalk.motion.deformation import DeformationMLP, Driven, drive
from mggtalk.scene import Gaussians, MotionFrame
from mggtalk.sgp.compiled.predictor import CpuPredictor, Residuals
from mggtalk.sgp.predictor import SymmetricGaussianPredictor


class SplatParts(NamedTuple):
    """Gaussians of a frame, or of B frames, in the head frame, and how many of them come from where.

    The counts have the order of the Gaussians: one set can be drawn as it is, and each part is a slice of it.
    """

    gaussians: Gaussians  # [..., N, *]
    visible: int = 0  # what the portrait shows
    mirrored: int = 0  # their mirrored twins
    children: int = 0  # of both, in the same order
    back: int = 0  # of the head
    mouth: int = 0  # the sheet behind the lips; 0 where closed lips hide it

    @property
    def counts(self) -> dict[str, int]:
        """Number of Gaussians by the name of their part, in their order."""
        return {name: getattr(self, name) for name in SplatParts._fields[1:]}

    def part(self, name: str) -> Gaussians:
        """The Gaussians of one part, such as ``mouth``."""
        start = 0
        for other, count in self.counts.items():
            if other == name:
                return Gaussians(*(field.narrow(axis, start, count) for field, axis in self._fields_and_axes()))
            start += count
        raise KeyError(name)

    def _fields_and_axes(self) -> list[tuple[Tensor, int]]:
        """Each field with its axis of Gaussians."""
        batch = self.gaussians.opacities.ndim - 1
        return [(field, batch) for field in self.gaussians]


class Head(Protocol):
    """A head that an animator can draw: one made from a portrait, an adapted one, a person-specific field."""

    @property
    def avatar(self) -> Avatar:
        """Gives plates, the portrait's own view and its size; on the head's device."""

    @property
    def device(self) -> torch.device:
        """The device on which the Gaussians are made."""

    def splats(self, frame: MotionFrame) -> SplatParts:
        """Make the Gaussians of a frame, or of B frames, with gradients where they are wanted."""

    @property
    def compiled(self) -> CompiledHead | None:
        """The same for one frame on a CPU, without gradients and faster; None where there is no such twin."""


class PortraitHead:
    """The head of an avatar, with what its adapter adds: eq. 9, then eq. 4 to 6.

    Args:
        avatar: The prepared portrait.
        face_model: The landmark 3DMM.
        deformation: Residual of eq. 9.
        sgp: Symmetric Gaussian prediction.
        dense: Whether children are made; where they would be smaller than a pixel the coarse set will do.
    """

    def __init__(
        self,
        avatar: Avatar,
        face_model: FaceModel,
        deformation: DeformationMLP,
        sgp: SymmetricGaussianPredictor,
        dense: bool,
    ) -> None:
        self.device = next(sgp.parameters()).device
        self.avatar = avatar = avatar.to(self.device)
        self.face_model = face_model if self.device.type == "cpu" else copy.deepcopy(face_model).to(self.device)
        self.deformation = deformation
        self.sgp = sgp
        self.dense = dense
        with torch.no_grad():
            self.features = sgp.features(avatar)  # F, the same for all frames
        if not dense and avatar.coarse_colour is not None:
            self.avatar = avatar.with_(colour=avatar.coarse_colour, coarse_colour=avatar.coarse_colour)
        self.touches = Touches.of(self.avatar)

    def splats(self, frame: MotionFrame) -> SplatParts:
        """See :class:`Head`."""
        return self.parts(self.turn(self.predict(self.drive(frame)), frame))

    def drive(self, frame: MotionFrame) -> Driven:
        """Eq. 9: points and mesh for ``beta_d [..., K]``."""
        return drive(self.deformation, self.face_model, self.avatar, frame.expression, self.touch(frame))

    def predict(self, driven: Driven) -> Gaussians:
        """Eq. 4 to 6: the dense or the coarse set."""
        return (self.sgp.dense if self.dense else self.sgp.coarse)(self.avatar, driven, self.features)

    def turn(self, gaussians: Gaussians, frame: MotionFrame) -> Gaussians:
        """Show what belongs to the pose of a frame, or of B frames."""
        sets, turning = 2 if self.dense and self.sgp.densify.enabled else 1, self.avatar.turning
        return turn_opacities(gaussians, turning, turn_shares(self.avatar.source, frame, turning), sets)

    def vertices(self, expression: Tensor) -> Tensor:
        """Driven face model ``[..., V, 3]``, without the adapter's part."""
        return self.deformation.drive(self.face_model, self.avatar, expression)

    def touch(self, frame: MotionFrame) -> Touch | None:
        """Compute what the avatar's adapter adds, if it has one."""
        if self.touches is None:
            return None
        return torch.vmap(self.touches)(frame) if frame.expression.ndim > 1 else self.touches(frame)

    def parts(self, gaussians: Gaussians) -> SplatParts:
        """Count where the Gaussians of a set come from."""
        visible, mirrored = len(self.avatar.points), len(self.avatar.mirrored)
        children = visible + mirrored if self.dense and self.sgp.densify.enabled else 0
        back = len(self.avatar.back.means)
        mouth = gaussians.opacities.shape[-1] - visible - mirrored - children - back
        return SplatParts(gaussians, visible, mirrored, children, back, mouth)

    @cached_property
    def compiled(self) -> CompiledHead | None:
        """See :class:`Head`; its networks have the weights of the first call."""
        with torch.inference_mode():
            if not CpuPredictor.suits(self.sgp, self.avatar, self.features):
                return None
            return CompiledHead(self, CpuPredictor(self.sgp, self.avatar, self.features, self.dense))


class CompiledHead:
    """The compiled twin of :class:`PortraitHead`, for one frame at a time. Threads may call it at once."""

    def __init__(self, head: PortraitHead, predictor: CpuPredictor) -> None:
        self._head, self._predictor = head, predictor

    @property
    def learned(self) -> bool:
        """Whether there are decoders to ask, which key frames save."""
        return self._predictor.learned

    @torch.inference_mode()
    def splats(
        self, frame: MotionFrame, residuals: Residuals | None = None, touch: Touch | None = None
    ) -> tuple[SplatParts, Residuals]:
        """Make the Gaussians of a frame.

        Args:
            frame: The frame.
            residuals: Taken instead of asking the decoders.
            touch: Taken instead of asking the avatar's adapter.

        Returns:
            The Gaussians, and the residuals that went into them.
        """
        head = self._head
        vertices, touch = head.vertices(frame.expression), head.touch(frame) if touch is None else touch
        gaussians, residuals = self._predictor(vertices, frame.expression, residuals, touch)
        return head.parts(head.turn(gaussians, frame)), residuals
