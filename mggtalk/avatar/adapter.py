"""An adapter: the few weights that make an avatar of one person look as this person does in a clip.

What a portrait cannot tell (teeth, wrinkles, how light falls on a turned head) is learned as *Gaussian blendshapes*.
In each region of the head a code says how near the frame is to K typical expressions or poses of this person, as
shares that sum to one, and the residual of the frame is the share-weighted sum of K small maps::

    a_k = softmax_k(-|A f - o - c_k|^2 / 2),   f = (beta_d, pose),   residual = sum_k a_k M_k

So the residual of all frames together is a matrix of rank K: what a low-rank update of the decoders could add, without
running them. Shares cannot leave the span of what the clip showed: far from it the nearest typical frame holds. All
maps start at zero, and an avatar without an adapter does not know that there are any.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from mggtalk.config import EXPRESSION_COMPONENTS
from mggtalk.scene import MotionFrame

FEATURES = EXPRESSION_COMPONENTS + 12
"""Length of f: expression, head rotation, head translation."""

CHANNELS = 7
"""Of a map: displacement (3), RGB (3), logit of the opacity."""

SHIFT = 3.0
"""Displacement that the value 1 stands for, pixels of the position map."""

LOGIT = 4.0
"""Change of the opacity's logit that the value 1 stands for."""


REGIONS = ("head", "eyes", "mouth")
"""Names of the regions."""


NO_PARAMETERS, NO_MOUTH = torch.zeros(0, 20), torch.zeros(0, 23)
"""What a touch has that leaves raw parameters, or the sheet of the mouth, as they are."""


class Region(NamedTuple):
    """Blendshapes of a part of the head; K typical frames."""

    axes: Tensor  # [D, F] A
    origin: Tensor  # [D] o
    centres: Tensor  # [K, D] c_k
    bounds: Tensor  # [4] int64 first row, end row, first column, end column on the position map
    vertices: Tensor  # [K, V, 3] displacement of the face model, as in CHANNELS
    maps: Tensor  # [K, 7, h, w] for the points; stretched over the bounds
    sheet: Tensor  # [K, 7, R, C] for the inside of the mouth; K is 0 where the region has none

    def shares(self, frame: MotionFrame) -> Tensor:
        """Compute how near a frame is to each typical one, ``[K]``, sum 1."""
        place = self.axes @ features(frame) - self.origin  # [D]
        return torch.softmax(-0.5 * (self.centres - place).square().sum(-1), dim=0)


class Adapter(NamedTuple):
    """All regions, and what holds in every frame."""

    head: Region
    eyes: Region
    mouth: Region
    colour: Tensor  # [6, H, W] RGB of parents and of children, in every frame

    def regions(self) -> tuple[Region, ...]:
        """All regions."""
        return self.head, self.eyes, self.mouth

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by name, such as ``mouth.maps``."""
        named = {f"{name}.{part}": getattr(self, name)._asdict()[part] for name in REGIONS for part in Region._fields}
        return {**named, "colour": self.colour}

    @staticmethod
    def of(tensors: dict[str, Tensor]) -> Adapter:
        """The adapter of :meth:`tensors`."""
        head, eyes, mouth = (Region(*(tensors[f"{name}.{part}"] for part in Region._fields)) for name in REGIONS)
        return Adapter(head, eyes, mouth, tensors["colour"])

    def to(self, device: torch.device | str) -> Adapter:
        """A copy on a device; bounds stay on the host."""
        moved = {name: value if name.endswith("bounds") else value.to(device) for name, value in self.tensors().items()}
        return Adapter.of(moved)


class Touch(NamedTuple):
    """Addition of an adapter to one frame of an avatar with N visible points."""

    vertices: Tensor  # [V, 3] decimetres, to the driven face model
    points: Tensor  # [N, 3] decimetres
    colour: Tensor  # [N, 3] RGB of the parents
    colour_step: Tensor  # [N, 3] RGB of the children less that of the parents
    logits: Tensor  # [N]
    sheet: Tensor  # [R*C, 7] decimetres, RGB, logit
    parameters: Tensor = NO_PARAMETERS  # [N, 20] to the raw parameters, no rows: none
    mouth: Tensor = NO_MOUTH  # [Q, 23] Gaussians in place of the sheet: places, raw parameters; no rows: the sheet


class Touching(Protocol):
    """Makes the touch of each frame of one avatar."""

    def __call__(self, frame: MotionFrame) -> Touch:
        """The touch of a frame; ``torch.vmap`` makes those of several."""


class PersonalField(Protocol):
    """A person-specific head that is no set of blendshapes, such as TalkingGaussian's: an adapter all the same."""

    def touches(self, avatar: Any) -> Touching:  # an Avatar, which carries adapters itself
        """The maker of its touches, for the avatar that it was learned for."""

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by name."""

    def to(self, device: torch.device | str) -> Any:
        """The same on a device."""


def features(frame: MotionFrame) -> Tensor:
    """Collect what codes see of a frame, ``[..., F]``."""
    return torch.cat([frame.expression, frame.rotation.flatten(-2), frame.translation], dim=-1)
