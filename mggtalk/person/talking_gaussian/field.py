"""The persistent Gaussian field of a head, and what motion does to it (TalkingGaussian, eq. 1 to 6).

Every visible point of the avatar is one Gaussian of the face's branch::

    theta_i(t) = theta_avatar,i(beta_d) + theta_i + delta_i(beta_d)

``theta_avatar`` is what MGGTalk has there anyway (eq. 9 moves it, with the rig of the person; its footprint gives scale
and rotation), ``theta_i`` is the persistent parameter, learned and the same in all frames, and ``delta_i`` the learned
motion, which only moves, stretches and turns. All but the rig start at zero: a head that has learned nothing is the
avatar.
"""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mggtalk.avatar.adapter import NO_MOUTH, Touch
from mggtalk.avatar.avatar import Avatar
from mggtalk.config import EXPRESSION_COMPONENTS
from mggtalk.person.talking_gaussian.colour import ColourMLP
from mggtalk.person.talking_gaussian.conditions import Conditions
from mggtalk.person.talking_gaussian.config import FieldConfig
from mggtalk.person.talking_gaussian.drift import Drift
from mggtalk.person.talking_gaussian.light import Light
from mggtalk.person.talking_gaussian.linear_map import LinearMap
from mggtalk.person.talking_gaussian.motion import FaceMotion, FaceMove
from mggtalk.person.talking_gaussian.mouth import MouthBranch
from mggtalk.person.talking_gaussian.rig import Rig
from mggtalk.person.talking_gaussian.triplane import TriPlane
from mggtalk.scene import MotionFrame

CHANNELS = {"points": 3, "shape": 7, "colour": 3, "directional": 9, "logits": 1}
"""Persistent parameters of a Gaussian: place (decimetres), log-scales and quaternion, RGB, harmonics of degree 1, logit
of the opacity."""

MOVING = 0.6
"""A point has a learned motion when the face model holds so much of it: hair and ears do not."""


MOST_SIDE, MOST_MOUTH = 1024, 8192
"""Side of a position map and Gaussians of a mouth, at most, that a file may have."""


COARSE, BLOCK = ("points", "colour"), 8
"""Parameters that have a second map of so much larger pixels: by it, what whole regions have in common, such as their
light, is learned in tens of steps."""

SQUARE = 2
"""Side of the squares of the position map that share a learned motion."""


class PersistentField(nn.Module):
    """Persistent parameters of the avatar's visible points, kept as maps over the head's part of the position map."""

    bounds: Tensor  # [4] int64 first row, end row, first column, end column
    points: nn.Parameter  # [3, h, w], and so on: see CHANNELS
    shape: nn.Parameter
    colour: nn.Parameter
    directional: nn.Parameter
    logits: nn.Parameter
    coarse_points: nn.Parameter  # [3, h / BLOCK, w / BLOCK]
    coarse_colour: nn.Parameter

    def __init__(self, bounds: Tensor) -> None:
        super().__init__()
        self.register_buffer("bounds", bounds)
        first_row, end_row, first_column, end_column = bounds.tolist()
        self.size = size = (end_row - first_row, end_column - first_column)
        for name, channels in CHANNELS.items():
            self.register_parameter(name, nn.Parameter(torch.zeros(channels, *size)))
        for name in COARSE:
            small = (-(-side // BLOCK) for side in size)
            self.register_parameter(f"coarse_{name}", nn.Parameter(torch.zeros(CHANNELS[name], *small)))

    def cells(self, avatar: Avatar) -> Tensor:
        """Row-major places ``[N]`` of the avatar's visible points on the maps."""
        first_row, end_row, first_column, end_column = self.bounds.tolist()
        rows, columns = avatar.cells
        rows, columns = rows.clamp(first_row, end_row - 1), columns.clamp(first_column, end_column - 1)
        return (rows - first_row) * (end_column - first_column) + columns - first_column

    def at(self, cells: Tensor) -> dict[str, Tensor]:
        """Parameters of the points at some cells: ``[N, channels]`` by name."""
        found = {name: getattr(self, name) for name in CHANNELS}
        for name in COARSE:
            coarse = getattr(self, f"coarse_{name}")[None]  # [1, channels, h / BLOCK, w / BLOCK]
            smooth = F.interpolate(coarse, size=found[name].shape[1:], mode="bilinear", align_corners=False)[0]
            found[name] = found[name] + smooth
        return {name: value.flatten(1)[:, cells].T for name, value in found.items()}


class TalkingGaussian(nn.Module):
    """The head of one person: persistent field, motion field, and a branch for the inside of the mouth.

    Args:
        config: Sizes.
        bounds: Of the head on the position map ``[4]``.
        mouth: Number of Gaussians inside the mouth; 0 for none.
        components: K, length of an expression.
    """

    def __init__(
        self, config: FieldConfig, bounds: Tensor, mouth: int = 0, components: int = EXPRESSION_COMPONENTS
    ) -> None:
        super().__init__()
        self.config = config
        self.conditions = Conditions(components, config.axes)
        self.rig = Rig(components) if config.rig else None
        self.face = PersistentField(bounds)
        self.light = Light(self.face.size, config.axes) if config.light else None
        self.drift = Drift(self.face.size, config.axes) if config.drift else None
        self.planes = TriPlane(config.face_grid)
        self.motion = FaceMotion(config)
        self.colour = ColourMLP(config) if config.colour else None
        self.mouth = MouthBranch(config, mouth, components) if mouth else None

    def touches(self, avatar: Avatar) -> FieldTouches:
        """See :class:`mggtalk.avatar.adapter.PersonalField`."""
        return FieldTouches(self, avatar)

    def tensors(self) -> dict[str, Tensor]:
        """See :class:`mggtalk.avatar.adapter.PersonalField`; ``config`` is the configuration, as bytes."""
        config = torch.frombuffer(bytearray(self.config.to_json().encode()), dtype=torch.uint8)
        return {name: value.detach() for name, value in self.state_dict().items()} | {"config": config}

    def to(self, device: torch.device | str) -> TalkingGaussian:  # type: ignore[override]
        """A copy on a device; bounds stay on the host."""
        moved = copy.deepcopy(self)
        bounds = moved.face.bounds
        nn.Module.to(moved, device)
        moved.face.bounds = bounds
        return moved

    @staticmethod
    def of(tensors: dict[str, Tensor]) -> TalkingGaussian:
        """The head of :meth:`tensors`, in any precision, believing nothing that they say.

        Raises:
            KeyError: If one is missing.
            ValueError: If a size is out of range, or a number is not finite.
            RuntimeError: If names or shapes do not fit.
        """
        config = FieldConfig.from_json(tensors["config"].to(torch.uint8).numpy().tobytes().decode())
        state = {name: value if name == "face.bounds" else value.float() for name, value in tensors.items()}
        del state["config"]
        bounds, mouth = state["face.bounds"].long(), 0
        steps = bounds.view(-1, 2).diff(dim=1) if bounds.shape == (4,) else torch.zeros(1)
        if int(steps.min()) < 1 or int(bounds.min()) < 0 or int(bounds.max()) > MOST_SIDE:
            raise ValueError(f"its bounds are {bounds.tolist()!r:.60}")
        if "mouth.rest" in state:
            mouth = len(state["mouth.rest"])
            if not 0 < mouth <= MOST_MOUTH:
                raise ValueError(f"its mouth has {mouth} Gaussians")
        if not all(bool(value.isfinite().all()) for value in state.values()):
            raise ValueError("it has numbers that are not finite")
        with torch.random.fork_rng(devices=[]):  # building networks draws random numbers
            field = TalkingGaussian(config, bounds, mouth)
        field.load_state_dict(state)
        return field.requires_grad_(requires_grad=False)


class _Places(NamedTuple):
    """What the motion fields see of the places that move."""

    face: Tensor  # [A, C] codes of the anchors
    mouth: Tensor  # [Q, C]


class Anchors(NamedTuple):
    """Places at which the face's motion is asked for: one for each square of neighbours on the position map.

    The finest cells of the tri-plane are several times larger than such a square, so that nothing is lost.
    """

    rest: Tensor  # [A, 3] mean place in the portrait, head frame
    of_point: Tensor  # [P] which anchor each moving point belongs to

    @staticmethod
    def of(avatar: Avatar, moving: Tensor) -> Anchors:
        """The anchors of an avatar's moving points ``[P]``."""
        rows, columns = (place[moving] // SQUARE for place in avatar.cells)  # [P]
        _, of_point, counts = torch.unique(
            rows * avatar.mask.shape[1] + columns, return_inverse=True, return_counts=True
        )
        rest = avatar.points.new_zeros(len(counts), 3).index_add(0, of_point, avatar.points[moving])  # [A, 3]
        return Anchors(rest / counts[:, None], of_point)


class FieldTouches:
    """Makes the touches of one avatar.

    Args:
        field: Its present values are taken in every call while anything in it learns; else codes are found once.
        avatar: Whose points it moves; an adapter of its own is not looked at.
    """

    def __init__(self, field: TalkingGaussian, avatar: Avatar) -> None:
        self.field = field
        self.cells = field.face.cells(avatar)  # [N]
        self._moving = moving_points(avatar)  # [P]
        self._anchors = Anchors.of(avatar, self._moving)
        learning = any(parameter.requires_grad for parameter in field.parameters())
        with torch.inference_mode(False), torch.no_grad():  # they may serve training later
            self._found = None if learning else self._places()
            self._static = None if learning else field.face.at(self.cells)

    def __call__(self, frame: MotionFrame) -> Touch:
        """The touch of a frame."""
        return self.moved(frame)[0]

    def moved(self, frame: MotionFrame, moving: bool = True) -> tuple[Touch, FaceMove | None]:
        """The touch of a frame and the learned motion in it; of what is persistent alone if it is not ``moving``."""
        field = self.field
        anchors: FaceMove | None = None
        static = self._static or field.face.at(self.cells)
        points, colour, logits = static["points"], static["colour"], static["logits"][:, 0]
        shape = static["shape"]  # [N, 7]
        lips, upper = field.conditions(frame.expression)
        places = self._found or self._places()
        pose = field.conditions.pose(frame.rotation)  # [3]
        features = LinearMap.features(field.conditions.free_pose(frame.rotation), lips, upper)
        if field.drift is not None:
            points = points + field.drift(features, self.cells)
        if field.light is not None:
            colour = colour + field.light(features, self.cells)
        if field.config.motion and moving:
            anchors = field.motion(places.face, lips, upper)
            move = FaceMove(*(part[self._anchors.of_point] for part in anchors))
            points = points.index_add(0, self._moving, move.points)
            shape = shape.index_add(0, self._moving, torch.cat([move.log_scales, move.quaternions], dim=1))
        if field.colour is not None and moving:
            seen = torch.cat([lips, upper, pose])  # [E + 9]
            painted, solid = field.colour(places.face, seen)
            colour = colour.index_add(0, self._moving, painted[self._anchors.of_point])
            logits = logits.index_add(0, self._moving, solid[self._anchors.of_point])
        none = colour.new_zeros(len(colour), 3)
        parameters = torch.cat([shape, none, static["directional"], none[:, :1]], dim=1)  # [N, 20]
        mouth = NO_MOUTH if field.mouth is None else field.mouth(places.mouth, frame.expression, lips, features)
        vertices, sheet = colour.new_zeros(1, 3), colour.new_zeros(1, 7)
        if field.rig is not None:
            vertices = field.rig(frame.expression, pose)  # [V, 3]
        return Touch(vertices, points, colour, none, logits, sheet, parameters, mouth), anchors

    def motion(self, expression: Tensor) -> FaceMove:
        """The learned motion of all anchors, for regularisers and pictures of it."""
        lips, upper = self.field.conditions(expression)
        return self.field.motion((self._found or self._places()).face, lips, upper)

    def _places(self) -> _Places:
        field = self.field
        rest = self._anchors.rest
        mouth = rest.new_zeros(0, 0) if field.mouth is None else field.mouth.code()
        return _Places(field.planes(rest), mouth)


def moving_points(avatar: Avatar) -> Tensor:
    """Indices ``[P]`` of the visible points that the face model holds."""
    return (avatar.binding.weights.sum(1) > MOVING).nonzero().squeeze(-1)


def head_bounds(avatar: Avatar) -> Tensor:
    """The head's part of the position map ``[4]``: first row, end row, first column, end column."""
    rows, columns = avatar.cells
    ends = (int(rows.min()), int(rows.max()) + 1, int(columns.min()), int(columns.max()) + 1)
    return torch.tensor(ends)
